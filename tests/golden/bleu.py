#!/usr/bin/env python3
"""Writes bleu.json: what sacreBLEU gives for segments made to be awkward.

    python3 -m venv venv && venv/bin/pip install sacrebleu==2.6.0
    venv/bin/python tests/golden/bleu.py > tests/golden/bleu.json

The segments are written by hand or drawn at random (fixed seed) from an alphabet in which the rules
of mteval-v13a, white space and case meet. Each configuration is scored over the whole corpus, and
its statistics are given for every segment, so that a wrong rule shows where it is.
"""
import json
import random
import sys
import unicodedata

from sacrebleu.metrics import BLEU

HAND = [
    ("", ["the cat sat"]),
    ("the cat", [""]),
    ("", [""]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("Well, Anna's 2.71 left; isn't 9 o'clock...?", ["Well , Annas 2.71 left ; isnt 9 o'clock ... ?"]),
    ("1,000.50 dollars, 3,a a,3 .5 5. ,, .. .,. 1-2 a-1 1-a --1--", ["1,000.5 dollars , 3 , a a , 3"]),
    ("&quot;AT&amp;T&quot; &lt;b&gt; &amp;lt; &amp;quot; &amp ;", ['"AT&T" <b> &lt; &quot; &amp ;']),
    ("a <skipped> b<skipped>c word-\nbreak line\nend", ["a b c wordbreak line end"]),
    ("日本語 の テスト。", ["日本語のテスト。"]),
    ("naïve café “quoted” text", ['naive café "quoted" text']),
    ("a\u00a0b\u2003c\u3000d\u0085e\u200bf\x1cg\ufeffh", ["a b c d e f g h"]),
    ("trailing\u3000\t \r", ["trailing"]),
    ("ΟΔΥΣΣΕΥΣ ΣΑΣ. ΑΣ'Β Σ Α.Σ Σ͏Σ", ["οδυσσευς σας. ας'β σ α.ς σ͏ς"]),
    ("İSTANBUL Iğdır ẞTRASSE ǅ Ⅷ Ⓐ", ["i̇stanbul iğdır ßtrasse ǆ ⅷ ⓐ"]),
    ("the cat sat on the mat", ["the cat sat on the mat"]),
    ("the cat sat on the mat", ["the cat sat", "the cat sat on the mat today now"]),
    ("a b c d e f", ["a b c d", "a b c d e f g h", "x"]),
    ("{x}[y]^z_`w`|v~u\\t/s(r)*q+p=o;n:m?l@k#j$i%h!", ["{ x } [ y ] ^ z _ ` w ` | v ~ u"]),
    ("x", ["y"]),
    ("😀 emoji👍🏽 fine", ["😀 emoji 👍🏽 fine"]),
]

# Every BMP character that str.lower() changes, a hundred a segment.
CASED = [chr(c) for c in range(0x10000)
         if not 0xD800 <= c < 0xE000 and chr(c).lower() != chr(c) and unicodedata.category(chr(c)) != "Cn"]
CASED += ["𐐀", "𐓀", "𞤀", "𖹀"]

ALPHABET = list("aaAbB019..,,--'&;<>\"!/() \t") + ["Σ", "σ", "é", "É", "\u00a0", "\u2028", "日",
                                                    "&amp;", "&lt;", "&quot;", "the", "Cat ", " "]


def segments():
    result = list(HAND)
    for i in range(0, len(CASED), 100):
        chunk = " ".join(CASED[i:i + 100])
        result.append((chunk, [chunk.lower()]))
    rng = random.Random(20)
    for _ in range(120):
        hyp = [rng.choice(ALPHABET) for _ in range(rng.randrange(30))]
        refs = []
        for _ in range(rng.randrange(1, 4)):
            ref = list(hyp)
            for _ in range(rng.randrange(8)):
                at = rng.randrange(len(ref) + 1)
                if rng.random() < 0.5:
                    ref.insert(at, rng.choice(ALPHABET))
                elif ref:
                    del ref[min(at, len(ref) - 1)]
            refs.append("".join(ref))
        result.append(("".join(hyp), refs))
    return result


def describe(score, raw):
    return {"score": score.score, "precisions": score.precisions, "bp": score.bp,
            "sys_len": score.sys_len, "ref_len": score.ref_len,
            "counts": raw[2:6], "totals": raw[6:10], "line": score.format(width=2)}


def main():
    data = segments()
    hyps = [hyp for hyp, _ in data]
    most = max(len(refs) for _, refs in data)
    streams = [[refs[i] if i < len(refs) else None for _, refs in data] for i in range(most)]
    configurations = []
    for tokenize in ("13a", "none", "char"):
        for lowercase in (False, True):
            configurations.append({"tokenize": tokenize, "lowercase": lowercase})
    for method, value in (("none", None), ("floor", None), ("floor", 0.25), ("add-k", None), ("add-k", 2)):
        configurations.append({"smooth_method": method, "smooth_value": value})
    for method in ("exp", "none", "floor", "add-k"):
        configurations.append({"smooth_method": method, "effective_order": True})
    out = []
    for options in configurations:
        metric = BLEU(**options)
        stats = metric._extract_corpus_statistics(hyps, streams)
        total = [sum(column) for column in zip(*stats)]
        corpus = metric.corpus_score(hyps, streams)
        sentences = [metric._aggregate_and_compute([list(s)]).score for s in stats]
        entry = dict(options)
        entry["corpus"] = describe(corpus, total)
        entry["signature"] = str(metric.get_signature())
        entry["sentence_scores"] = sentences
        if "smooth_method" not in options:
            entry["stats"] = stats
        out.append(entry)
    json.dump({"segments": [{"hyp": h, "refs": r} for h, r in data], "configurations": out},
              sys.stdout, ensure_ascii=True, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
