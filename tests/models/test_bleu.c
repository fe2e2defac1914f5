/* BLEU against sacreBLEU: awkward segments made for this test (tests/golden/bleu.json), the larger
 * sets of ../shared/golden/mt where they are there, bad input, long lines, and memory running out.
 */
#include "support.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <zlib.h>

#include <wengert/bleu.h>

#define MAX_REFS 3

static wg_bleu_text text_of(const char *s)
{
    wg_bleu_text text = {s, strlen(s)};

    return text;
}

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

static void test_bad_arguments(void **state)
{
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu_text word = text_of("word"), null = {NULL, 1}, nothing = {NULL, 0};
    wg_bleu_result result;
    wg_bleu *bleu = NULL;
    wg_error err;

    (void)state;
    WGT_STATUS(wg_bleu_new(NULL, NULL, &err), WG_EINVAL, &err);
    options.tokenizer = (wg_bleu_tokenizer)3;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.tokenizer = WG_BLEU_TOKENIZE_13A;
    options.smooth = (wg_bleu_smooth)4;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.smooth = WG_BLEU_SMOOTH_FLOOR;
    options.smooth_value = NAN;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.smooth_value = -1;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.smooth_value = 0;
    options.size = 4;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    assert_null(bleu);

    WGT_OK(wg_bleu_new(NULL, &bleu, &err), &err);
    WGT_STATUS(wg_bleu_score(bleu, &result, &err), WG_ESTATE, &err);
    WGT_STATUS(wg_bleu_add(bleu, word, &word, 0, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_bleu_add(bleu, word, NULL, 1, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_bleu_add(bleu, null, &word, 1, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_bleu_add(bleu, word, &null, 1, NULL), WG_EINVAL, NULL);
    WGT_OK(wg_bleu_add(bleu, nothing, &nothing, 1, &err), &err);
    WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
    WGT_NEAR(result.score, 0, 0);
    WGT_NEAR(result.brevity_penalty, 1, 0);
    wg_bleu_free(bleu);
    wg_bleu_free(NULL);
}

/* The accumulator is unharmed, and the message says where. */
static void test_invalid_utf8(void **state)
{
    static const char *const broken[] = {"ab\xC3",   "\xFF",   "a \xED\xA0\x80",
                                         "\xC0\xAF", "x\x80y", "\xF4\x90\x80\x80"};
    static const int byte[] = {3, 1, 3, 1, 2, 1};
    wg_bleu_text good[2];
    wg_bleu_result before, after;
    wg_bleu *bleu = NULL;
    wg_error err;
    char where[64];

    (void)state;
    good[0] = text_of("a good line of text");
    WGT_OK(wg_bleu_new(NULL, &bleu, &err), &err);
    WGT_OK(wg_bleu_add(bleu, good[0], good, 1, &err), &err);
    WGT_OK(wg_bleu_score(bleu, &before, &err), &err);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        WGT_STATUS(wg_bleu_add(bleu, text_of(broken[i]), good, 1, &err), WG_EFORMAT, &err);
        snprintf(where, sizeof where, "segment 2, hypothesis: invalid UTF-8 at byte %d", byte[i]);
        assert_string_equal(err.message, where);
        good[1] = text_of(broken[i]);
        WGT_STATUS(wg_bleu_add(bleu, good[0], good, 2, &err), WG_EFORMAT, &err);
        snprintf(where, sizeof where, "segment 2, reference 2: invalid UTF-8 at byte %d", byte[i]);
        assert_string_equal(err.message, where);
    }
    WGT_OK(wg_bleu_score(bleu, &after, &err), &err);
    assert_memory_equal(&before, &after, sizeof before);
    wg_bleu_free(bleu);
}

static void test_nul_bytes(void **state)
{
    wg_bleu_text hyp = {"a\0b c d e", 9}, same = {"a\0b c d e", 9}, other = {"a\0x c d e", 9};
    wg_bleu_result result;
    wg_error err;

    (void)state;
    WGT_OK(wg_bleu_sentence(NULL, hyp, &same, 1, &result, &err), &err);
    WGT_NEAR(result.score, 100, 1e-9);
    assert_int_equal(result.sys_len, 4);
    WGT_OK(wg_bleu_sentence(NULL, hyp, &other, 1, &result, &err), &err);
    assert_int_equal(result.counts[0], 3);
}

/* A million different tokens, a million equal ones, and short lines after them: were any of these
 * quadratic, the test would not end. */
static void test_million_tokens(void **state)
{
    const size_t million = 1000000, room = 8 * million;
    char *different = malloc(room), *equal = malloc(2 * million);
    wg_bleu_text line, twin, word = text_of("a b c d");
    wg_bleu_result result;
    wg_bleu *bleu = NULL;
    wg_error err;
    size_t n = 0;

    (void)state;
    assert_true(different && equal);
    for (size_t i = 0; i < million; i++) n += (size_t)snprintf(different + n, room - n, "%zx ", i);
    for (size_t i = 0; i < million; i++) memcpy(equal + 2 * i, "a ", 2);
    line = (wg_bleu_text){different, n};
    twin = (wg_bleu_text){equal, 2 * million};
    WGT_OK(wg_bleu_new(NULL, &bleu, &err), &err);
    WGT_OK(wg_bleu_add(bleu, line, &line, 1, &err), &err);
    WGT_OK(wg_bleu_add(bleu, twin, &twin, 1, &err), &err);
    for (int i = 0; i < 20000; i++) WGT_OK(wg_bleu_add(bleu, word, &word, 1, &err), &err);
    WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
    assert_int_equal(result.sys_len, 2 * 1000000 + 4 * 20000);
    for (int i = 0; i < WG_BLEU_MAX_ORDER; i++) {
        assert_int_equal(result.totals[i], 2 * (1000000 - i) + (4 - i) * 20000);
        assert_int_equal(result.counts[i], result.totals[i]);
    }
    WGT_NEAR(result.score, 100, 1e-9);
    wg_bleu_free(bleu);
    free(different);
    free(equal);
}

static wg_status score_once(wg_error *err)
{
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu_text refs[2];
    wg_bleu_result result;
    char hyp[4000];

    for (size_t i = 0; i < sizeof hyp; i++) hyp[i] = i % 3 == 2 ? ' ' : (char)('A' + i % 23);
    options.lowercase = true;
    refs[0] = text_of("the cat, the hat.");
    refs[1].data = hyp;
    refs[1].size = sizeof hyp;
    return wg_bleu_sentence(&options, refs[1], refs, 2, &result, err);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wg_error err;
        wgt_fail_alloc_at(n);
        if (wgt_alloc_ran_out(score_once(&err))) continue;
        assert_true(n > 10);
        break;
    }
}

/* Results do not depend on the locale, nor on the size of the caller's buffer. */
static void test_format(void **state)
{
    wg_bleu_text hyp = text_of("the cat sat on a mat"), ref = text_of("the cat sat on the mat");
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu_result result;
    wg_error err;
    char line[256], small[8];
    size_t n;

    (void)state;
    options.smooth = WG_BLEU_SMOOTH_FLOOR;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* with a decimal comma, where it is installed */
    WGT_OK(wg_bleu_sentence(&options, hyp, &ref, 1, &result, &err), &err);
    n = wg_bleu_format(&result, line, sizeof line);
    setlocale(LC_ALL, "C");
    assert_int_equal(n, strlen(line));
    assert_string_equal(line, "BLEU = 53.73 83.3/60.0/50.0/33.3 (BP = 1.000 ratio = 1.000 "
                              "hyp_len = 6 ref_len = 6)");
    assert_non_null(strstr(result.signature, "|smooth:floor[0.10]|"));
    assert_int_equal(wg_bleu_format(&result, small, sizeof small), n);
    assert_string_equal(small, "BLEU = ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_awkward_segments), cmocka_unit_test(test_shared_golden),
        cmocka_unit_test(test_bad_arguments),    cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_nul_bytes),        cmocka_unit_test(test_million_tokens),
        cmocka_unit_test(test_out_of_memory),    cmocka_unit_test(test_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
