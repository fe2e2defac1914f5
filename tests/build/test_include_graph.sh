#!/bin/sh
# The include graph: core <- ops <- models <- cli, io on core alone, serve on models and io and below cli, examples on public headers
# and their own, plugins on public headers alone, libuv under io and the plugin loader only; and the umbrella header is complete.
set -u
cd "${WENGERT_SOURCE_DIR:-$(dirname "$0")/../..}" || exit 2
failures=$(mktemp) || exit 2
trap 'rm -f "$failures"' EXIT

# "file:line header" for each include of the files under $1, quoted ones as "name".
includes() {
    find "$@" -type f -name '*.[ch]' ! -path '*/wengert.h' 2>/dev/null | LC_ALL=C sort |
        while IFS= read -r file; do
            awk -v f="$file" '/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
                sub(/^[ \t]*#[ \t]*include[ \t]*/, ""); gsub(/[ \t].*$/, "")
                print f ":" NR " " $0 }' "$file"
        done
}
layer_of() { # the layer whose public headers hold wengert/$1
    for layer in core ops models io serve; do
        if [ -f "$layer/include/wengert/$1" ]; then
            echo $layer
            return
        fi
    done
    case $1 in version.h) echo core ;; *) echo none ;; esac
}
bad() {
    echo "$*" >&2
    echo x >>"$failures"
}

# check FOLDER ALLOWED-LAYERS
check() {
    includes "$1" | while read -r place header; do
        case $header in
        '<wengert.h>')
            case $1 in cli | examples*) ;; *) bad "$place: the umbrella header inside $1" ;; esac
            ;;
        '<wengert/'*)
            name=${header#<wengert/}
            name=${name%>}
            layer=$(layer_of "$name")
            case " $2 " in
            *" $layer "*) ;;
            *) bad "$place: $1 must not depend on $layer: $header" ;;
            esac
            ;;
        '"'*)
            name=${header#\"}
            name=${name%\"}
            case $place in
            examples/plugins/*) bad "$place: plugins use public headers alone: $header" ;;
            esac
            case $name in
            wengert/* | wengert.h)
                bad "$place: public headers are included with <>: $header"
                continue
                ;;
            wg_commit.h) continue ;; # generated
            esac
            # Beside the file or in the layer's folders, and never outside of the layer.
            dir=$(dirname "${place%%:*}")
            found=
            for base in "$dir" "$1" "$1/kernels"; do
                [ -f "$base/$name" ] && found=$(cd "$(dirname "$base/$name")" && pwd) && break
            done
            case $found/ in
            "$PWD/$1"/*) ;;
            *) bad "$place: no such private header in $1: $header" ;;
            esac
            ;;
        esac
    done
}
check core "core"
check ops "core ops"
check models "core ops models"
check io "core io"
check serve "core ops models io serve"
check cli "core ops models io serve"
check examples "core ops models io serve"

includes core ops models io serve cli examples tests | while read -r place header; do
    case $header in
    '<uv.h>' | '"uv.h"' | '<uv/'* | '<wengert/uv.h>')
        case $place in
        io/* | core/plugin*.c:* | tests/io/* | tests/support/* | tests/bench/bench_io.c:* | \
            tests/fuzz/fuzz_checkpoint.c:*) ;;
        *) bad "$place: libuv belongs to io and the plugin loader: $header" ;;
        esac
        ;;
    esac
done
if grep -ln '<uv.h>' core/include/wengert/*.h ops/include/wengert/*.h models/include/wengert/*.h \
    io/include/wengert/*.h serve/include/wengert/*.h 2>/dev/null | grep -v '/uv\.h$' >&2; then
    bad "libuv's types belong to <wengert/uv.h> alone"
fi

# One name, one header; and every public header is in the umbrella, except libuv's.
umbrella=models/include/wengert.h
headers=$(for layer in core ops models io serve; do
    find $layer/include/wengert -name '*.h' 2>/dev/null | sed 's,.*/,,'
done | LC_ALL=C sort)
for twice in $(printf '%s\n' "$headers" | uniq -d); do
    bad "two public headers are named <wengert/$twice>"
done
for header in $headers version.h; do
    [ "$header" = uv.h ] && continue
    grep -q "^#include <wengert/$header>\$" $umbrella || bad "$umbrella lacks <wengert/$header>"
done
for header in $(sed -n 's,^#include <wengert/\(.*\)>$,\1,p' $umbrella); do
    [ "$(layer_of "$header")" != none ] || bad "$umbrella includes <wengert/$header>: no such header"
done
grep -q '^#include <wengert/uv.h>' $umbrella && bad "$umbrella must not bring in libuv"

count=$(wc -l <"$failures")
[ "$count" -eq 0 ] || { echo "$count includes against the grain" >&2; exit 1; }
echo "include graph: $(includes core ops models io serve cli examples | wc -l) includes are fine"
