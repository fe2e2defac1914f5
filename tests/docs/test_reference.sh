#!/bin/sh
# docs/reference is what scripts/make-reference.sh makes of the public headers.
set -eu
cd "${WENGERT_SOURCE_DIR:-$(dirname "$0")/../..}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh scripts/make-reference.sh "$work"
if ! diff -ru docs/reference "$work"; then
    echo "docs/reference is not up to date: scripts/make-reference.sh makes it" >&2
    exit 1
fi
# No function of the headers is missing.
status=0
for name in $(sed -n 's/^WG_API .*[ *]\(wg_[a-z0-9_]*\)(.*/\1/p' \
    core/include/wengert/*.h ops/include/wengert/*.h models/include/wengert/*.h io/include/wengert/*.h \
    serve/include/wengert/*.h); do
    grep -q "^### .*\`$name\`" docs/reference/*.md || {
        echo "docs/reference does not have $name" >&2
        status=1
    }
done
exit $status
