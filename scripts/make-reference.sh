#!/bin/sh
# Writes docs/reference, a page for each public header, from the headers' comments.
#
#   scripts/make-reference.sh [DIRECTORY]        (default: docs/reference)
#
# The pages are committed; the test docs.reference says when they have to be made again.
set -eu
cd "$(dirname "$0")/.."
out=${1:-docs/reference}
mkdir -p "$out"
rm -f "$out"/*.md
export LC_ALL=C

# No pages: what serves the other headers (export.h), and the list of functions that plugins are
# handed (host_api.h), which plugin.h explains.
headers() {
    for layer in core ops models io serve; do
        find $layer/include/wengert -name '*.h' ! -name host_api.h ! -name export.h | sort
        [ $layer != core ] || echo core/version.h.in
    done
}

{
    echo "# Reference"
    echo
    echo "Made by \`scripts/make-reference.sh\` from the public headers. \`<wengert.h>\` includes all of them."
    for layer in core ops models io serve; do
        printf '\n## %s\n\n' "$layer"
        headers | grep "^$layer/" | while read -r header; do
            name=$(basename "$header" .in)
            # The first sentence of the header's first comment.
            first=$(awk '{
                    last = sub(/ *\*\/$/, "")
                    sub(/^\/\* ?/, "")
                    sub(/^ \* ?/, "")
                    if ($0 == "") exit
                    text = text (text == "" ? "" : " ") $0
                    if (last) exit
                }
                END {
                    if (match(text, /\. [A-Z]/)) text = substr(text, 1, RSTART)
                    sub(/\.$/, "", text)
                    gsub(/[<*|]/, "\\\\&", text)
                    print text
                }' "$header")
            echo "- [$name](${name%.h}.md): $first"
        done
    done
} >"$out/README.md"

headers | while read -r header; do
    name=$(basename "$header" .in)
    awk -v NAME="$name" -f scripts/make-reference.awk "$header" |
        awk '/^$/ { blank = 1; next } blank && NR > 1 { print "" } { blank = 0; print }' >"$out/${name%.h}.md"
done
