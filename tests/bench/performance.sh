#!/bin/sh
# Measures what docs/results/performance.md shows; report.py makes its tables of it.
#
#     tests/bench/performance.sh FOLDER [PART...]
#     python3 tests/bench/report.py FOLDER/* --page docs/results/performance.md
#
# Parts, all of them by default, each a file of FOLDER: train-1 train-2 (by one and two threads: cells,
# the step by hand, PyTorch, seq2seq) torch-1 torch-2 (the PyTorch of NEWER alone) decode record memory
# scale ops ulp. About fifteen minutes on two quiet cores. Set BUILD to the build folder, PYTHON and NEWER
# to interpreters that have PyTorch, PEERS to the folder of its scripts, ROUNDS to how often the cells
# race (1); what is absent is left out.
set -u
[ $# -ge 1 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed 1d >&2; exit 2; }
out=$1
shift
[ $# -gt 0 ] || set -- train-1 train-2 torch-1 torch-2 decode record memory scale ops ulp
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-$top/build/release}
bench=$build/bin/wengert-bench
peers=${PEERS:-${WENGERT_SHARED:-$top/../shared}/bench}
tiny=${TINY:+--tiny} # sizes that take no time, to test this script
config=core
[ -z "$tiny" ] || config=tiny
mkdir -p "$out" || exit 2
[ -x "$bench" ] || { echo "$bench is not there; name the build folder with BUILD" >&2; exit 2; }
status=0

# on THREADS COMMAND...: pinned to so many cores.
on() {
    cores=0
    [ "$1" -eq 1 ] || cores=0-$(($1 - 1))
    shift
    if command -v taskset >/dev/null; then taskset -c "$cores" "$@"; else "$@"; fi
}

train() {
    "${PYTHON:-python3}" "$here/compare.py" --bench "$bench" --peers "$peers" \
        --python "${PYTHON:-/usr/bin/python3}" --threads "$1" $tiny \
        --rounds "${ROUNDS:-1}" --races lstm,gru,rnn,peephole,separate-gates,layernorm-lstm,seq2seq,seq2seq-lengths \
        --json "$out/train-$1"
}

newer() {
    if [ -z "${NEWER-}" ] || [ ! -r "$peers/torch_lm.py" ]; then
        echo "torch-$1: left out (NEWER names an interpreter, PEERS the scripts)" >&2
        return 0
    fi
    { on "$1" "$NEWER" "$peers/torch_lm.py" builtin --threads "$1" &&
        on "$1" "$NEWER" "$peers/torch_seq2seq.py" --threads "$1"; } |
        sed "s/^{/{\"threads\": $1, /" >"$out/torch-$1"
}

for part; do
    echo "$part" >&2
    case $part in
    train-[12]) train "${part#train-}" ;;
    torch-[12]) newer "${part#torch-}" ;;
    decode) { on 1 "$bench" decode $tiny --steps 51 && on 2 "$bench" decode $tiny --threads 2 --steps 51; } \
        >"$out/decode" ;;
    record | memory) on 1 "$bench" "$part" $tiny >"$out/$part" ;;
    scale) on 1 "$bench" scale --config "$config" --steps 3 >"$out/scale" ;;
    ops) { on 1 "$bench" ops $tiny && on 2 "$bench" ops $tiny --threads 2; } >"$out/ops" ;;
    ulp)
        test=$(find "$build" -name test_ops_ulp -type f | head -n 1)
        [ -n "$test" ] || { echo "ulp: left out (test_ops_ulp is not built)" >&2; continue; }
        on 1 "$test" >"$out/ulp" 2>&1
        ;;
    *) echo "no part is named '$part'" >&2 && exit 2 ;;
    esac || { echo "$part: failed" >&2 && status=1; }
done
exit $status
