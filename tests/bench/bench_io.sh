#!/bin/sh
# Saving and loading 100 MB of normal f32 in 25 tensors and in one, beside numpy in the same run.
#
#   tests/bench/bench_io.sh [BUILD [FOLDER]]     (build/release, a temporary folder)
#
# Each figure is the best of five (numpy's slow save: of two). numpy's own files for numpy, ours for
# us; and ours read by numpy. Both use 2 threads where they use any.
set -eu
build=${1:-build/release}
folder=${2:-$(mktemp -d)}
python=/usr/bin/python3
"$python" -c 'import numpy' 2>/dev/null || python=python3
mkdir -p "$folder"

numpy_side() {
    "$python" - "$folder" "$1" <<'END'
import os, sys, time
import numpy
folder, n = sys.argv[1], int(sys.argv[2])
rng = numpy.random.default_rng(1)
arrays = {f"w{i}": rng.standard_normal(100 * 2**18 // n, dtype=numpy.float32) for i in range(n)}
path = f"{folder}/numpy{n}.npz"

def best(times, work):
    least = 1e9
    for _ in range(times):
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    return least

def load(path):
    with numpy.load(path) as file:
        return {name: file[name] for name in file.files}

save = best(2, lambda: numpy.savez_compressed(path, **arrays))
print(save, os.path.getsize(path), best(5, lambda: load(path)),
      best(5, lambda: load(f"{folder}/bench{n}.npz")))
END
}

printf '%-8s %10s %10s %7s %10s %10s %10s %7s %9s\n' tensors "save, s" "numpy, s" ratio "load, s" \
    "numpy, s" "ours by np" ratio "size"
for n in 25 1; do
    set -- $("$build/bin/bench_io" "$folder" save $n 100 2)
    save=$1 size=$2
    load=$("$build/bin/bench_io" "$folder" load $n 100 2)
    set -- $(numpy_side $n)
    printf '%s\n' "$n $save $1 $load $3 $4 $size $2" | awk '{
        printf "%-8d %10.3f %10.3f %7.2f %10.4f %10.4f %10.4f %7.2f %9.5f\n", $1, $2, $3, $3 / $2,
            $4, $5, $6, $5 / $4, $7 / $8 }'
done
"$build/bin/bench_io" "$folder" latency 500 2
