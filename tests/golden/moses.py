#!/usr/bin/env python3
"""Writes moses.json: how sacremoses cuts and joins sentences of our own.

    python3 -m venv venv && venv/bin/pip install sacremoses==0.2.0
    venv/bin/python tests/golden/moses.py > tests/golden/moses.json

For each language a list of [line, words, words escaped, words joined again]. The sentences keep to
characters and abbreviations about which this project and sacremoses do not differ (see the section
on tokenising in docs/formats.md).
"""
import json
import random
import sys
from importlib.metadata import version

from sacremoses import MosesDetokenizer, MosesTokenizer

COMMON = [
    "",
    "   ",
    "word",
    "Hello, world!",
    "A, B,C ,D,,E , 1,2 3, 4 ,5 a,1 1,a 1,000,000.50 ,",
    "Wait... what?.. Nah. .... Yes...no ...",
    "Dots . and .. and ... and .hidden .5 5. 3.14 v1.2.3 ...end.",
    "She said: \"Yes.\"",
    "He paid $5, 10€ or £3.50 (about 4%).",
    "Mail a_b@c.org & visit <http://x.y/z?q=1#f> | [1] {2}",
    "semi-automatic -- dash - well-known -",
    "1/2 and/or 50% 100°C 3×4 §5 №6 H₂O x² ½",
    "tab\tand  two blanks\u00a0nbsp\u2003em",
    "Smileys :-) ;) 😀 done",
    "カタカナ の テスト 。 タワー テスト",
    "Привет, мир! Как дела?",
    "Ελληνικά, κείμενα.",
    "U.S.A. and N.A.T.O. met on 5.5.2015. It ended.",
    "sentence one. sentence two. Sentence three.",
    "end of line.'",
    "\"quoted\" and 'single' and `back` and ``double''",
    "„deutsch“ und “english“",
    "a.b c.d. e.F. G.h",
    "(parenthesis) [bracket] {brace} ¿question? ¡exclamation!",
]

LINES = {
    "en": COMMON + [
        "I don't, you can't, we'll, they're, it's, she'd, I've, o'clock, rock'n'roll.",
        "The dogs' tails and James' hat; the 1990's, '90s, 5'10\" tall.",
        "Mr. Smith met Dr. Jones and Mrs. Brown vs. Prof. White in No. 10 and no. five.",
        "It cost about $3.50. Then he left. i.e. now, e.g. then.",
        "Jan. 5 and Feb. 6, Dec. 24.",
        "J. R. Miller went home. A. B.",
        "'Tis the season. 'quoted' text's end'",
        "the book of Thomas ' , he said ' yes ' .",
    ],
    "de": COMMON + [
        "Das ist z.B. ein Test, d.h. ein Versuch usw. und so weiter.",
        "Am 3. Mai kam Dr. Müller mit Prof. Weiß um 5 Uhr. Dann gingen sie.",
        "Er sagte: „Größer“, und ging. Wie geht's? Hans' Haus.",
        "Die Straße Nr. 5 kostet ca. 3,50 Mio. Euro (mit Steuer).",
        "Ähnliche Übungen: öffnen, schließen; Maße.",
        "bzw. vgl. evtl. ggf. sog. Leute",
    ],
    "fr": COMMON + [
        "L'été, j'ai mangé une pomme aujourd'hui, qu'il dit.",
        "C'est l'homme d'aujourd'hui ; n'est-ce pas ?",
        "M. Dupont et Mme Durand, p.ex. ici, etc. et cf. plus loin.",
        "« Bonjour ! » dit-il : « ça va ? » 50 % des cas.",
        "les chats' l' eau d' accord",
        "Où est-il allé ? À l'école ; à côté.",
    ],
}

ALPHABET = ["a", "B", "ß", "é", "s", "1", "23", ".", "..", "...", ",", "'", "-", "\"", " ", "  ", "(",
            ")", "!", "?", ":", ";", "%", "$", "€", "&", "<", "]", "|", "t", "Mr", "z", "п"]


def lines(language):
    rng = random.Random(language)
    result = list(LINES[language])
    for _ in range(200):
        result.append("".join(rng.choice(ALPHABET) for _ in range(rng.randrange(1, 25))))
    return result


def main():
    result = {"made_by": "sacremoses " + version("sacremoses")}
    for language in sorted(LINES):
        tok, detok = MosesTokenizer(language), MosesDetokenizer(language)
        rows = []
        for line in lines(language):
            words = tok.tokenize(line, escape=False)
            escaped = tok.tokenize(line)
            rows.append([line, " ".join(words), " ".join(escaped), detok.detokenize(escaped)])
        result[language] = rows
    json.dump(result, sys.stdout, ensure_ascii=False, indent=0)
    print()


main()
