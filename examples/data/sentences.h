/* The kinds of sentences of the corpus, each written in both languages.
 *
 * Included by generate_corpus.c alone, after its noun phrases and clauses. */
#ifndef WENGERT_EXAMPLES_SENTENCES_H
#define WENGERT_EXAMPLES_SENTENCES_H

#define BIT(tense) (1 << (tense))
enum { ANY_TENSE = 63 };

static void both(words *en, words *fr, const char *english, const char *french)
{
    add(en, english);
    add(fr, french);
}

/* ---- Time --------------------------------------------------------------------------------- */

typedef struct moment {
    const char *en, *fr;
    int tenses;
} moment;

static const moment moments[] = {
    {"every day", "tous les jours", BIT(PRESENT)},
    {"every morning", "tous les matins", BIT(PRESENT)},
    {"now", "maintenant", BIT(PROGRESSIVE)},
    {"today", "aujourd'hui", BIT(PROGRESSIVE) | BIT(FUTURE)},
    {"yesterday", "hier", BIT(PAST) | BIT(IMPERFECT)},
    {"this morning", "ce matin", BIT(PAST)},
    {"last week", "la semaine dernière", BIT(PAST)},
    {"last monday", "lundi dernier", BIT(PAST)},
    {"tomorrow", "demain", BIT(FUTURE) | BIT(MODAL)},
    {"this evening", "ce soir", BIT(FUTURE) | BIT(MODAL)},
    {"next week", "la semaine prochaine", BIT(FUTURE)},
    {"next friday", "vendredi prochain", BIT(FUTURE)},
};

/* A time that goes with the tense, as words of both languages. */
static void add_time(words *en, words *fr, verb_tense tense)
{
    const moment *m;

    if (tense != PROGRESSIVE && chance(20)) {
        int hour = 1 + below(12);

        add(en, "at");
        add(fr, "à");
        if (hour == 1) {
            both(en, fr, "one", "une");
        } else {
            number_en(en, hour);
            number_fr(fr, hour, 'f');
        }
        both(en, fr, "o'clock", hour == 1 ? "heure" : "heures");
        return;
    }
    do m = &moments[below(COUNT(moments))];
    while (!(m->tenses & BIT(tense)));
    both(en, fr, m->en, m->fr);
}

/* ---- "is big", "is bigger than the car" ----------------------------------------------------- */

typedef struct state {
    phrase subject;
    const adjective *adjective;
    verb_tense tense; /* PRESENT, PAST (written with the imperfect) or FUTURE */
    int denied, very;
    int compared;
    phrase other;
} state;

static state make_state(const phrase *subject)
{
    for (;;) {
        state s = {.adjective = &adjectives[below(COUNT(adjectives))]};
        int kinds = s.adjective->kinds;
        static const verb_tense tenses[] = {PRESENT, PRESENT, PAST, FUTURE};

        s.subject = subject ? *subject : make_subject(kinds);
        if (s.subject.noun ? !(s.subject.noun->kind & kinds) : !(kinds & PERSON)) continue;
        if (s.subject.noun && s.subject.adjective) {
            if (!subject && chance(60)) s.subject.adjective = NULL;
            if (s.subject.adjective == s.adjective) continue;
        }
        if (s.subject.pronoun == YOU) continue; /* one or many? a man or a woman? */
        s.tense = tenses[below(4)];
        if (s.tense != PRESENT && (person(&s.subject) == 0 || person(&s.subject) == 2))
            s.tense = PRESENT;
        s.denied = chance(20);
        s.very = chance(25);
        if (s.adjective->more && s.subject.noun && chance(45)) {
            s.compared = 1;
            s.other = make_phrase(s.subject.noun->kind & kinds);
            s.other.adjective = NULL;
            if (s.other.noun == s.subject.noun) continue;
            if (s.other.determiner == SOME || s.other.determiner == NUMBER)
                s.other.determiner = THE;
        }
        return s;
    }
}

static void state_en(words *en, const state *s, clause_mode mode)
{
    const char *be = s->tense == FUTURE ? "will" : be_en(&s->subject, s->tense == PAST);

    if (mode == ASKED) add(en, be);
    if (mode != WHO) phrase_en(en, &s->subject, 0);
    if (mode != ASKED) add(en, be);
    if (s->denied) add(en, "not");
    if (s->tense == FUTURE) add(en, "be");
    if (s->compared) {
        add(en, s->adjective->more);
        add(en, "than");
        phrase_en(en, &s->other, 0);
    } else {
        if (s->very) add(en, "very");
        add(en, s->adjective->en);
    }
}

static void state_fr(words *fr, const state *s, clause_mode mode)
{
    int who = person(&s->subject);
    int inverted = mode == ASKED && s->subject.pronoun && s->subject.pronoun != I;

    if (mode == ASKED && !inverted) add(fr, "est-ce que");
    if (mode != WHO && !inverted) phrase_fr(fr, &s->subject, 0);
    if (s->denied) add(fr, "ne");
    add(fr, s->tense == FUTURE ? etre_future[who] : s->tense == PAST ? etre_past[who] : etre[who]);
    if (inverted) invert(fr, &s->subject);
    if (s->denied) add(fr, "pas");
    if (s->compared)
        add(fr, "plus");
    else if (s->very)
        add(fr, "très");
    add(fr, agree(s->adjective, s->subject.gender, s->subject.plural));
    if (s->compared) {
        add(fr, "que");
        phrase_fr(fr, &s->other, 0);
    }
}

/* ---- Sentences ---------------------------------------------------------------------------- */

/* The pronoun for a phrase already named: the English one follows its kind, the French one the
 * gender of its noun. */
static phrase refer(const phrase *p)
{
    phrase r = *p;

    if (p->pronoun) return r;
    r = make_pronoun(p->plural                   ? THEY
                     : !(p->noun->kind & PERSON) ? IT
                     : p->gender == 'f'          ? SHE
                                                 : HE);
    /* The child is masculine in French whoever it is. */
    r.gender = p->gender;
    r.plural = p->plural;
    /* Its kind still decides what it can do. */
    r.noun = p->noun;
    return r;
}

/* A statement, perhaps with a time at one of its ends. */
static void say_clause(words *en, words *fr)
{
    clause c = make_clause(ANY_TENSE, NULL);
    words time_en = {.n = 0}, time_fr = {.n = 0};
    int at_front = 0;

    if (chance(40)) {
        add_time(&time_en, &time_fr, c.tense);
        at_front = chance(35);
    }
    if (at_front) {
        append(en, &time_en);
        append(fr, &time_fr);
        both(en, fr, ",", ",");
    }
    clause_en(en, &c, PLAIN);
    clause_fr(fr, &c, PLAIN);
    if (!at_front) {
        append(en, &time_en);
        append(fr, &time_fr);
    }
    both(en, fr, ".", ".");
}

static void say_state(words *en, words *fr)
{
    state s = make_state(NULL);

    state_en(en, &s, PLAIN);
    state_fr(fr, &s, PLAIN);
    both(en, fr, ".", ".");
}

/* Possession: the forms of "have" stand here, no other verb is so irregular in both languages. */
static void say_have(words *en, words *fr)
{
    static const char *const had[] = {"avais", "avait", "avions", "aviez", "avaient"};
    phrase owner = make_subject(PERSON), thing = make_phrase(ANIMAL | FOOD | THING | BIG);
    int who = person(&owner), past = chance(30), denied = chance(25);

    if (who == 2 || who == 3) past = 0;
    while (thing.determiner != A && thing.determiner != SOME && thing.determiner != NUMBER)
        thing = make_phrase(ANIMAL | FOOD | THING | BIG);
    phrase_en(en, &owner, 0);
    if (denied)
        add(en, past ? "did not have" : who == 1 ? "does not have" : "do not have");
    else
        add(en, past ? "had" : who == 1 ? "has" : "have");
    phrase_en(en, &thing, denied);
    phrase_fr(fr, &owner, 0);
    if (denied) add(fr, "ne");
    add(fr, past ? had[who] : avoir[who]);
    if (denied) add(fr, "pas");
    phrase_fr(fr, &thing, denied);
    if (chance(30)) {
        const relation *r = &spots[3 + below(2)];
        phrase place = make_place(r->kinds);

        both(en, fr, r->en, r->fr);
        phrase_en(en, &place, 0);
        phrase_fr(fr, &place, 0);
    }
    both(en, fr, ".", ".");
}

static void say_there_is(words *en, words *fr)
{
    const relation *r = &spots[below(COUNT(spots))];
    int kinds = r->kinds & SPOT ? ANIMAL | FOOD | THING : PERSON | ANIMAL; /* nobody on tables */
    phrase thing, place = make_place(r->kinds);
    int denied = chance(22), asked = !denied && chance(20);

    do thing = make_phrase(kinds);
    while (thing.determiner != A && thing.determiner != SOME && thing.determiner != NUMBER);
    if (asked)
        add(en, thing.plural ? "are there" : "is there");
    else
        add(en, thing.plural ? "there are" : "there is");
    if (denied && thing.determiner == A) { /* there is no dog */
        add(en, "no");
        add(en, thing.adjective ? thing.adjective->en : NULL);
        add(en, thing.noun->en);
    } else {
        if (denied) add(en, "not");
        phrase_en(en, &thing, denied);
    }
    add(en, r->en);
    phrase_en(en, &place, 0);
    add(en, asked ? "?" : ".");
    add(fr, asked ? "est-ce que il y a" : denied ? "il ne y a pas" : "il y a");
    phrase_fr(fr, &thing, denied);
    add(fr, r->fr);
    phrase_fr(fr, &place, 0);
    add(fr, asked ? "?" : ".");
}

/* Ages and prices, for numbers. */
static void say_number(words *en, words *fr)
{
    int n = 2 + below(99), denied = chance(15), age = chance(50);
    phrase p = age ? make_subject(PERSON) : make_phrase(FOOD | TEXT | THING | FRAIL);
    int who = person(&p);

    phrase_en(en, &p, 0);
    phrase_fr(fr, &p, 0);
    if (denied) add(fr, "ne");
    if (age) {
        add(en, be_en(&p, 0));
        add(fr, avoir[who]);
    } else {
        if (denied) add(en, p.plural ? "do" : "does");
        if (!denied) add(en, p.plural ? "cost" : "costs");
        add(fr, p.plural ? "coûtent" : "coûte");
    }
    if (denied) both(en, fr, "not", "pas");
    if (denied && !age) add(en, "cost");
    number_en(en, n);
    number_fr(fr, n, 'm');
    both(en, fr, age ? "years old ." : "euros .", age ? "ans ." : "euros .");
}

static void ask_clause(words *en, words *fr)
{
    clause c = make_clause(ANY_TENSE, NULL);
    int roll = below(100);

    if (c.denial == NEVER || chance(70)) c.denial = POSITIVE;
    if (roll < 18 && !c.relation)
        both(en, fr, "where", "où");
    else if (roll < 34)
        both(en, fr, "why", "pourquoi");
    else if (roll < 46)
        both(en, fr, "when", "quand");
    clause_en(en, &c, ASKED);
    clause_fr(fr, &c, ASKED);
    both(en, fr, "?", "?");
}

static void ask_state(words *en, words *fr)
{
    state s = make_state(NULL);

    s.denied = 0;
    if (chance(35)) both(en, fr, "why", "pourquoi");
    state_en(en, &s, ASKED);
    state_fr(fr, &s, ASKED);
    both(en, fr, "?", "?");
}

/* What, who, how many. */
static void ask_part(words *en, words *fr)
{
    int roll = below(3);
    phrase someone = make_pronoun(HE);
    clause c;

    do c = make_clause(ANY_TENSE & ~BIT(MODAL), roll == 1 ? &someone : NULL);
    while (roll != 1 && !c.has_object);
    if (c.denial == NEVER || roll != 1) c.denial = POSITIVE;
    if (roll == 0) { /* what: no agreement with it */
        c.has_object = 0;
        add(en, "what");
        clause_en(en, &c, ASKED);
        add(fr, "que est-ce que");
        clause_fr(fr, &c, PLAIN);
    } else if (roll == 1) {
        both(en, fr, "who", "qui");
        clause_en(en, &c, WHO);
        clause_fr(fr, &c, WHO);
    } else {
        c.object.plural = 1;
        both(en, fr, "how many", "combien de");
        add(en, c.object.noun->en_plural);
        add(fr, c.object.noun->fr_plural);
        add(fr, "est-ce que");
        clause_fr(fr, &c, WHICH);
        c.has_object = 0;
        clause_en(en, &c, ASKED);
    }
    both(en, fr, "?", "?");
}

/* "the man who sleeps ...", "the book that the girl reads ...", then what is said of it. */
static void say_relative(words *en, words *fr)
{
    words head_en = {.n = 0}, head_fr = {.n = 0};
    phrase head;
    clause inner;
    int of_object = chance(50);

    do inner = make_clause(BIT(PRESENT) | BIT(PROGRESSIVE) | BIT(PAST) | BIT(FUTURE), NULL);
    while (of_object ? !inner.has_object : !inner.subject.noun);
    inner.denial = chance(12) ? NOT : POSITIVE;
    head = of_object ? inner.object : inner.subject;
    if (head.determiner == SOME || head.determiner == A) head.determiner = THE;
    if (chance(70)) head.adjective = NULL;
    phrase_en(&head_en, &head, 0);
    phrase_fr(&head_fr, &head, 0);
    if (of_object) {
        both(&head_en, &head_fr, "that", "que");
        clause_en(&head_en, &inner, WHICH);
        clause_fr(&head_fr, &inner, WHICH);
    } else {
        both(&head_en, &head_fr, head.noun->kind & PERSON ? "who" : "that", "qui");
        clause_en(&head_en, &inner, WHO);
        clause_fr(&head_fr, &inner, WHO);
    }
    if (chance(30)) { /* at the end: we see the man who ... */
        phrase seen = {.noun = NULL};
        clause outer;

        do outer = make_clause(ANY_TENSE, NULL);
        while (!outer.has_object || outer.relation || !(outer.verb->objects & head.noun->kind) ||
               outer.subject.noun == head.noun);
        outer.object = seen;
        outer.has_object = 0;
        clause_en(en, &outer, PLAIN);
        clause_fr(fr, &outer, PLAIN);
        append(en, &head_en);
        append(fr, &head_fr);
    } else if (chance(50) || !(head.noun->kind & (PERSON | ANIMAL))) {
        state s = make_state(&head);

        append(en, &head_en);
        append(fr, &head_fr);
        state_en(en, &s, WHO);
        state_fr(fr, &s, WHO);
    } else {
        clause outer = make_clause(ANY_TENSE, &head);

        append(en, &head_en);
        append(fr, &head_fr);
        clause_en(en, &outer, WHO);
        clause_fr(fr, &outer, WHO);
    }
    both(en, fr, ".", ".");
}

/* Two clauses joined; the second may take up the subject of the first by a pronoun. */
static void say_joined(words *en, words *fr)
{
    static const struct {
        const char *en, *fr;
        int first, second, same; /* tenses; same: both have the same one */
    } joints[] = {
        {"because", "parce que", BIT(PRESENT) | BIT(PROGRESSIVE) | BIT(MODAL),
         BIT(PRESENT) | BIT(PROGRESSIVE) | BIT(MODAL), 0},
        {"because", "parce que", BIT(PAST), BIT(PAST), 1},
        {"but", ", mais", ANY_TENSE, ANY_TENSE, 1},
        {"and", "et", ANY_TENSE, ANY_TENSE, 1},
        {"while", "pendant que", BIT(PROGRESSIVE) | BIT(IMPERFECT),
         BIT(PROGRESSIVE) | BIT(IMPERFECT), 1},
        {"when", "quand", BIT(PRESENT) | BIT(PAST), BIT(PRESENT) | BIT(PAST), 1},
        {"if", "si", BIT(FUTURE), BIT(PRESENT), 0},
    };
    int which = below(COUNT(joints));
    clause first = make_clause(joints[which].first, NULL), second;
    phrase again = refer(&first.subject);
    int repeat = chance(60);

    if (repeat && which <= 1 && chance(50) && first.subject.pronoun != YOU) {
        state s = make_state(&again);

        if (which == 0 || person(&again) == 1 || person(&again) == 4) {
            s.tense = which == 0 ? PRESENT : PAST;
            s.compared = 0;
            clause_en(en, &first, PLAIN);
            clause_fr(fr, &first, PLAIN);
            both(en, fr, joints[which].en, joints[which].fr);
            state_en(en, &s, PLAIN);
            state_fr(fr, &s, PLAIN);
            both(en, fr, ".", ".");
            return;
        }
    }
    if (repeat && first.subject.noun == NULL && first.tense == FUTURE && which == 6) repeat = 0;
    do
        second = make_clause(joints[which].same ? BIT(first.tense) : joints[which].second,
                             repeat ? &again : NULL);
    while (!repeat && second.subject.pronoun == THEY); /* who, the men or the women just named? */
    clause_en(en, &first, PLAIN);
    clause_fr(fr, &first, PLAIN);
    if (which == 2) add(en, ",");
    both(en, fr, joints[which].en, joints[which].fr);
    clause_en(en, &second, PLAIN);
    clause_fr(fr, &second, PLAIN);
    both(en, fr, ".", ".");
}

static void say_thought(words *en, words *fr)
{
    const helper *h = &thoughts[below(COUNT(thoughts))];
    phrase subject = make_subject(PERSON);
    int who = person(&subject);

    phrase_en(en, &subject, 0);
    phrase_fr(fr, &subject, 0);
    both(en, fr, who == 1 ? h->en_s : h->en, helper_fr(h, who));
    both(en, fr, "that", "que");
    if (chance(45)) {
        state s;

        do s = make_state(NULL);
        while (s.subject.pronoun == THEY); /* who? */
        state_en(en, &s, PLAIN);
        state_fr(fr, &s, PLAIN);
    } else {
        clause c;

        do c = make_clause(ANY_TENSE, NULL);
        while (c.subject.pronoun == THEY);
        clause_en(en, &c, PLAIN);
        clause_fr(fr, &c, PLAIN);
    }
    both(en, fr, ".", ".");
}

static void make_sentence(words *en, words *fr)
{
    static const struct {
        int share; /* of a hundred */
        void (*make)(words *, words *);
    } kinds[] = {{26, say_clause},  {9, say_state},   {7, say_have},   {8, say_there_is},
                 {7, say_number},   {11, ask_clause}, {4, ask_state},  {6, ask_part},
                 {8, say_relative}, {8, say_joined},  {6, say_thought}};
    int roll = below(100);

    for (int i = 0; i < COUNT(kinds); i++) {
        roll -= kinds[i].share;
        if (roll < 0) {
            kinds[i].make(en, fr);
            return;
        }
    }
}

#endif
