/* Writes the English-French corpus of examples/data from a grammar.
 *
 *     example_generate_corpus [--seed N] DIR
 *
 * makes DIR/{train,valid,test}.{en,fr}. The same seed gives the same bytes on every machine. A
 * sentence is built as a tree of noun phrases and clauses and then written out twice, once in each
 * language, so a translation is right by construction; examples/data/README.md says by which rules
 * an English sentence has one translation only. Needs nothing but C. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/french.h"
#include "data/lexicon.h"

enum {
    N_TRAIN = 8000,
    N_VALID = 400,
    N_TEST = 500,
    N_POOL = 10000,
    MIN_WORDS = 4,
    MAX_LENGTH = 18
};
enum { LEAST_SEEN = 8 }; /* a word of valid or test occurs at least so often in train */

/* ---- Chance ------------------------------------------------------------------------------- */

static uint64_t seed_state;

static uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = (seed_state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
static int below(int n)
{
    return (int)(draw() % (uint64_t)n);
}
static int chance(int percent)
{
    return below(100) < percent;
}

#include "data/clauses.h"
#include "data/sentences.h"

/* ---- The corpus --------------------------------------------------------------------------- */

typedef struct pair {
    char *en, *fr;
    int used;
} pair;

static char *join(const words *s)
{
    static char line[MAX_WORDS * (MAX_BYTES + 1)];
    size_t n = 0;
    char *copy;

    for (int i = 0; i < s->n; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%s", i ? " " : "", s->w[i]);
    copy = malloc(n + 1);
    if (!copy) {
        fprintf(stderr, "generate_corpus: out of memory\n");
        exit(2);
    }
    memcpy(copy, line, n + 1);
    return copy;
}

static uint64_t hash(const char *text, size_t n) /* FNV-1a */
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
    return h;
}

static pair pool[N_POOL];
static int places[4 * N_POOL]; /* hash table over English sentences: 1 + index */

/* New? Meeting a sentence again with another translation means the grammar is ambiguous. */
static int enter(const char *en, const char *fr, int at)
{
    size_t slot = hash(en, strlen(en)) % (4 * N_POOL);

    for (; places[slot]; slot = (slot + 1) % (4 * N_POOL)) {
        const pair *p = &pool[places[slot] - 1];

        if (strcmp(p->en, en) != 0) continue;
        if (strcmp(p->fr, fr) != 0) {
            fprintf(stderr, "generate_corpus: two translations of \"%s\"\n", en);
            exit(2);
        }
        return 0;
    }
    places[slot] = at + 1;
    return 1;
}

static void make_pool(void)
{
    for (int n = 0; n < N_POOL;) {
        words en = {.n = 0}, fr = {.n = 0};
        char *e, *f;

        make_sentence(&en, &fr);
        spell(&fr);
        if (en.n < MIN_WORDS || en.n > MAX_LENGTH) continue;
        e = join(&en);
        f = join(&fr);
        if (enter(e, f, n)) {
            pool[n].en = e;
            pool[n++].fr = f;
        } else {
            free(e);
            free(f);
        }
    }
}

/* How often each word occurs in train; words of the two languages are kept apart by a mark. */
enum { SLOTS = 1 << 14 };
static struct {
    char word[MAX_BYTES + 1];
    int count;
} counts[SLOTS];

static int *count_of(const char *word, size_t n, char mark)
{
    char key[MAX_BYTES + 1];
    size_t slot;

    snprintf(key, sizeof key, "%c%.*s", mark, (int)n, word);
    slot = hash(key, strlen(key)) % SLOTS;
    while (counts[slot].word[0] && strcmp(counts[slot].word, key) != 0) slot = (slot + 1) % SLOTS;
    memcpy(counts[slot].word, key, sizeof key);
    return &counts[slot].count;
}

/* Adds `by` to the counts of a line's words; returns the smallest count after that. */
static int count_line(const char *line, char mark, int by)
{
    int least = 1 << 30;

    while (*line) {
        size_t n = strcspn(line, " ");
        int *count = count_of(line, n, mark);

        *count += by;
        if (*count < least) least = *count;
        line += n + (line[n] == ' ');
    }
    return least;
}

static void write_file(const char *dir, const char *set, int french, int mark, int limit)
{
    char path[4096];
    FILE *file;
    int n = 0;

    snprintf(path, sizeof path, "%s/%s.%s", dir, set, french ? "fr" : "en");
    file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < N_POOL && n < limit; i++) {
        if (pool[i].used != mark) continue;
        fprintf(file, "%s\n", french ? pool[i].fr : pool[i].en);
        n++;
    }
    if (fclose(file) != 0 || n != limit) {
        fprintf(stderr, "generate_corpus: %s: could not write %d lines\n", path, limit);
        exit(2);
    }
}

/* The pool is in random order. Its first sentences are train; of the rest, those whose words train
 * has often enough are test and then valid. */
static void divide(void)
{
    int held = 0;

    for (int i = 0; i < N_TRAIN; i++) {
        count_line(pool[i].en, 'e', 1);
        count_line(pool[i].fr, 'f', 1);
    }
    for (int i = N_TRAIN; i < N_POOL && held < N_TEST + N_VALID; i++) {
        if (count_line(pool[i].en, 'e', 0) < LEAST_SEEN) continue;
        if (count_line(pool[i].fr, 'f', 0) < LEAST_SEEN) continue;
        pool[i].used = held < N_TEST ? 2 : 1;
        held++;
    }
    for (int i = N_TRAIN; i < N_POOL; i++) {
        if (!pool[i].used) pool[i].used = -1;
    }
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[argc - 1] : NULL;
    unsigned long long seed = 1;

    if (argc == 4 && strcmp(argv[1], "--seed") == 0) {
        char *end;

        seed = strtoull(argv[2], &end, 10);
        if (*end || end == argv[2]) dir = NULL;
    } else if (argc != 2) {
        dir = NULL;
    }
    if (!dir || dir[0] == '-') {
        fprintf(stderr, "usage: example_generate_corpus [--seed N] DIR\n");
        return 2;
    }
    seed_state = seed;
    make_pool();
    divide();
    for (int french = 0; french < 2; french++) {
        write_file(dir, "train", french, 0, N_TRAIN);
        write_file(dir, "valid", french, 1, N_VALID);
        write_file(dir, "test", french, 2, N_TEST);
    }
    for (int i = 0; i < N_POOL; i++) {
        free(pool[i].en);
        free(pool[i].fr);
    }
    return 0;
}
