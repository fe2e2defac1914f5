#!/bin/sh
# The recipe for image captions (Multi30k, task 1): trains an English-to-German (or -French)
# translator from lower-cased, tokenised text, chooses it by BLEU on the validation set, and scores
# the test set with beam search.
#
#   sh examples/multi30k.sh DATA [LANGUAGE] [DIRECTORY]
#
# DATA holds train.lc.norm.tok.en[.gz], val..., test_2016_flickr... and the same of LANGUAGE (de, or
# fr), as in the `data/task1/tok` folder of the data set's repository. LANGUAGE is de by default,
# DIRECTORY build/multi30k-LANGUAGE. Training stops after MINUTES (60); THREADS as the tool chooses.
# SUBWORDS=10000 cuts words by so many joint merges. Run again with RESUME=1 to go on.
set -eu
cd "$(dirname "$0")/.."

if [ $# -lt 1 ]; then
    echo "usage: sh examples/multi30k.sh DATA [LANGUAGE] [DIRECTORY]" >&2
    exit 2
fi
data=$1
language=${2:-de}
out=${3:-build/multi30k-$language}
tool=${WENGERT:-build/release/bin/wengert}
minutes=${MINUTES:-60}

# ---- the recipe --------------------------------------------------------------------------------
MODEL="--cell lstm --hidden 384 --layers 1 --embed 256 --attention general --tie-embeddings target"
TEXT="--min-count 2 --max-length 60"
TRAINING="--batch 64 --epochs 60 --optimizer adam --lr 0.001 --clip 1 --dropout 0.4
          --label-smoothing 0.1 --decay 0.5 --patience 1 --early-stopping 6 --select bleu"
BEAM=5
# ------------------------------------------------------------------------------------------------

find_text() { # name of a file, plain or gzipped
    for f in "$data/$1" "$data/$1.gz"; do
        if [ -f "$f" ]; then
            echo "$f"
            return
        fi
    done
    echo "multi30k.sh: no $1 or $1.gz in $data" >&2
    exit 2
}
text() { case $1 in *.gz) gzip -dc "$1" ;; *) cat "$1" ;; esac; }

train_source=$(find_text train.lc.norm.tok.en)
train_target=$(find_text "train.lc.norm.tok.$language")
valid_source=$(find_text val.lc.norm.tok.en)
valid_target=$(find_text "val.lc.norm.tok.$language")
test_source=$(find_text test_2016_flickr.lc.norm.tok.en)
test_target=$(find_text "test_2016_flickr.lc.norm.tok.$language")

if [ ! -x "$tool" ]; then
    sh scripts/install-deps.sh
    cmake --preset release >/dev/null
    cmake --build build/release -j "$(nproc 2>/dev/null || echo 2)" --target wengert_tool
fi

threads=${THREADS:+--threads $THREADS}
resume=${RESUME:+--resume}
subwords=${SUBWORDS:+--subwords $SUBWORDS}
# shellcheck disable=SC2086 # the blocks are lists of options
"$tool" translate train \
    --source "$train_source" --target "$train_target" \
    --valid-source "$valid_source" --valid-target "$valid_target" \
    --out "$out" --seed 1 --time-limit "$minutes" $MODEL $TEXT $TRAINING \
    $subwords $threads $resume

# shellcheck disable=SC2086
text "$test_source" |
    "$tool" translate run --model "$out" --beam-size $BEAM --replace-unk $threads >"$out/test.out"

echo "test set, beam $BEAM:"
text "$test_target" >"$out/test.ref"
"$tool" score bleu --tokenize none "$out/test.ref" <"$out/test.out"

# Every tenth sentence: source, reference, translation.
text "$test_source" | paste - "$out/test.ref" "$out/test.out" |
    awk -F '\t' 'NR % 10 == 1 { printf "%s\n  ref  %s\n  out  %s\n\n", $1, $2, $3 }' \
        >"$out/samples.txt"
echo "100 sample translations: $out/samples.txt"
