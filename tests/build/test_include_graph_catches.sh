#!/bin/sh
# The test of the include graph does find what it is there to find: in a copy of the headers and
# with one wrong include after the other, it fails and names the file.
set -u
script=${WENGERT_SOURCE_DIR:?}/tests/build/test_include_graph.sh
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0

mkdir -p "$work/models/include/wengert"
for layer in core ops models io serve; do
    mkdir -p "$work/$layer/include/wengert"
    echo '/* public */' >"$work/$layer/include/wengert/$layer.h"
    echo '/* private */' >"$work/$layer/private.h"
    printf '#include <wengert/%s.h>\n#include "private.h"\n' $layer >"$work/$layer/fine.c"
    echo "#include <wengert/$layer.h>" >>"$work/models/include/wengert.h"
done
echo '#include <wengert/version.h>' >>"$work/models/include/wengert.h"
mkdir -p "$work/core/passes" "$work/cli" "$work/examples/plugins" "$work/tests"
echo '#include "../private.h"' >"$work/core/passes/fine.c"
echo '#include <uv.h>' >"$work/core/plugin_load.c"
echo '#include <uv.h>' >"$work/io/loop.c"
printf '#include <wengert.h>\n#include <wengert/io.h>\n' >"$work/cli/fine.c"
echo '#include <wengert/core.h>' >"$work/examples/plugins/fine.c"

graph() { WENGERT_SOURCE_DIR=$work sh "$script" >"$work/log" 2>&1; }
graph || {
    cat "$work/log" >&2
    echo "a right tree is refused" >&2
    exit 1
}
# catches FILE INCLUDE
catches() {
    echo "#include $2" >"$work/$1"
    if graph; then
        echo "not found: $1 with #include $2" >&2
        status=1
    elif ! grep -qF "${1##*/}" "$work/log"; then
        cat "$work/log" >&2
        echo "not named: $1" >&2
        status=1
    fi
    rm "$work/$1"
}
catches core/bad.c '<wengert/ops.h>'
catches core/bad.c '<wengert/io.h>'
catches core/bad.c '<uv.h>'
catches core/bad.c '"../ops/private.h"'
catches core/passes/bad.c '"../../models/private.h"'
catches core/include/wengert/bad.h '<uv.h>'
catches ops/bad.c '<wengert/models.h>'
catches ops/bad.h '<wengert/io.h>'
catches models/bad.c '<wengert/io.h>'
catches models/bad.c '<uv.h>'
catches models/bad.c '<wengert.h>'
catches io/bad.c '<wengert/ops.h>'
catches io/bad.c '  "absent.h"'
catches cli/bad.c '<uv.h>'
catches cli/bad.c '"../core/private.h"'
catches examples/bad.c '"../core/private.h"'
catches examples/plugins/bad.c '"fine.h"'
catches examples/plugins/bad.c '<wengert/uv.h>'
catches models/include/wengert/umbrella-lacks.h '<stdint.h>'
[ $status -eq 0 ] && echo "includes against the grain are found"
exit $status
