#!/bin/sh
# Checks the formatting of all C files with clang-format 14 (Debian 12's), or corrects it.
#
#   scripts/check-format.sh [--fix] [FILE...]
set -eu
cd "$(dirname "$0")/.."

fix=no
if [ "${1-}" = --fix ]; then
    fix=yes
    shift
fi

formatter=
for candidate in clang-format-14 clang-format; do
    if command -v "$candidate" >/dev/null 2>&1; then
        formatter=$candidate
        break
    fi
done
if [ -z "$formatter" ]; then
    echo "check-format: clang-format is missing; scripts/install-deps.sh --ci installs it" >&2
    exit 2
fi

if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # no file name here holds spaces
    set -- $(find core ops models io serve cli tests examples -name '*.[ch]' -type f | LC_ALL=C sort)
fi
if [ $fix = yes ]; then
    exec "$formatter" -i "$@"
fi
if "$formatter" --dry-run -Werror "$@"; then
    echo "format: $# files are fine"
else
    echo "format: scripts/check-format.sh --fix corrects these files" >&2
    exit 1
fi
