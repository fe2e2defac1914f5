#!/bin/sh
# The cells of examples/plugins/lstm_variants.c: every gradient is right, first and second order.
set -u
bin=${WENGERT_BIN:?}
plugin=${WENGERT_PLUGINS:?}/lstm_variants.so
if [ ! -x "$bin/wengert" ] || [ ! -r "$plugin" ]; then
    echo "the tool or lstm_variants.so was not built"
    exit 77
fi
status=0
for cell in peephole layernorm-lstm separate-gates; do
    for how in "--order 1" "--order 2 --size 3,2,4,6,6"; do
        # shellcheck disable=SC2086
        text=$("$bin/wengert" gradcheck --plugin "$plugin" --cell "$cell" $how 2>&1) || {
            printf '%s\n' "$text" >&2
            echo "$cell ($how) fails" >&2
            status=1
        }
    done
done
"$bin/wengert" gradcheck --plugin "$plugin" --cell separate-gates | grep -q ' Wi .*\[7,2\]' || {
    echo "Wi of separate-gates is not over [x;h]" >&2
    status=1
}
exit $status
