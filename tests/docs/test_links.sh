#!/bin/sh
# Links between the pages of the project lead to files and headings that exist.
set -eu
cd "${WENGERT_SOURCE_DIR:-$(dirname "$0")/../..}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "page:line target" for each link that is not to another site, code left out.
find . -name '*.md' ! -path './build/*' ! -path './.git/*' | sort | while read -r page; do
    awk -v page="${page#./}" '
        /^ *```/ { code = !code; next }
        code || /^    / { next }
        {
            gsub(/`[^`]*`/, "")
            while (match($0, /\]\([^) ]+\)/)) {
                print page ":" NR " " substr($0, RSTART + 2, RLENGTH - 3)
                $0 = substr($0, RSTART + RLENGTH)
            }
        }' "$page"
done | grep -v ' [a-z]*://' >"$work/links"

# The anchors that a page has: headings in lower case, punctuation dropped, blanks to "-".
anchors() {
    awk '/^ *```/ { code = !code; next } !code && /^#+ / { sub(/^#+ /, ""); print }' "$1" |
        tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

status=0
while read -r place target; do
    page=${place%:*}
    file=${target%%#*}
    path=$page
    [ -z "$file" ] || path=$(dirname "$page")/$file
    if [ ! -e "$path" ]; then
        echo "$place: no such file: $target" >&2
        status=1
        continue
    fi
    case $target in
    *'#'*)
        if ! anchors "$path" | grep -qx -e "${target#*#}"; then
            echo "$place: no such heading: $target" >&2
            status=1
        fi
        ;;
    esac
done <"$work/links"
echo "$(wc -l <"$work/links") links"
exit $status
