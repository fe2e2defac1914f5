#!/bin/sh
# The program of docs/cells.md compiles and prints what the page says, and the page has every
# built-in cell.
set -eu

page=$WENGERT_SOURCE_DIR/docs/cells.md
[ -z "${WENGERT_SANITIZE:-}" ] || exit 77 # a plain compiler call would not find the runtime
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# block NAME: the lines of the code block opened by "```LANGUAGE NAME".
block() {
    awk -v name="$1" '/^```/ { on = !on && $2 == name; next } on' "$page"
}
block mgu.c > "$dir/mgu.c"
block mgu.out > "$dir/wanted"
[ -s "$dir/mgu.c" ] && [ -s "$dir/wanted" ]

set --
for layer in core ops models io serve; do
    set -- "$@" -I "$WENGERT_SOURCE_DIR/$layer/include"
done
${WENGERT_CC:-cc} -std=c17 -Wall -Wextra -Werror "$@" -I "$WENGERT_BUILD_DIR/generated" \
    "$dir/mgu.c" -o "$dir/mgu" -L "$WENGERT_BUILD_DIR/lib" -lwengert \
    -Wl,-rpath,"$WENGERT_BUILD_DIR/lib"
"$dir/mgu" > "$dir/printed"
diff -u "$dir/wanted" "$dir/printed"

status=0
for name in $(sed -n 's/^ *\.name = "\([a-z-]*\)",$/\1/p' "$WENGERT_SOURCE_DIR"/models/cells/*.c); do
    grep -q "^\*\*\`$name\`\*\*" "$page" || {
        echo "docs/cells.md does not have the cell $name" >&2
        status=1
    }
done
exit $status
