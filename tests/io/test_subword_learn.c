/* Learning subwords: merges and cuts against subword-nmt (tests/golden/subword.json), the learner
 * against one that counts afresh for every merge, its options. */
#include "subword_test.h"

#include <cjson/cJSON.h>

#include <wengert/atomicfile.h>
#include <wengert/rng.h>

/* ---- against subword-nmt ---- */

static const char *item(const cJSON *array, int i)
{
    const cJSON *text = cJSON_GetArrayItem(array, i);
    assert_true(cJSON_IsString(text));
    return text->valuestring;
}

static void test_golden(void **state)
{
    (void)state;
    char path[4096], *bytes, *text;
    size_t size;
    const char *lines[64];
    assert_true(wgt_source_path(path, "tests/golden/subword.json"));
    WGT_OK(wg_file_read(path, 0, &bytes, &size, NULL), NULL);
    cJSON *json = cJSON_ParseWithLength(bytes, size);
    assert_non_null(json);
    const cJSON *source = cJSON_GetObjectItem(json, "lines");
    const cJSON *merges = cJSON_GetObjectItem(json, "merges");
    int n = cJSON_GetArraySize(source), n_merges = cJSON_GetArraySize(merges);
    assert_in_range(n, 10, 64);
    assert_in_range(n_merges, 50, 10000);
    for (int i = 0; i < n; i++) lines[i] = item(source, i);
    /* Every character is known, as to subword-nmt. */
    wg_subwords *s = learn(
        lines, n, &(wg_subwords_options){.size = sizeof(wg_subwords_options), .min_char_count = 1});
    assert_int_equal(wg_subwords_merges(s), n_merges);
    WGT_OK(wg_subwords_write(s, &text, &size, NULL), NULL);
    const char *at = text;
    for (int i = 0; i < 1 + wg_subwords_characters(s); i++) at = strchr(at, '\n') + 1;
    for (int i = 0; i < n_merges; i++) {
        size_t length = strcspn(at, "\n");
        if (strlen(item(merges, i)) != length || memcmp(item(merges, i), at, length) != 0)
            fail_msg("merge %d is '%.*s', subword-nmt has '%s'", i, (int)length, at,
                     item(merges, i));
        at += length + 1;
    }
    wg_free(text);
    const cJSON *applied = cJSON_GetObjectItem(json, "applied");
    for (int i = 0; i < n; i++) expect_cut(s, NULL, lines[i], item(applied, i));
    const cJSON *other = cJSON_GetObjectItem(json, "other");
    applied = cJSON_GetObjectItem(json, "other_applied");
    assert_true(cJSON_GetArraySize(other) > 2);
    for (int i = 0; i < cJSON_GetArraySize(other); i++)
        expect_cut(s, NULL, item(other, i), item(applied, i));
    wg_subwords_free(s);
    cJSON_Delete(json);
    wg_free(bytes);
}

/* ---- against counting afresh ---- */

enum { WORDS = 60, LONGEST = 12 };

typedef struct plain_word {
    char symbol[LONGEST][32]; /* "ab" inside, "ab</w>" at the end, as subword-nmt writes them */
    int n;
    unsigned count;
} plain_word;

/* The best pair by counting all, its left and right in *left and *right; how often it occurs. */
static unsigned best_pair(const plain_word *words, char *left, char *right)
{
    unsigned best = 0;
    for (int w = 0; w < WORDS; w++)
        for (int i = 0; i + 1 < words[w].n; i++) {
            const char *a = words[w].symbol[i], *b = words[w].symbol[i + 1];
            unsigned count = 0;
            for (int v = 0; v < WORDS; v++)
                for (int k = 0; k + 1 < words[v].n; k++)
                    if (!strcmp(words[v].symbol[k], a) && !strcmp(words[v].symbol[k + 1], b))
                        count += words[v].count;
            int order = strcmp(a, left) ? strcmp(a, left) : strcmp(b, right);
            if (count > best || (count == best && order > 0)) {
                best = count;
                strcpy(left, a);
                strcpy(right, b);
            }
        }
    return best;
}

static void join(plain_word *w, const char *left, const char *right)
{
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        if (i + 1 < w->n && !strcmp(w->symbol[i], left) && !strcmp(w->symbol[i + 1], right)) {
            char both[64];
            snprintf(both, sizeof both, "%s%s", left, right);
            strcpy(w->symbol[n++], both);
            i++;
        } else {
            memmove(w->symbol[n], w->symbol[i], sizeof w->symbol[n]);
            n++;
        }
    }
    w->n = n;
}

static void test_incremental(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        wg_rng rng;
        wg_rng_init(&rng, seed, "tests.subword");
        plain_word words[WORDS] = {0};
        wg_vocab *vocab;
        WGT_OK(wg_vocab_new(&vocab, NULL), NULL);
        for (int w = 0; w < WORDS; w++) {
            char text[LONGEST + 1] = "";
            int n = 1 + (int)wg_rng_below(&rng, LONGEST);
            /* Two or three letters: many repetitions, ties and overlaps. */
            for (int i = 0; i < n; i++)
                text[i] = (char)('a' + wg_rng_below(&rng, 2 + (uint32_t)(seed % 2)));
            text[n] = '\0';
            words[w].n = n;
            words[w].count = 1 + wg_rng_below(&rng, 5);
            for (int i = 0; i < n; i++)
                snprintf(words[w].symbol[i], sizeof words[w].symbol[i], "%c%s", text[i],
                         i == n - 1 ? "</w>" : "");
            WGT_OK(wg_vocab_add(vocab, text, (size_t)n, words[w].count, NULL), NULL);
        }
        wg_subwords *s;
        char *written, *line;
        size_t size;
        WGT_OK(wg_subwords_learn(vocab, NULL, &s, NULL), NULL);
        WGT_OK(wg_subwords_write(s, &written, &size, NULL), NULL);
        line = written;
        for (int i = 0; i < 1 + wg_subwords_characters(s); i++) line = strchr(line, '\n') + 1;
        int done = 0;
        for (;; done++) {
            char left[32] = "", right[32] = "", wanted[80];
            if (best_pair(words, left, right) < 2) break;
            for (int w = 0; w < WORDS; w++) join(&words[w], left, right);
            snprintf(wanted, sizeof wanted, "%s %s", left, right);
            size_t length = strcspn(line, "\n");
            /* A pair that comes up again after its merge needs no second rule. */
            char again[90];
            snprintf(again, sizeof again, "\n%s\n", wanted);
            char kept = *line;
            *line = '\0';
            bool repeated = strstr(written, again) != NULL;
            *line = kept;
            if (repeated) continue;
            if (strlen(wanted) != length || memcmp(wanted, line, length) != 0)
                fail_msg("seed %d, merge %d: '%.*s' instead of '%s'", (int)seed, done, (int)length,
                         line, wanted);
            line += length + 1;
        }
        assert_int_equal(*line, '\0');
        assert_true(done > 20);
        wg_free(written);
        wg_subwords_free(s);
        wg_vocab_free(vocab);
    }
}

static void test_options(void **state)
{
    (void)state;
    static const char *const lines[] = {"aa aa aa ab ab xy \xC3\xA4 \xC3\xA4"};
    wg_subwords_options o = {.size = sizeof o, .merges = 1};
    wg_subwords *s = learn(lines, 1, &o);
    assert_int_equal(wg_subwords_merges(s), 1);
    assert_int_equal(wg_subwords_characters(s), 3); /* x and y occur once */
    expect_cut(s, NULL, "aa ab xa", "aa a@@ b <0x78>@@ a");
    wg_subwords_free(s);
    o = (wg_subwords_options){.size = sizeof o, .min_count = 3, .min_char_count = 1};
    s = learn(lines, 1, &o);
    assert_int_equal(wg_subwords_merges(s), 1);
    assert_int_equal(wg_subwords_characters(s), 5);
    wg_subwords_free(s);
    /* Nothing to learn from: only bytes. */
    s = learn(NULL, 0, NULL);
    assert_int_equal(wg_subwords_characters(s), 0);
    expect_cut(s, NULL, "\xE2\x82\xAC a", "<0xE2>@@ <0x82>@@ <0xAC> <0x61>");
    wg_subwords_free(s);
    wg_vocab *v;
    wg_error e;
    WGT_OK(wg_vocab_new(&v, &e), &e);
    o = (wg_subwords_options){.size = sizeof o, .merges = -1};
    WGT_STATUS(wg_subwords_learn(v, &o, &s, &e), WG_EINVAL, &e);
    assert_null(s);
    WGT_OK(wg_vocab_add(v, "abc", 3, UINT64_MAX / 2, &e), &e);
    WGT_STATUS(wg_subwords_learn(v, NULL, &s, &e), WG_ELIMIT, &e);
    wg_vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
