#!/bin/sh
# Every public header stands alone, as C17 without extensions and as C++, and warns about nothing.
set -u
cd "${WENGERT_SOURCE_DIR:?}" || exit 2
cc=${WENGERT_CC:-cc}
includes="-Icore/include -Iops/include -Imodels/include -Iio/include -Iserve/include -I${WENGERT_BUILD_DIR:?}/generated"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0
count=0

# A compiler for C++ is not among the packages that are needed.
languages=c
if printf 'int main() { return 0; }\n' | "$cc" -x c++ -fsyntax-only - 2>/dev/null; then
    languages="c c++"
fi

headers=$(cd "$work" && for layer in core ops models io serve; do
    find "$OLDPWD/$layer/include" -name '*.h' 2>/dev/null | sed 's,.*/include/,,'
done)
for language in $languages; do
    case $language in
    c) options="-std=c17 -Wstrict-prototypes" ;;
    *) options="-std=c++11" ;;
    esac
    for header in $headers wengert/version.h; do
        # libuv's header needs POSIX names (pthread_rwlock_t), which plain C17 hides.
        case $header in
        wengert/uv.h) posix=-D_XOPEN_SOURCE=700 ;;
        *) posix= ;;
        esac
        printf '#include <%s>\n#include <%s>\ntypedef int unit;\n' "$header" "$header" >"$work/unit"
        # shellcheck disable=SC2086 # options are words
        if ! "$cc" -x "$language" $options $posix -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror \
            $includes "$work/unit"; then
            echo "<$header> does not stand alone in $language" >&2
            status=1
        fi
        count=$((count + 1))
    done
done
[ $status -eq 0 ] && echo "headers: $count compiled alone ($languages)"
exit $status
