#!/usr/bin/env python3
"""Writes subword.json: merges that subword-nmt learns from sentences of our own, and how it cuts them.

    python3 -m venv venv && venv/bin/pip install subword-nmt==0.3.8
    venv/bin/python tests/golden/subword.py > tests/golden/subword.json

`lines` are the texts; `merges` the pairs in order, of `learn_bpe` with as many merges as there are;
`applied` the same lines, and `other` (words that were not learnt from), by `BPE.process_line`.
"""
import io
import json
import sys
from importlib.metadata import version

from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

LINES = """
the lower house lowered the lowest flag , and the newer house raised a newer one .
a low wall , a lower wall , the lowest wall : nobody wants to walk along walls .
she sells new newspapers in the newest town , where newcomers read them newly printed .
banana bananas banal bandanas ananas aaa aaaa aaaaa aaaaaa
abab ababab abababab baba bababa cabab abcabc abcabcabc bcbc
die neue mauer ist niedriger als die alte , und die älteste mauer ist am niedrigsten .
der größere bär grüßt den größten bären ; die größe täuscht .
mississippi missing mission missed misses a miss
„ größer “ , sagte er , „ am größten “ – und lachte .
ein niederes haus , ein niedrigeres haus , das niedrigste haus der straße .
unbelievable believers believe unbelievably ; disbelief !
l' été , les étés , l' hiver et les hivers : ça dépend de l' année .
niño niña año cañón ; straße strasse ; ΑΒΓ αβγ αβγαβγ
""".strip().split("\n")

OTHER = [
    "lowering newness größenwahn bananarama",
    "ababcabab aaaaaaaaaaa missmississippi",
    "the wall , the walls and their wallpapers",
    "unmißverständlich niedrigkeit été",
]


def main():
    text = "\n".join(LINES) + "\n"
    codes = io.StringIO()
    sys.stderr = io.StringIO()  # its progress bar
    learn_bpe(io.StringIO(text), codes, 10000)
    codes = codes.getvalue()
    merges = codes.split("\n")[1:-1]
    bpe = BPE(io.StringIO(codes))
    # Characters that were never seen are where the two part: they become bytes here.
    known = set(text)
    for line in OTHER:
        assert set(line) <= known, set(line) - known
    json.dump({"made_by": "subword-nmt " + version("subword-nmt"),
               "lines": LINES, "merges": merges,
               "applied": [bpe.process_line(line) for line in LINES],
               "other": OTHER,
               "other_applied": [bpe.process_line(line) for line in OTHER]},
              sys.stdout, ensure_ascii=False, indent=0)
    print()


main()
