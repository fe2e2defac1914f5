#!/bin/sh
# Exported symbols: the shared library exports wg_* only and all that the public headers declare;
# the static one defines nothing outside wg_* and wg__*.
set -u
cd "${WENGERT_SOURCE_DIR:?}" || exit 2
library=${WENGERT_BUILD_DIR:?}/lib/libwengert
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0

nm -D --defined-only "$library.so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' |
    LC_ALL=C sort -u >"$work/exported" || exit 2
[ -s "$work/exported" ] || { echo "no exported symbols in $library.so" >&2; exit 1; }
if grep -vE '^wg_[a-z0-9]' "$work/exported"; then
    echo "these symbols must not be exported" >&2
    status=1
fi

# Declarations: comments and preprocessor lines go, then each statement with WG_API gives its name.
find core/include ops/include models/include io/include serve/include "$WENGERT_BUILD_DIR/generated/wengert" \
    -name '*.h' ! -name export.h | LC_ALL=C sort | while IFS= read -r header; do
    sed 's,//.*,,' "$header" | awk '
        { text = text $0 "\n" }
        END {
            while ((start = index(text, "/*")) > 0) {
                rest = substr(text, start + 2)
                end = index(rest, "*/")
                text = substr(text, 1, start - 1) " " substr(rest, end + 2)
            }
            n = split(text, lines, "\n")
            for (i = 1; i <= n; i++)
                if (lines[i] !~ /^[ \t]*#/ && !more) { all = all lines[i] " " }
            gsub(/WG_(BEGIN|END)_DECLS/, "", all)
            n = split(all, statement, /[;{}]/)
            for (i = 1; i <= n; i++) {
                s = statement[i]
                if (s !~ /WG_API/ || s ~ /typedef/) continue
                sub(/.*WG_API/, "", s)
                sub(/\(.*/, "", s)
                gsub(/\[.*/, "", s)
                sub(/[ \t]+$/, "", s)
                sub(/.*[^A-Za-z0-9_]/, "", s)
                if (s ~ /^wg_/) print s
            }
        }'
done | LC_ALL=C sort -u >"$work/declared"
[ -s "$work/declared" ] || { echo "no declarations found" >&2; exit 1; }
LC_ALL=C comm -23 "$work/declared" "$work/exported" >"$work/absent"
if [ -s "$work/absent" ]; then
    cat "$work/absent"
    echo "these functions are declared in public headers and defined nowhere" >&2
    status=1
fi
LC_ALL=C comm -13 "$work/declared" "$work/exported" >"$work/undeclared"
if [ -s "$work/undeclared" ]; then
    cat "$work/undeclared"
    echo "these symbols are exported and declared in no public header" >&2
    status=1
fi

# Sanitizers add symbols of their own to object files.
if [ -z "${WENGERT_SANITIZE-}" ]; then
    if nm -g --defined-only "$library.a" 2>/dev/null | awk 'NF == 3 { print $3 }' |
        grep -vE '^wg_' | LC_ALL=C sort -u | grep .; then
        echo "these symbols of the static library could clash with a program's own" >&2
        status=1
    fi
fi
[ $status -eq 0 ] && echo "symbols: $(wc -l <"$work/exported") exported, all declared"
exit $status
