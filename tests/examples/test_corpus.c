/* The corpus of examples/data: it is what its generator writes, its held-out part is really held
 * out, its words can be learnt, and it cannot be translated by copying. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wengert/bleu.h>

enum { MAX_LENGTH = 64, SLOTS = 1 << 16 };

typedef struct text {
    char *data;
    size_t size;
    char **lines; /* NUL-terminated, in data */
    size_t n;
} text;

static void read_text(const char *path, text *t)
{
    FILE *file = fopen(path, "rb");
    long size;

    if (!file) fail_msg("%s cannot be opened", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    t->size = (size_t)size;
    t->data = malloc(t->size + 1);
    assert_non_null(t->data);
    assert_int_equal(fread(t->data, 1, t->size, file), t->size);
    fclose(file);
    t->data[t->size] = '\0';
    assert_int_equal(t->data[t->size - 1], '\n');
}

static void split_lines(text *t)
{
    t->n = 0;
    for (size_t i = 0; i < t->size; i++) t->n += t->data[i] == '\n';
    t->lines = malloc(t->n * sizeof *t->lines);
    assert_non_null(t->lines);
    for (size_t i = 0, at = 0; i < t->n; i++) {
        char *end = strchr(t->data + at, '\n');

        t->lines[i] = t->data + at;
        *end = '\0';
        at = (size_t)(end - t->data) + 1;
    }
}

static void free_text(text *t)
{
    free(t->lines);
    free(t->data);
}

static const char *const names[] = {"train.en", "train.fr", "valid.en",
                                    "valid.fr", "test.en",  "test.fr"};
enum { TRAIN_EN, TRAIN_FR, VALID_EN, VALID_FR, TEST_EN, TEST_FR, FILES };

static void load(text *texts)
{
    char path[4096], name[64];

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "examples/data/%s", names[i]);
        assert_true(wgt_source_path(path, name));
        read_text(path, &texts[i]);
        split_lines(&texts[i]);
    }
}

static void unload(text *texts)
{
    for (int i = 0; i < FILES; i++) free_text(&texts[i]);
}

static void run(const char *program, const char *argument)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        execl(program, program, argument, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_generator_writes_these_bytes(void **state)
{
    const char *bin = getenv("WENGERT_BIN");
    char program[4096], dir[4096], path[4200], name[64];

    (void)state;
    snprintf(program, sizeof program, "%s/example_generate_corpus",
             bin && *bin ? bin : WGT_BUILD_DIR "/bin");
    if (access(program, X_OK) != 0) {
        print_message("skipped: %s is not built\n", program);
        skip();
    }
    assert_true(wgt_temp_dir(dir));
    run(program, dir);
    for (int i = 0; i < FILES; i++) {
        text made, kept;

        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        read_text(path, &made);
        snprintf(name, sizeof name, "examples/data/%s", names[i]);
        assert_true(wgt_source_path(path, name));
        read_text(path, &kept);
        if (made.size != kept.size || memcmp(made.data, kept.data, kept.size) != 0)
            fail_msg("examples/data/%s is not what example_generate_corpus writes", names[i]);
        free(made.data);
        free(kept.data);
    }
    wgt_remove_tree(dir);
}

/* A hash table from strings to numbers. */
typedef struct table {
    struct {
        const char *key;
        size_t n;
        int value;
    } slot[SLOTS];
} table;

static int *find(table *t, const char *key, size_t n)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    size_t at;

    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001B3);
    for (at = hash % SLOTS; t->slot[at].key; at = (at + 1) % SLOTS) {
        if (t->slot[at].n == n && memcmp(t->slot[at].key, key, n) == 0) return &t->slot[at].value;
    }
    t->slot[at].key = key;
    t->slot[at].n = n;
    return &t->slot[at].value;
}

static table *new_table(void)
{
    table *t = calloc(1, sizeof *t);

    assert_non_null(t);
    return t;
}

static size_t next_word(const char **at, const char **word)
{
    size_t n;

    *at += strspn(*at, " ");
    n = strcspn(*at, " ");
    *word = *at;
    *at += n;
    return n;
}

static void test_sizes_and_held_out(void **state)
{
    text texts[FILES];
    table *seen = new_table();

    (void)state;
    load(texts);
    assert_true(texts[TRAIN_EN].n >= 6000);
    assert_int_equal(texts[VALID_EN].n, 400);
    assert_int_equal(texts[TEST_EN].n, 500);
    for (int i = 0; i < FILES; i += 2) {
        assert_int_equal(texts[i].n, texts[i + 1].n);
        for (size_t k = 0; k < texts[i].n; k++) {
            char *line = texts[i].lines[k];
            int *value = find(seen, line, strlen(line));

            if (*value) fail_msg("%s line %zu occurs twice: %s", names[i], k + 1, line);
            *value = 1;
            assert_true(strlen(texts[i + 1].lines[k]) > 0);
        }
    }
    free(seen);
    unload(texts);
}

/* Every held-out word was seen in training a few times; sentences are 4 to 18 words. */
static void test_words_can_be_learnt(void **state)
{
    text texts[FILES];

    (void)state;
    load(texts);
    for (int language = 0; language < 2; language++) {
        table *counts = new_table();
        int words = 0;

        for (int set = 0; set < 3; set++) {
            const text *t = &texts[2 * set + language];

            for (size_t k = 0; k < t->n; k++) {
                const char *at = t->lines[k], *word;
                size_t n;
                int length = 0;

                while ((n = next_word(&at, &word)) > 0) {
                    int *count = find(counts, word, n);

                    length++;
                    if (set == 0) {
                        if ((*count)++ == 0) words++;
                    } else if (*count < 5) {
                        fail_msg("\"%.*s\" occurs %d times in %s", (int)n, word, *count,
                                 names[language]);
                    }
                }
                assert_in_range(length, language ? 2 : 4, language ? 30 : 18);
            }
        }
        print_message("%d words in %s\n", words, names[language]);
        assert_in_range(words, 300, 1200);
        free(counts);
    }
    unload(texts);
}

typedef struct sentence {
    int id[MAX_LENGTH];
    int n;
} sentence;

static sentence *number_words(const text *t, table *ids, int *next)
{
    sentence *result = calloc(t->n, sizeof *result);

    assert_non_null(result);
    for (size_t k = 0; k < t->n; k++) {
        const char *at = t->lines[k], *word;
        size_t n;

        while ((n = next_word(&at, &word)) > 0) {
            int *id = find(ids, word, n);

            if (*id == 0) *id = ++*next;
            assert_true(result[k].n < MAX_LENGTH);
            result[k].id[result[k].n++] = *id;
        }
    }
    return result;
}

/* Levenshtein distance over words. */
static int distance(const sentence *a, const sentence *b)
{
    int row[MAX_LENGTH + 1];

    for (int j = 0; j <= b->n; j++) row[j] = j;
    for (int i = 1; i <= a->n; i++) {
        int diagonal = row[0];

        row[0] = i;
        for (int j = 1; j <= b->n; j++) {
            int best = diagonal + (a->id[i - 1] != b->id[j - 1]);

            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b->n];
}

/* Twice the words and pairs of words in common, less those of both: larger is more alike. The
 * sentences are short, so counting is done by crossing out. */
static double likeness(const sentence *a, const sentence *b)
{
    int common = 0;

    for (int order = 1; order <= 2; order++) {
        bool used[MAX_LENGTH] = {false};

        for (int i = 0; i + order <= a->n; i++) {
            for (int j = 0; j + order <= b->n; j++) {
                if (used[j] || a->id[i] != b->id[j]) continue;
                if (order == 2 && a->id[i + 1] != b->id[j + 1]) continue;
                used[j] = true;
                common++;
                break;
            }
        }
    }
    return 2.0 * common / (2 * a->n + 2 * b->n - 2);
}

/* BLEU on test of the translation of the nearest English sentence of train. */
static double copy_bleu(const text *texts, const sentence *train, const sentence *test, bool edit)
{
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu *bleu = NULL;
    wg_bleu_result result;
    wg_error err;

    options.tokenizer = WG_BLEU_TOKENIZE_NONE;
    WGT_OK(wg_bleu_new(&options, &bleu, &err), &err);
    for (size_t k = 0; k < texts[TEST_EN].n; k++) {
        size_t best = 0;
        double best_score = -1e9;
        wg_bleu_text copy, ref;

        for (size_t i = 0; i < texts[TRAIN_EN].n; i++) {
            double score = edit ? -distance(&test[k], &train[i]) : likeness(&test[k], &train[i]);

            if (score > best_score) {
                best_score = score;
                best = i;
            }
        }
        copy.data = texts[TRAIN_FR].lines[best];
        copy.size = strlen(copy.data);
        ref.data = texts[TEST_FR].lines[k];
        ref.size = strlen(ref.data);
        WGT_OK(wg_bleu_add(bleu, copy, &ref, 1, &err), &err);
    }
    WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
    wg_bleu_free(bleu);
    return result.score;
}

static void test_copying_does_not_translate(void **state)
{
    text texts[FILES];
    table *ids = new_table();
    sentence *train, *test;
    double by_edits, by_likeness;
    int next = 0;

    (void)state;
    load(texts);
    train = number_words(&texts[TRAIN_EN], ids, &next);
    test = number_words(&texts[TEST_EN], ids, &next);
    by_edits = copy_bleu(texts, train, test, true);
    by_likeness = copy_bleu(texts, train, test, false);
    print_message("copying the nearest training sentence: %.2f BLEU by edit distance, %.2f by "
                  "common words and pairs\n",
                  by_edits, by_likeness);
    assert_true(by_edits < 50);
    assert_true(by_likeness < 50);
    assert_true(by_edits > 1); /* else the measurement is broken */
    free(train);
    free(test);
    free(ids);
    unload(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_writes_these_bytes),
        cmocka_unit_test(test_sizes_and_held_out),
        cmocka_unit_test(test_words_can_be_learnt),
        cmocka_unit_test(test_copying_does_not_translate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
