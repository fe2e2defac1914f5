#!/bin/sh
# The table of functions for plugins: its order is a binary interface, so the names of the release
# stand at its beginning for ever (host_api.txt: append, never edit); and every function that core
# and ops offer to authors is in it, except those listed here.
set -u
cd "${WENGERT_SOURCE_DIR:-$(dirname "$0")/../..}" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0

sed -n 's/^    F([^,]*, \(wg_[a-z0-9_]*\),.*/\1/p; s/^    P(\(wg_[a-z0-9_]*\),.*/\1/p' \
    core/include/wengert/host_api.h >"$work/table"
[ -s "$work/table" ] || { echo "no functions found in host_api.h" >&2; exit 1; }
head -n "$(wc -l <tests/build/host_api.txt)" "$work/table" >"$work/begin"
if ! cmp -s tests/build/host_api.txt "$work/begin"; then
    diff tests/build/host_api.txt "$work/begin" >&2
    echo "host_api.h: functions were moved, renamed or taken out; append new ones at the end" >&2
    status=1
fi

# Variadic functions are there in their v-form; loading, allocators, command-line matters and what a
# host does before plugins come is not theirs.
cat >"$work/except" <<'EOF'
wg_error_set
wg_infer_fail
wg_plugin_count
wg_plugin_host
wg_plugin_load
wg_plugin_path
wg_set_allocator
wg_tape_fail
EOF
cat core/include/wengert/*.h ops/include/wengert/*.h |
    sed -n '/^WG_API/{ :more
        /[;{]/!{ N; b more
        }
        s/\n/ /g; s/^WG_API *//; s/(.*//; s/.*[^a-z0-9_]//; p; }' |
    grep '^wg_' | LC_ALL=C sort -u >"$work/declared"
LC_ALL=C sort "$work/table" "$work/except" >"$work/known"
LC_ALL=C comm -23 "$work/declared" "$work/known" >"$work/absent"
if [ -s "$work/absent" ]; then
    cat "$work/absent" >&2
    echo "these functions are not in host_api.h: append them, or list them here" >&2
    status=1
fi
[ $status -eq 0 ] && echo "host api: $(wc -l <"$work/table") functions in order"
exit $status
