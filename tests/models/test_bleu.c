/* BLEU against sacreBLEU: awkward segments made for this test (tests/golden/bleu.json), and the
 * larger sets of ../shared/golden/mt where they are there. */
#include "bleu_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <zlib.h>

#define MAX_REFS 3

/* A whole file, plain or gzipped, with a NUL after it; NULL when it is not there. */
static char *slurp(const char *path, size_t *size)
{
    gzFile file = gzopen(path, "rb");
    size_t capacity = 1 << 16, used = 0;
    char *data;
    int n;

    if (!file) return NULL;
    data = malloc(capacity + 1);
    assert_non_null(data);
    while ((n = gzread(file, data + used, (unsigned)(capacity - used))) > 0) {
        used += (size_t)n;
        if (used == capacity) {
            capacity *= 2;
            data = realloc(data, capacity + 1);
            assert_non_null(data);
        }
    }
    assert_int_equal(n, 0);
    gzclose(file);
    data[used] = '\0';
    if (size) *size = used;
    return data;
}

static cJSON *parse_file(const char *path)
{
    char *data = slurp(path, NULL);
    cJSON *json;

    if (!data) return NULL;
    json = cJSON_Parse(data);
    assert_non_null(json);
    free(data);
    return json;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);

    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static double element(const cJSON *object, const char *key, int i)
{
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItem(object, key), i);

    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void check_result(const wg_bleu_result *result, const cJSON *want)
{
    WGT_NEAR(result->score, number(want, "score"), 1e-9);
    WGT_NEAR(result->brevity_penalty, number(want, "bp"), 1e-12);
    assert_int_equal(result->sys_len, (int64_t)number(want, "sys_len"));
    assert_int_equal(result->ref_len, (int64_t)number(want, "ref_len"));
    for (int n = 0; n < WG_BLEU_MAX_ORDER; n++) {
        WGT_NEAR(result->precisions[n], element(want, "precisions", n), 1e-9);
        assert_int_equal(result->counts[n], (int64_t)element(want, "counts", n));
        assert_int_equal(result->totals[n], (int64_t)element(want, "totals", n));
    }
}

/* Equal but for the program and version that computed the score. */
static void check_signature(const char *signature, const char *want)
{
    const char *version = strstr(want, "|version:");
    char expected[256];

    assert_non_null(version);
    snprintf(expected, sizeof expected, "%.*s|version:wengert-", (int)(version - want), want);
    assert_memory_equal(signature, expected, strlen(expected));
    assert_true(strlen(signature) > strlen(expected));
}

static wg_bleu_options options_of(const cJSON *json)
{
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    const cJSON *item = cJSON_GetObjectItem(json, "tokenize");

    if (item && strcmp(item->valuestring, "none") == 0) options.tokenizer = WG_BLEU_TOKENIZE_NONE;
    if (item && strcmp(item->valuestring, "char") == 0) options.tokenizer = WG_BLEU_TOKENIZE_CHAR;
    options.lowercase = cJSON_IsTrue(cJSON_GetObjectItem(json, "lowercase"));
    options.effective_order = cJSON_IsTrue(cJSON_GetObjectItem(json, "effective_order"));
    item = cJSON_GetObjectItem(json, "smooth_method");
    if (item && strcmp(item->valuestring, "none") == 0) options.smooth = WG_BLEU_SMOOTH_NONE;
    if (item && strcmp(item->valuestring, "floor") == 0) options.smooth = WG_BLEU_SMOOTH_FLOOR;
    if (item && strcmp(item->valuestring, "add-k") == 0) options.smooth = WG_BLEU_SMOOTH_ADD_K;
    item = cJSON_GetObjectItem(json, "smooth_value");
    if (cJSON_IsNumber(item)) options.smooth_value = item->valuedouble;
    return options;
}

static size_t references(const cJSON *segment, wg_bleu_text *refs)
{
    const cJSON *ref;
    size_t n = 0;

    cJSON_ArrayForEach(ref, cJSON_GetObjectItem(segment, "refs"))
    {
        assert_true(n < MAX_REFS);
        refs[n++] = text_of(ref->valuestring);
    }
    return n;
}

static void check_sentence(const wg_bleu_options *options, const cJSON *segment, int i,
                           const cJSON *config)
{
    const cJSON *stats = cJSON_GetArrayItem(cJSON_GetObjectItem(config, "stats"), i);
    wg_bleu_text refs[MAX_REFS];
    size_t nrefs = references(segment, refs);
    const char *hyp = cJSON_GetObjectItem(segment, "hyp")->valuestring;
    wg_bleu_result result;
    wg_error err;
    bool same = true;

    WGT_OK(wg_bleu_sentence(options, text_of(hyp), refs, nrefs, &result, &err), &err);
    if (stats) {
        same = result.sys_len == (int64_t)cJSON_GetArrayItem(stats, 0)->valuedouble &&
               result.ref_len == (int64_t)cJSON_GetArrayItem(stats, 1)->valuedouble;
        for (int n = 0; n < WG_BLEU_MAX_ORDER; n++) {
            same = same &&
                   result.counts[n] == (int64_t)cJSON_GetArrayItem(stats, 2 + n)->valuedouble &&
                   result.totals[n] == (int64_t)cJSON_GetArrayItem(stats, 6 + n)->valuedouble;
        }
    }
    same = same && fabs(result.score - element(config, "sentence_scores", i)) < 1e-9;
    if (!same) fail_msg("segment %d differs (%s): \"%s\"", i, result.signature, hyp);
}

static void test_awkward_segments(void **state)
{
    char path[4096];
    cJSON *golden;
    const cJSON *config, *segment;
    int configurations = 0;

    (void)state;
    assert_true(wgt_source_path(path, "tests/golden/bleu.json"));
    golden = parse_file(path);
    assert_non_null(golden);
    cJSON_ArrayForEach(config, cJSON_GetObjectItem(golden, "configurations"))
    {
        wg_bleu_options options = options_of(config);
        const cJSON *corpus = cJSON_GetObjectItem(config, "corpus");
        wg_bleu_result result;
        wg_bleu *bleu = NULL;
        wg_error err;
        char line[256];
        int i = 0;

        WGT_OK(wg_bleu_new(&options, &bleu, &err), &err);
        cJSON_ArrayForEach(segment, cJSON_GetObjectItem(golden, "segments"))
        {
            wg_bleu_text refs[MAX_REFS];
            size_t nrefs = references(segment, refs);

            check_sentence(&options, segment, i++, config);
            WGT_OK(wg_bleu_add(bleu, text_of(cJSON_GetObjectItem(segment, "hyp")->valuestring),
                               refs, nrefs, &err),
                   &err);
        }
        assert_true(i > 100);
        WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
        assert_int_equal(result.segments, i);
        check_result(&result, corpus);
        check_signature(result.signature, cJSON_GetObjectItem(config, "signature")->valuestring);
        assert_true(wg_bleu_format(&result, line, sizeof line) < sizeof line);
        assert_string_equal(line, cJSON_GetObjectItem(corpus, "line")->valuestring);
        wg_bleu_free(bleu);
        configurations++;
    }
    assert_int_equal(configurations, 15);
    cJSON_Delete(golden);
}

/* Takes a line off the front; false at the end. */
static bool next_line(const char **at, const char *end, wg_bleu_text *line)
{
    const char *stop;

    if (*at == end) return false;
    stop = memchr(*at, '\n', (size_t)(end - *at));
    if (!stop) stop = end;
    line->data = *at;
    line->size = (size_t)(stop - *at);
    *at = stop < end ? stop + 1 : end;
    return true;
}

static void score_shared(const char *name, size_t nrefs, const char *key, const cJSON *golden)
{
    const cJSON *want = cJSON_GetObjectItem(golden, key);
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    const char *at[1 + MAX_REFS], *end[1 + MAX_REFS];
    char *data[1 + MAX_REFS], short_name[128], path[4096];
    wg_bleu_text line[1 + MAX_REFS];
    wg_bleu_result result;
    wg_bleu *bleu = NULL;
    wg_error err;

    assert_non_null(want);
    if (strcmp(key, "bleu-none") == 0) options.tokenizer = WG_BLEU_TOKENIZE_NONE;
    if (strcmp(key, "bleu-char") == 0) options.tokenizer = WG_BLEU_TOKENIZE_CHAR;
    if (strcmp(key, "bleu-lc") == 0) options.lowercase = true;
    if (strcmp(key, "bleu-smooth-floor") == 0) options.smooth = WG_BLEU_SMOOTH_FLOOR;
    if (strcmp(key, "bleu-smooth-none") == 0) options.smooth = WG_BLEU_SMOOTH_NONE;
    for (size_t i = 0; i <= nrefs; i++) {
        size_t size;

        if (i == 0)
            snprintf(short_name, sizeof short_name, "golden/mt/%s.hyp.gz", name);
        else
            snprintf(short_name, sizeof short_name, "golden/mt/%s.ref%zu.gz", name, i - 1);
        assert_true(wgt_shared_path(path, short_name));
        data[i] = slurp(path, &size);
        assert_non_null(data[i]);
        at[i] = data[i];
        end[i] = data[i] + size;
    }
    WGT_OK(wg_bleu_new(&options, &bleu, &err), &err);
    while (next_line(&at[0], end[0], &line[0])) {
        for (size_t i = 1; i <= nrefs; i++) assert_true(next_line(&at[i], end[i], &line[i]));
        WGT_OK(wg_bleu_add(bleu, line[0], line + 1, nrefs, &err), &err);
    }
    WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
    check_result(&result, want);
    check_signature(result.signature, cJSON_GetObjectItem(want, "signature")->valuestring);
    wg_bleu_free(bleu);
    for (size_t i = 0; i <= nrefs; i++) free(data[i]);
}

static void test_shared_golden(void **state)
{
    static const char *const names[] = {"de-light", "en-heavy", "fr-two-refs", "edge"};
    static const char *const keys[] = {"bleu",      "bleu-none",         "bleu-lc",
                                       "bleu-char", "bleu-smooth-floor", "bleu-smooth-none"};
    char path[4096], short_name[128];

    (void)state;
    if (!wgt_shared_path(path, "golden/mt")) {
        print_message("skipped: the shared golden values (golden/mt) are not there\n");
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cJSON *golden;

        snprintf(short_name, sizeof short_name, "golden/mt/%s.json", names[i]);
        assert_true(wgt_shared_path(path, short_name));
        golden = parse_file(path);
        assert_non_null(golden);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            score_shared(names[i], strcmp(names[i], "fr-two-refs") == 0 ? 2 : 1, keys[k], golden);
        cJSON_Delete(golden);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_awkward_segments),
        cmocka_unit_test(test_shared_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
