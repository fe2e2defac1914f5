#!/bin/sh
# The samples of the documentation are compiled and run, and print what their page says.
#
# README.md and every page under docs/ is taken apart by samples.awk (there: which blocks count).
# Each page has a folder of its own, in which its programs are compiled with the line that the pages
# give, against the build tree, and its shell samples run with the tool on the PATH, examples/ beside
# them. What they print is compared by compare.awk. TEST_SAMPLES="docs/concepts.md" runs the samples of these pages only.
set -u
source_dir=${WENGERT_SOURCE_DIR:?}
build=${WENGERT_BUILD_DIR:?}
here=$source_dir/tests/docs
if [ -n "${WENGERT_SANITIZE-}" ]; then
    echo "a plain compiler call would not find the sanitizer's runtime"
    exit 77
fi
cc=${WENGERT_CC:-cc}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_PATH="$build" PATH="${WENGERT_BIN:-$build/bin}:$PATH" WENGERT_THREADS=2 LC_ALL=C
unset WENGERT_TRACE WENGERT_COMPILE NO_COLOR CFLAGS LDFLAGS

cd "$source_dir" || exit 2
# The reference is made from headers, whose fragments are no programs.
pages=${TEST_SAMPLES:-$(find README.md docs -name '*.md' ! -path 'docs/reference/*' | sort)}
failed=0
count=0
bad() {
    echo "$1" >&2
    [ -f "$2" ] && sed 's/^/    /' "$2" >&2
    failed=$((failed + 1))
}

for page in $pages; do
    dir=$work/$(echo "$page" | tr / _)
    mkdir "$dir"
    ln -s "$source_dir/examples" "$dir/examples"
    : >"$dir/.steps"
    awk -v DIR="$dir" -v STEPS="$dir/.steps" -f "$here/samples.awk" "$page" || failed=$((failed + 1))
    while read -r kind file line wanted; do
        count=$((count + 1))
        place=$page:$line
        if [ "$kind" = c ]; then
            program=${file%.c}
            # shellcheck disable=SC2046 # flags are words
            if ! (cd "$dir" && "$cc" -std=c17 -O2 -Wall -Wextra -Werror "$file" -o "$program" \
                $(pkg-config --cflags --libs wengert)) >"$dir/.log" 2>&1; then
                bad "$place: the program does not compile" "$dir/.log"
                continue
            fi
            set -- "./$program"
        else
            set -- sh -e "$file"
        fi
        if ! (cd "$dir" && "$@") >"$dir/.printed" 2>"$dir/.log" </dev/null; then
            cat "$dir/.printed" >>"$dir/.log"
            bad "$place: the sample fails" "$dir/.log"
            continue
        fi
        [ "$wanted" = - ] && continue
        if ! awk -f "$here/compare.awk" "$dir/$wanted" "$dir/.printed"; then
            diff -u "$dir/$wanted" "$dir/.printed" >"$dir/.log"
            bad "$place: the sample prints something else (-: page, +: printed)" "$dir/.log"
        fi
    done <"$dir/.steps"
done
[ $count -gt 0 ] || { echo "no samples found" >&2; exit 1; }
echo "$count samples, $failed failures"
[ $failed -eq 0 ]
