#!/bin/sh
# wengert-bench on sizes that take no time: every command prints lines of JSON with the fields that
# comparisons read, and bad arguments are refused with a message and status 2.
set -u
bench=${WENGERT_BIN:?}/wengert-bench
plugins=${WENGERT_PLUGINS:?}
[ -x "$bench" ] || { echo "wengert-bench was not built"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0

fail() {
    echo "$*" >&2
    cat "$work/out" "$work/err" >&2
    status=1
}

# prints LINES FIELDS ARGUMENTS...: at least so many lines, each valid JSON with these fields.
prints() {
    lines=$1 fields=$2
    shift 2
    "$bench" "$@" >"$work/out" 2>"$work/err" || { fail "$*: status $?"; return; }
    [ "$(wc -l <"$work/out")" -ge "$lines" ] || fail "$*: fewer than $lines lines"
    for field in peer commit config threads isa peak_gflops_a_core read_gb_per_s $fields; do
        [ "$(grep -c "\"$field\":" "$work/out")" -eq "$(wc -l <"$work/out")" ] ||
            fail "$*: no $field in some line"
    done
    grep -qiE '(nan|inf|null)[,}]' "$work/out" && fail "$*: a number that is none"
    command -v python3 >/dev/null || return
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    value = json.loads(line)
    assert value["peak_gflops_a_core"] > 0 and value["read_gb_per_s"] > 0, value
    assert value.get("ms", 1) >= 0, value
' "$work/out" || fail "$*: not JSON"
}

# refuses TEXT ARGUMENTS...
refuses() {
    text=$1
    shift
    "$bench" "$@" >"$work/out" 2>"$work/err"
    got=$?
    [ "$got" -eq 2 ] || fail "$*: status $got, not 2"
    grep -qF -e "$text" "$work/err" || fail "$*: does not say: $text"
    [ -s "$work/out" ] && fail "$*: prints on stdout"
}

step="ms tokens_per_s gflops share_of_peak steps loss cell"
cells="lstm gru rnn lstmp peephole layernorm-lstm separate-gates"
[ -z "${WENGERT_SANITIZE-}" ] || cells="lstm separate-gates" # slow there, and checked elsewhere
for cell in $cells; do
    prints 1 "$step" train --tiny --cell "$cell" --steps 2
done
prints 3 "$step peak_gflops_then share_of_peak_then processor_ms" train --tiny --cell lstm,hand,separate-gates --steps 3
prints 1 "$step products compile_ms" train --config tiny --compiled --threads 2
prints 1 "$step products_by" hand --tiny --threads 2
prints 1 "ms target_tokens_per_s" seq2seq --tiny --steps 2
prints 1 "ms target_tokens_per_s padding" seq2seq --tiny --lengths --steps 2
"$bench" seq2seq --tiny --lengths --print-lengths >"$work/lengths" 2>"$work/err" ||
    fail "--print-lengths: status $?"
# The peer in PyTorch takes them, where there is one; else they are looked at here.
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    /usr/bin/python3 tests/bench/torch_seq2seq_lengths.py --steps 1 <"$work/lengths" \
        >"$work/out" 2>"$work/err" || fail "torch_seq2seq_lengths.py: status $?"
    grep -q '"config": "seq2seq-lengths", "ms": [0-9]' "$work/out" || fail "the peer prints no time"
fi
if command -v python3 >/dev/null; then
    python3 -c '
import json, sys
batches = json.load(open(sys.argv[1]))["batches"]
assert len(batches) == 4
for batch in batches:
    assert len(batch["source"]) == len(batch["target"]) == 3
    assert all(-4 <= t - s <= 3 and s > 5 for s, t in zip(batch["source"], batch["target"]))
    assert batch["target"] == sorted(batch["target"])
' "$work/lengths" || fail "--print-lengths prints no lengths"
fi
prints 1 "ms tokens_per_s gb_per_s share_of_bandwidth" decode --tiny
prints 12 "op us gb_per_s share_of_bandwidth" ops --tiny --steps 3
prints 1 "record_ms record_and_lookup_ms share_of_step record_and_compile_new_shape_ms" \
    record --tiny --steps 3
prints 10 "size value factor ms time_ratio work_ratio gflops" scale --tiny --steps 2
prints 1 "ms ms_while_saving throughput_while_saving saves copy_ms write_ms mb" \
    saving --tiny --steps 2
prints 1 "planned_mb formula_mb held_mb ratio" memory --tiny
if [ -r "$plugins/mgu.so" ]; then
    prints 1 "$step" train --tiny --steps 2 --plugin "$plugins/mgu.so" --cell mgu
fi

refuses "usage:"
refuses "unknown command" fly
refuses "unknown option" train --speed 3
refuses "unexpected argument" train charlm
refuses "does not take '--cell'" hand --cell gru
refuses "missing after" train --config
refuses "no configuration" train --config huge
refuses "no cell is named 'huge'" train --tiny --cell huge
refuses "no cell is named 'huge'" train --tiny --cell lstm,hand,huge
refuses "no list of 1 to 16 cells" train --tiny --cell lstm,
refuses "no list of 1 to 16 cells" train --tiny --cell ,lstm
if grep -qw avx512_bf16 /proc/cpuinfo 2>/dev/null; then
    echo "bf16: this CPU may have it, so that no refusal is checked"
else
    refuses "no products in bf16" train --tiny --bf16
    refuses "no products in bf16" train --tiny --bf16 --compiled
fi
for n in 0 -1 x 3x 99999999999999999999 ''; do refuses "--threads takes" hand --tiny --threads "$n"; done
refuses "--steps takes" hand --tiny --steps 0
refuses "--print-lengths goes with --lengths" seq2seq --tiny --print-lengths
"$bench" --help >"$work/out" 2>"$work/err" || fail "--help: status $?"
for word in train hand seq2seq decode ops record scale saving memory --bf16 --tiny; do
    grep -qF -e "$word" "$work/out" || fail "--help does not mention $word"
done
"$bench" --version | grep -q '^wengert-bench [0-9]' || fail "--version"
exit $status
