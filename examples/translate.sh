#!/bin/sh
# Trains an English-to-French translator on the corpus in examples/data and translates with it:
# installs what is missing, builds, trains about 90 seconds on two cores, scores the held-out part,
# shows a dozen translations and draws one attention heat map.
#
#   sh examples/translate.sh [DIRECTORY]        (default: build/translator)
set -eu
cd "$(dirname "$0")/.."

# ---- what the translator looks like, and how it is trained -------------------------------------
# Options of `wengert translate train`; `wengert help translate train` explains each.
MODEL="--cell lstm --hidden 128 --embed 64 --attention general"
TRAINING="--batch 32 --lr 0.004 --dropout 0.1 --epochs 30 --early-stopping 4 --time-limit 1.5"
SEED=1
SHOWN=12
# ------------------------------------------------------------------------------------------------

out=${1:-build/translator}
data=examples/data
tool=build/release/bin/wengert

sh scripts/install-deps.sh
if [ ! -f build/release/build.ninja ]; then
    cmake --preset release >/dev/null
fi
cmake --build build/release -j "$(nproc 2>/dev/null || echo 2)" --target wengert_tool

# What an earlier run left; a directory that holds anything else is refused.
for file in model.npz last.npz log.jsonl test.out attention.svg; do
    rm -f "$out/$file"
done
# shellcheck disable=SC2086 # the two blocks are lists of options
"$tool" translate train \
    --source $data/train.en --target $data/train.fr \
    --valid-source $data/valid.en --valid-target $data/valid.fr \
    --out "$out" --seed $SEED $MODEL $TRAINING

"$tool" translate run --model "$out" <$data/test.en >"$out/test.out"

# Sentences spread over the held-out part, each with its reference and its translation.
echo
paste $data/test.en $data/test.fr "$out/test.out" | awk -F '\t' -v shown=$SHOWN '
    { line[NR] = $0 }
    END {
        step = NR > shown ? NR / shown : 1
        for (i = 0; i < shown && i < NR; i++) {
            split(line[int(i * step) + 1], part, "\t")
            printf "  en         %s\n  reference  %s\n  wengert    %s\n\n", part[1], part[2], part[3]
        }
    }'

# The longest of the first hundred sentences makes the most telling picture.
head -n 100 $data/test.en | awk '{ if (NF > longest) { longest = NF; text = $0 } } END { print text }' |
    "$tool" translate run --model "$out" --attention "$out/attention.svg" >/dev/null
echo "attention heat map: $out/attention.svg"

echo "BLEU of the held-out sentences:"
"$tool" score bleu --tokenize none $data/test.fr <"$out/test.out"
