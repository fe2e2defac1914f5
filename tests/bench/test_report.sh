#!/bin/sh
# A tiny run of performance.sh, made into tables by report.py, and put into the page: every table that
# was measured is replaced and nothing else changes.
set -u
build=$(dirname "${WENGERT_BIN:?}")
[ -x "$WENGERT_BIN/wengert-bench" ] || { echo "wengert-bench was not built"; exit 77; }
command -v python3 >/dev/null || { echo "no python3"; exit 77; }
[ -z "${WENGERT_SANITIZE-}" ] || { echo "the programs run in bench.bench"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0
fail() {
    echo "$*" >&2
    cat "$work/log" >&2
    status=1
}
report() {
    python3 tests/bench/report.py "$@" >"$work/tables" 2>"$work/log"
}

TINY=1 BUILD=$build PEERS=$work/none sh tests/bench/performance.sh "$work/run" train-1 decode record memory \
    scale ops >"$work/log" 2>&1 || fail "performance.sh: status $?"
TINY=1 BUILD=$build sh tests/bench/performance.sh "$work/run" nothing 2>/dev/null && fail "a part that is none"

# What PyTorch and the test of errors print, of known figures.
mkdir "$work/more"
cat >"$work/more/torch" <<'PEER'
{"threads": 1, "peer": "torch 9.9.9+cpu", "config": "tiny", "cell": "LSTM", "ms": 1e6, "gflops": 1}
{"threads": 1, "peer": "torch 9.9.9+cpu", "config": "seq2seq-attention", "ms": 2e6}
PEER
echo 'exp        avx2    1.008 ulp at 0x1.8p+1 (3)' >"$work/more/ulp"
report "$work"/run/* "$work"/more/* || fail "report.py: status $?"
expect() {
    grep -qE -e "$1" "$work/tables" || { cat "$work/tables" >&2; fail "no table says: $1"; }
}
expect '^\| 1 \| (generic|baseline|sse2|avx2|avx512|[a-z0-9]+) \| [0-9.]+ \| [0-9.]+ \|'
expect '^\| tiny \| lstm \| [0-9.]+ \| [0-9]+ \| [0-9.]+ % \| [0-9.]+ % \| [0-9.]+ \| 1\.00 \| 1000000\.0 \| [0-9]{3,}\.[0-9]+ \|$'
expect '^\| tiny \| separate-gates \| [0-9.]+ \| .* \| - \| - \|$'
expect '^\| tiny \| by hand \|'
expect '^\| seq2seq-attention \| 1 \| .* \| 2000000\.0 \|'
expect '^\| seq2seq-lengths \| 1 \| '
expect '^\| exp \| 1 \| [0-9.]+ \| - \| - \| 1\.01 \|$'
expect '^\| 3x5x4 \| 1 \| '
expect '^\| tiny \| T \| '

# The page has a place for each of them, and keeps the rest.
page=docs/results/performance.md
cp "$page" "$work/page.md"
report "$work"/run/* --page "$work/page.md" || fail "--page: status $?"
grep -q '^| tiny | lstm | ' "$work/page.md" || fail "the page has no new table"
text() {
    awk '/^<!-- end of report/ { skip = 0 } !skip { print } /^<!-- report: / { skip = 1 }' "$1"
}
text "$page" >"$work/a"
text "$work/page.md" >"$work/b"
cmp -s "$work/a" "$work/b" || fail "more than the tables changed"

echo none >"$work/empty"
report "$work/empty" && fail "no figures, and no message"
grep -q 'no figures' "$work/log" || fail "does not say: no figures"
report "$work/absent" && fail "an absent file"
grep -q '^report: FileNotFoundError' "$work/log" || fail "an absent file is not said"
exit $status
