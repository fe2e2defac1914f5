#!/bin/sh
# Each fuzzer for a few seconds, from its seeds: the short run of continuous integration.
#
#   tests/fuzz/run.sh BUILD [SECONDS]     (3 seconds each)
#
# What it finds is left in BUILD/fuzz-findings; put it into tests/fuzz/seeds/<target> with the fix.
set -eu
build=$1
seconds=${2:-3}
seeds=$(cd "$(dirname "$0")" && pwd)/seeds
findings=$build/fuzz-findings
mkdir -p "$findings"
count=0
for target in "$build"/bin/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    [ -d "$seeds/$name" ] || { echo "fuzz: $name has no seeds" >&2; exit 1; }
    corpus=$(mktemp -d)
    if ! "$target" -max_total_time="$seconds" -max_len=4096 -timeout=20 -verbosity=0 \
        -artifact_prefix="$findings/$name-" "$corpus" "$seeds/$name" >"$corpus.log" 2>&1; then
        tail -n 40 "$corpus.log" >&2
        echo "fuzz: $name failed, see $findings" >&2
        exit 1
    fi
    rm -rf "$corpus" "$corpus.log"
    count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "fuzz: no fuzzers in $build/bin" >&2; exit 1; }
echo "fuzz: $count targets, $seconds s each"
