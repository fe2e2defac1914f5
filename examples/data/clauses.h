/* Noun phrases and clauses, each of which can be written in both languages.
 *
 * Included by generate_corpus.c alone, after its random numbers, french.h and lexicon.h. */
#ifndef WENGERT_EXAMPLES_CLAUSES_H
#define WENGERT_EXAMPLES_CLAUSES_H

/* ---- Noun phrases ------------------------------------------------------------------------- */

typedef enum determiner { THE, A, SOME, THIS, OWNED, NUMBER } determiner;
typedef enum pronoun { NO_PRONOUN, I, YOU, HE, SHE, IT, WE, THEY } pronoun;

typedef struct phrase {
    pronoun pronoun; /* or, where it is NO_PRONOUN: */
    const noun *noun;
    const adjective *adjective; /* or NULL */
    determiner determiner;
    int owner;  /* of OWNED: my your his her our their */
    int number; /* of NUMBER */
    int plural;
    char gender; /* of the French */
} phrase;

/* The form of the verb: je il nous vous ils. */
static int person(const phrase *p)
{
    switch (p->pronoun) {
    case I: return 0;
    case WE: return 2;
    case YOU: return 3;
    default: return p->plural ? 4 : 1;
    }
}

static phrase make_pronoun(pronoun which)
{
    phrase p = {.pronoun = which,
                .plural = which == WE || which == THEY || which == YOU,
                .gender = which == SHE ? 'f' : 'm'};

    return p;
}

static const noun *pick_noun(int kinds)
{
    for (;;) {
        const noun *n = &nouns[below(COUNT(nouns))];

        if (n->kind & kinds) return n;
    }
}

static phrase make_phrase(int kinds)
{
    phrase p = {.noun = pick_noun(kinds)};
    int roll = below(100);

    p.gender = p.noun->gender;
    p.plural = chance(30);
    if (roll < 48) {
        p.determiner = THE;
    } else if (roll < 66) {
        p.determiner = p.plural ? SOME : A;
    } else if (roll < 75) {
        p.determiner = THIS;
    } else if (roll < 90) {
        p.determiner = OWNED;
        p.owner = below(6);
    } else {
        p.determiner = NUMBER;
        p.number = chance(50) ? 2 + below(9) : 2 + below(99);
        p.plural = 1;
    }
    for (int tries = 0; chance(60) && tries < 3 && !p.adjective; tries++) {
        const adjective *a = &adjectives[below(COUNT(adjectives))];

        if (a->kinds & p.noun->kind) p.adjective = a;
    }
    return p;
}

/* Somewhere: mostly the place that both speakers know. */
static phrase make_place(int kinds)
{
    phrase p = make_phrase(kinds);

    if (chance(75) || p.determiner == NUMBER || p.determiner == SOME) p.determiner = THE;
    if (chance(65)) p.plural = 0;
    if (p.determiner == A && p.plural) p.determiner = THE;
    if (chance(60)) p.adjective = NULL;
    return p;
}

static phrase make_subject(int kinds)
{
    static const pronoun which[] = {I, YOU, HE, SHE, WE, THEY};

    if ((kinds & PERSON) && chance(30)) return make_pronoun(which[below(6)]);
    return make_phrase(kinds);
}

static const char *agree(const adjective *a, char gender, int plural)
{
    if (gender == 'f') return plural ? a->fp : a->f;
    return plural ? a->mp : a->m;
}

/* `negated`: the object of a verb that is denied ("any apples"). */
static void phrase_en(words *s, const phrase *p, int negated)
{
    static const char *const subjects[] = {"", "i", "you", "he", "she", "it", "we", "they"};
    static const char *const owners[] = {"my", "your", "his", "her", "our", "their"};
    const char *first;

    if (p->pronoun) {
        add(s, subjects[p->pronoun]);
        return;
    }
    first = p->adjective ? p->adjective->en : p->noun->en;
    switch (p->determiner) {
    case THE: add(s, "the"); break;
    case A: add(s, strchr("aeiou", first[0]) ? "an" : "a"); break;
    case SOME: add(s, negated ? "any" : "some"); break;
    case THIS: add(s, p->plural ? "these" : "this"); break;
    case OWNED: add(s, owners[p->owner]); break;
    case NUMBER: number_en(s, p->number); break;
    }
    if (p->adjective) add(s, p->adjective->en);
    add(s, p->plural ? p->noun->en_plural : p->noun->en);
}

static void phrase_fr(words *s, const phrase *p, int negated)
{
    static const char *const subjects[] = {"", "je", "vous", "il", "elle", "il", "nous", "ils"};
    static const char *const owners[6][3] = {{"mon", "ma", "mes"},      {"votre", "votre", "vos"},
                                             {"son", "sa", "ses"},      {"son", "sa", "ses"},
                                             {"notre", "notre", "nos"}, {"leur", "leur", "leurs"}};
    const char *noun_word, *adjective_word = NULL;
    int feminine = p->gender == 'f', before = p->adjective && p->adjective->before;

    if (p->pronoun == IT || p->pronoun == THEY) {
        add2(s, feminine ? "elle" : "il", p->plural ? "s" : "");
        return;
    }
    if (p->pronoun) {
        add(s, subjects[p->pronoun]);
        return;
    }
    noun_word = p->plural ? p->noun->fr_plural : p->noun->fr;
    if (p->adjective) adjective_word = agree(p->adjective, p->gender, p->plural);
    if (before && p->adjective->liaison && !feminine && !p->plural && starts_with_vowel(noun_word))
        adjective_word = p->adjective->liaison;
    switch (p->determiner) {
    case THE: add(s, p->plural ? "les" : feminine ? "la" : "le"); break;
    case A: add(s, negated ? "de" : feminine ? "une" : "un"); break;
    case SOME: add(s, negated || before ? "de" : "des"); break;
    case THIS: add(s, p->plural ? "ces" : feminine ? "cette" : "ce"); break;
    case OWNED: add(s, owners[p->owner][p->plural ? 2 : feminine]); break;
    case NUMBER: number_fr(s, p->number, p->gender); break;
    }
    if (before) add(s, adjective_word);
    add(s, noun_word);
    if (adjective_word && !before) add(s, adjective_word);
}

/* ---- Clauses ------------------------------------------------------------------------------ */

typedef enum verb_tense { PRESENT, PROGRESSIVE, PAST, FUTURE, IMPERFECT, MODAL } verb_tense;
typedef enum denial { POSITIVE, NOT, NEVER } denial;
/* How a clause is written: as it is, asked, or as a relative clause to its subject or object. */
typedef enum clause_mode { PLAIN, ASKED, WHO, WHICH } clause_mode;

typedef struct relation {
    const char *en, *fr;
    int kinds;
} relation;

static const relation relations[] = {
    {"at", "à", GOAL},
    {"in", "dans", ROOM},
    {"near", "près de", GOAL | ROOM},
    {"behind", "derrière", GOAL},
    {"in front of", "devant", GOAL | ROOM},
    {"with", "avec", PERSON},
};
static const relation spots[] = {
    {"on", "sur", SPOT},
    {"under", "sous", SPOT},
    {"behind", "derrière", SPOT},
    {"in", "dans", ROOM},
    {"near", "près de", ROOM | GOAL | SPOT},
};
static const relation to_goal = {"to", "à", GOAL}, at_goal = {"at", "à", GOAL},
                      from_goal = {"from", "de", GOAL}, in_room = {"in", "dans", ROOM},
                      to_person = {"to", "à", PERSON};

typedef struct clause {
    phrase subject;
    const verb *verb;
    verb_tense tense;
    int modal;
    denial denial;
    int often; /* 0, or 1 + index of an adverb */
    pronoun object_pronoun;
    int has_object;
    phrase object;
    const relation *relation; /* or NULL */
    phrase place;
} clause;

static const char *const often_en[] = {"often", "always", "sometimes"};
static const char *const often_fr[] = {"souvent", "toujours", "parfois"};
static const char *const avoir[] = {"ai", "a", "avons", "avez", "ont"};
static const char *const etre[] = {"suis", "est", "sommes", "êtes", "sont"};
static const char *const etre_past[] = {"étais", "était", "étions", "étiez", "étaient"};
static const char *const etre_future[] = {"serai", "sera", "serons", "serez", "seront"};

static const char *be_en(const phrase *p, int past)
{
    int who = person(p);

    if (past) return who <= 1 ? "was" : "were";
    return who == 0 ? "am" : who == 1 ? "is" : "are";
}

static const char *present_fr(const verb *v, int who)
{
    const char *const forms[] = {v->je, v->il, v->nous, v->vous, v->ils};

    return forms[who];
}

static const char *helper_fr(const helper *h, int who)
{
    const char *const forms[] = {h->je, h->il, h->nous, h->vous, h->ils};

    return forms[who];
}

/* Can this clause be said and be learnt? Rare forms are left out, and so is whatever would need to
 * know whether "you" is one person or many, a man or a woman. */
static int allowed(const clause *c)
{
    int who = person(&c->subject);

    if ((c->tense == FUTURE || c->tense == IMPERFECT) && who != 1 && who != 4) return 0;
    if ((c->tense == PROGRESSIVE || c->tense == IMPERFECT) && c->verb->moment) return 0;
    if (c->tense == PAST && c->verb->etre && who == 3) return 0;
    if (c->tense == PAST && who != 1 && strcmp(c->verb->en, c->verb->en_past) == 0)
        return 0; /* "they read": today or yesterday? */
    if (c->object_pronoun == YOU && (who == 3 || c->tense == PAST)) return 0;
    if (c->object_pronoun == I && who == 0) return 0;
    if (c->object_pronoun == WE && who == 2) return 0;
    if (c->has_object && c->subject.noun && c->subject.noun == c->object.noun) return 0;
    if (c->relation && c->place.noun == c->subject.noun && c->subject.noun) return 0;
    if (c->relation && c->has_object && c->place.noun == c->object.noun) return 0;
    return 1;
}

static void fill_clause(clause *c, verb_tense tense)
{
    static const pronoun objects[] = {I, YOU, HE, SHE, WE, THEY};
    const verb *v = c->verb;

    c->tense = tense;
    c->modal = below(COUNT(modals));
    if (chance(18)) c->denial = tense == PRESENT && chance(35) ? NEVER : NOT;
    if (tense == PRESENT && c->denial == POSITIVE && chance(18)) c->often = 1 + below(3);
    if (v->frame == OBJECT && (v->objects & PERSON) && chance(22)) {
        c->object_pronoun = objects[below(6)];
    } else if (v->frame == OBJECT || v->frame == GIVING) {
        c->has_object = 1;
        c->object = make_phrase(v->objects);
    }
    switch (v->frame) {
    case GIVING: c->relation = &to_person; break;
    case TO_GOAL: c->relation = strcmp(v->en, "go") == 0 ? &to_goal : &at_goal; break;
    case FROM_GOAL: c->relation = &from_goal; break;
    case IN_ROOM: c->relation = &in_room; break;
    case ALONE: c->relation = chance(65) ? &relations[below(COUNT(relations))] : NULL; break;
    case OBJECT: c->relation = chance(14) ? &relations[below(COUNT(relations))] : NULL; break;
    }
    if (c->relation) {
        c->place =
            (c->relation->kinds & PERSON) ? make_phrase(PERSON) : make_place(c->relation->kinds);
    }
}

/* The present has the most forms to learn, so it comes most often. */
static const verb_tense tense_shares[] = {PRESENT, PRESENT, PRESENT, PRESENT, PROGRESSIVE,
                                          PAST,    PAST,    FUTURE,  MODAL,   IMPERFECT};

/* A clause in one of the tenses of the bit mask, about the given subject or (NULL) any. */
static clause make_clause(int tenses, const phrase *subject)
{
    for (;;) {
        clause c = {.verb = &verbs[below(COUNT(verbs))]};
        verb_tense tense = tense_shares[below(COUNT(tense_shares))];

        if (!(tenses & (1 << tense))) continue;
        c.subject = subject ? *subject : make_subject(c.verb->subjects);
        if (subject && subject->noun && !(subject->noun->kind & c.verb->subjects)) continue;
        if (subject && !subject->noun && !(c.verb->subjects & PERSON)) continue;
        fill_clause(&c, tense);
        if (allowed(&c)) return c;
    }
}

/* What follows the verb. `skip_object`: it has been said before. */
static void rest_en(words *s, const clause *c, int skip_object)
{
    static const char *const objects[] = {"", "me", "you", "him", "her", "it", "us", "them"};

    add(s, c->verb->particle);
    if (c->object_pronoun) add(s, objects[c->object_pronoun]);
    if (c->has_object && !skip_object) phrase_en(s, &c->object, c->denial != POSITIVE);
    if (c->relation) {
        add(s, c->relation->en);
        phrase_en(s, &c->place, 0);
    }
}

static void clause_en(words *s, const clause *c, clause_mode mode)
{
    const verb *v = c->verb;
    int third = person(&c->subject) == 1, say = mode != WHO;
    const char *helping = NULL, *main_verb = v->en, *to = NULL;
    const char *adverb = c->often ? often_en[c->often - 1] : NULL;
    int modal = c->tense == MODAL && c->modal != WANT;

    if (c->denial == NEVER) adverb = "never";
    switch (c->tense) {
    case PROGRESSIVE:
    case IMPERFECT:
        helping = be_en(&c->subject, c->tense == IMPERFECT);
        main_verb = v->en_ing;
        break;
    case FUTURE: helping = "will"; break;
    case PAST:
        if (c->denial == NOT || mode == ASKED)
            helping = "did";
        else
            main_verb = v->en_past;
        break;
    case PRESENT:
        if (c->denial == NOT || mode == ASKED)
            helping = third ? "does" : "do";
        else if (third)
            main_verb = v->en_s;
        break;
    case MODAL:
        if (modal) {
            helping = modals[c->modal].en;
        } else {
            if (c->denial == NOT || mode == ASKED) helping = third ? "does" : "do";
            main_verb = third && !helping ? "wants" : "want";
            to = "to";
        }
        break;
    }
    if (mode == ASKED) add(s, helping);
    if (say) phrase_en(s, &c->subject, 0);
    if (mode != ASKED && helping) {
        if (c->denial == NOT && strcmp(helping, "can") == 0) {
            add(s, "cannot");
        } else {
            add(s, helping);
            if (c->denial == NOT) add(s, "not");
        }
    } else if (c->denial == NOT) {
        add(s, "not");
    }
    add(s, adverb);
    add(s, main_verb);
    if (to) {
        add(s, to);
        add(s, v->en);
    }
    rest_en(s, c, mode == WHICH);
}

static void participle(words *s, const verb *v, char gender, int plural)
{
    size_t n = strlen(v->participle);
    int has_s = v->participle[n - 1] == 's'; /* pris: no second s */

    if (gender == 'f')
        add2(s, v->participle, plural ? "es" : "e");
    else
        add2(s, v->participle, plural && !has_s ? "s" : "");
}

/* The pronoun after the verb of a question; -t- goes between two vowels. */
static void invert(words *s, const phrase *p)
{
    static const char *const after[] = {"", "-je", "-vous", "il", "elle", "il", "-nous", "ils"};
    const char *finite = s->w[s->n - 1];
    char last = finite[strlen(finite) - 1];

    if (p->pronoun == WE || p->pronoun == YOU)
        add(s, after[p->pronoun]);
    else
        add2(s, last == 't' || last == 'd' ? "-" : "-t-", after[p->pronoun]);
}

static void finite_fr(words *s, const clause *c)
{
    static const char *const future[] = {"ai", "a", "ons", "ez", "ont"};
    static const char *const imperfect[] = {"ais", "ait", "ions", "iez", "aient"};
    int who = person(&c->subject);

    switch (c->tense) {
    case PRESENT:
    case PROGRESSIVE: add(s, present_fr(c->verb, who)); break;
    case PAST: add(s, c->verb->etre ? etre[who] : avoir[who]); break;
    case FUTURE: add2(s, c->verb->future, future[who]); break;
    case IMPERFECT: add2(s, c->verb->imperfect, imperfect[who]); break;
    case MODAL: add(s, helper_fr(&modals[c->modal], who)); break;
    }
}

static void clause_fr(words *s, const clause *c, clause_mode mode)
{
    static const char *const objects[] = {"", "me", "vous", "le", "la", "le", "nous", "les"};
    int inverted = mode == ASKED && c->subject.pronoun && c->subject.pronoun != I;

    if (mode == ASKED && !inverted) add(s, "est-ce que");
    if (mode != WHO && !inverted) phrase_fr(s, &c->subject, 0);
    if (c->denial != POSITIVE) add(s, "ne");
    if (c->object_pronoun && c->tense != MODAL) add(s, objects[c->object_pronoun]);
    finite_fr(s, c);
    if (inverted) invert(s, &c->subject);
    if (c->denial == NOT) add(s, "pas");
    if (c->denial == NEVER) add(s, "jamais");
    if (c->often) add(s, often_fr[c->often - 1]);
    if (c->tense == MODAL) {
        if (c->object_pronoun) add(s, objects[c->object_pronoun]);
        add(s, c->verb->fr);
    }
    if (c->tense == PAST) {
        phrase said = make_pronoun(c->object_pronoun);

        if (c->verb->etre)
            participle(s, c->verb, c->subject.gender, c->subject.plural);
        else if (c->object_pronoun) /* agrees with an object that comes before it */
            participle(s, c->verb, said.gender, said.plural);
        else if (mode == WHICH)
            participle(s, c->verb, c->object.gender, c->object.plural);
        else
            participle(s, c->verb, 'm', 0);
    }
    if (c->has_object && mode != WHICH) phrase_fr(s, &c->object, c->denial != POSITIVE);
    if (c->relation) {
        add(s, c->relation->fr);
        phrase_fr(s, &c->place, 0);
    }
}

#endif
