#!/bin/sh
# compare.py on tiny sizes: without peers it says so and prints its table all the same; with a peer
# that prints what torch's scripts print, ratios are the peer's time over ours.
set -u
bench=${WENGERT_BIN:?}/wengert-bench
[ -x "$bench" ] || { echo "wengert-bench was not built"; exit 77; }
command -v python3 >/dev/null || { echo "no python3"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0
compare() {
    python3 tests/bench/compare.py --bench "$bench" --tiny --steps 2 "$@" >"$work/out" 2>"$work/err"
}
expect() {
    grep -qE -e "$1" "$work/$2" && return
    cat "$work/out" "$work/err" >&2
    echo "compare does not say: $1" >&2
    status=1
}

compare --peers "$work/none" --races lstm,separate-gates,decode --json "$work/all.json" || status=1
expect 'no peers: .*none/torch_lm.py is not there' err
expect '^\| tiny \| separate-gates \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| - \| - \|$' out
expect '^\| decode ' out
python3 -c 'import json, sys
lines = json.load(open(sys.argv[1]))["lines"]
assert sorted({line["who"] for line in lines}) == ["hand", "wengert"] and len(lines) == 4' \
    "$work/all.json" || status=1

# A peer of known times, with a module `torch` of its own.
mkdir "$work/peers" "$work/modules"
echo '__version__ = "0.0.test"' >"$work/modules/torch.py"
cat >"$work/peers/torch_lm.py" <<'PEER'
import json
print(json.dumps({"peer": "torch", "config": "tiny", "cell": "LSTM", "ms": 1e6, "gflops": 1}))
PEER
PYTHONPATH=$work/modules compare --peers "$work/peers" --python "$(command -v python3)" \
    --races lstm || status=1
expect 'peer: torch 0.0.test' out
expect '^\| tiny \| lstm .* \| 1000000.0 \| [0-9]{5,}\.[0-9]+ \|$' out

compare --peers "$work/none" --configs huge --races lstm
compare --bench "$work/none" && status=1
expect 'is not there; build it' err
exit $status
