/* wengert translate export: a model for serving translates raw text as the trained one does its
 * words, says where it comes from and nothing of where it lay, and is the same file each time. */
#include "translate_test.h"

#include <cjson/cJSON.h>
#include <wengert/statefile.h>
#include <wengert/translator.h>

/* Raw text and how it looks in the training text, which is lower-cased. */
#define RAW "Un deux, trois.\n\n  DIX?\nSept, (huit) un - neuf.\n"

/* The toy language with a full stop or a question mark behind each sentence, and commas. */
static void write_texts(void)
{
    assert_int_equal(
        shell("awk '{ $1 = $1 \" ,\"; print $0 (NR % 3 ? \" .\" : \" ?\") }' s > ps && "
              "awk '{ $1 = $1 \" ,\"; print $0 (NR % 3 ? \" .\" : \" ?\") }' t > pt"),
        0);
}

static void learn_once(void)
{
    if (exists("model")) return;
    write_texts();
    int status = shell("$T translate train --source ps --target pt " TOY_MODEL
                       "--subwords 25 --epochs 12 --out model && "
                       "$T translate export -m model -o served.npz --source-language fr "
                       "--target-language en --lowercase --name toy --licence CC0-1.0 "
                       "--description 'Ten words' --metric test_bleu=12.5 --metric chrf=0.5");
    if (status) print_error("%s", err);
    assert_int_equal(status, 0);
}

static void test_raw_lines(void **state)
{
    (void)state;
    learn_once();
    write_text("raw", RAW);
    assert_int_equal(shell("$T tokenize --language fr --lower < raw | "
                           "$T translate run --threads 1 --model model | "
                           "$T detokenize --language en > wanted; "
                           "$T translate run --threads 1 --model served.npz < raw | tee got; "
                           "cmp got wanted && wc -l < got"),
                     0);
    assert_non_null(strstr(out, "4\n"));
    assert_null(strstr(out, "@@"));
    assert_null(strstr(out, " ."));
    /* Words in, words out, where that is asked for. */
    assert_int_equal(shell("$T translate export -m model -o words.npz --source-language fr "
                           "--target-language en --no-raw && "
                           "$T translate run --threads 1 --model model < ps > wanted && "
                           "$T translate run --threads 1 --model words.npz < ps | cmp - wanted"),
                     0);
}

/* The example program, if it was built: several threads, the same lines in the same order. */
static void test_example(void **state)
{
    (void)state;
    learn_once();
    write_text("raw", RAW);
    if (shell("test -x \"$(dirname $T)/example_serve_translator\"")) skip();
    assert_int_equal(shell("for i in 1 2 3 4 5 6; do cat raw; done > many; "
                           "$T translate run --threads 1 --model served.npz < many > wanted; "
                           "\"$(dirname $T)/example_serve_translator\" served.npz 3 < many | "
                           "cmp - wanted"),
                     0);
    assert_int_equal(shell("\"$(dirname $T)/example_serve_translator\" absent.npz < raw"), 2);
    assert_non_null(strstr(err, "absent.npz"));
}

static cJSON *member(const char *file, const char *name)
{
    char path[4096];
    wg_state *state;
    wg_error e;
    size_t length;
    path_of(path, sizeof path, file);
    WGT_OK(wg_state_load(path, &state, &e), &e);
    const char *text = wg_state_text(state, name, &length);
    assert_non_null(text);
    cJSON *json = cJSON_ParseWithLength(text, length);
    assert_non_null(json);
    wg_state_free(state);
    return json;
}

static void test_card(void **state)
{
    (void)state;
    learn_once();
    cJSON *card = member("served.npz", "card.json");
    assert_string_equal(cJSON_GetObjectItem(card, "name")->valuestring, "toy");
    assert_string_equal(cJSON_GetObjectItem(card, "licence")->valuestring, "CC0-1.0");
    const cJSON *languages = cJSON_GetObjectItem(card, "languages");
    assert_string_equal(cJSON_GetObjectItem(languages, "source")->valuestring, "fr");
    const cJSON *metrics = cJSON_GetObjectItem(card, "metrics");
    WGT_NEAR(cJSON_GetObjectItem(metrics, "test_bleu")->valuedouble, 12.5, 0);
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(card, "training"), "valid_bleu") != NULL);
    const cJSON *data = cJSON_GetObjectItem(card, "data");
    assert_int_equal(cJSON_GetArraySize(data), 2);
    const cJSON *first = cJSON_GetArrayItem(data, 0);
    assert_string_equal(cJSON_GetObjectItem(first, "role")->valuestring, "source");
    assert_int_equal(strlen(cJSON_GetObjectItem(first, "sha256")->valuestring), 64);
    WGT_NEAR(cJSON_GetObjectItem(first, "lines")->valuedouble, 400, 0);
    assert_null(cJSON_GetObjectItem(first, "file"));
    cJSON_Delete(card);
    cJSON *config = member("served.npz", "config.json");
    WGT_NEAR(cJSON_GetObjectItem(config, "format_version")->valuedouble, 3, 0);
    assert_null(cJSON_GetObjectItem(config, "options"));
    assert_null(cJSON_GetObjectItem(config, "provenance"));
    cJSON_Delete(config);
}

/* No state of the training, no path; the same bytes from the same model, whatever the time. */
static void test_file(void **state)
{
    (void)state;
    learn_once();
    char path[4096];
    wg_state *tree;
    wg_error e;
    path_of(path, sizeof path, "served.npz");
    WGT_OK(wg_state_load(path, &tree, &e), &e);
    size_t length;
    assert_null(wg_state_tensor(tree, "optim/m"));
    assert_null(wg_state_text(tree, "progress/state.json", &length));
    assert_non_null(wg_state_text(tree, "subwords.txt", &length));
    static const char *const texts[] = {"config.json", "card.json", "card.md"};
    for (int i = 0; i < 3; i++) {
        const char *text = wg_state_text(tree, texts[i], &length);
        assert_non_null(text);
        assert_null(strstr(text, dir));
        assert_null(strstr(text, "ps\"")); /* the name of the training text */
    }
    wg_state_free(tree);
    assert_int_equal(shell("mkdir -p elsewhere && cp model/model.npz elsewhere/x.npz && sleep 2; "
                           "$T translate export -m elsewhere/x.npz -o again.npz --source-language "
                           "fr --target-language en --lowercase --name toy --licence CC0-1.0 "
                           "--description 'Ten words' --metric test_bleu=12.5 --metric chrf=0.5 && "
                           "cmp again.npz served.npz"),
                     0);
}

/* A copy of a file with the first `old` in config.json replaced. */
static void save_with(const char *from, const char *to, const char *old, const char *new)
{
    char path[4096], text[8192];
    wg_state *tree, *copy;
    wg_error e;
    path_of(path, sizeof path, from);
    WGT_OK(wg_state_load(path, &tree, &e), &e);
    WGT_OK(wg_state_new(&copy, &e), &e);
    for (int i = 0; i < wg_state_count(tree); i++) {
        const char *name = wg_state_name(tree, i);
        size_t n = 0;
        const char *words = wg_state_text_at(tree, i, &n);
        if (!words) {
            WGT_OK(wg_state_ref_tensor(copy, name, wg_state_tensor_at(tree, i), &e), &e);
        } else if (strcmp(name, "config.json") == 0) {
            const char *at = strstr(words, old);
            assert_non_null(at);
            n = (size_t)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - words), words, new,
                                 at + strlen(old));
            assert_true(n < sizeof text);
            WGT_OK(wg_state_put_text(copy, name, text, n, &e), &e);
        } else {
            WGT_OK(wg_state_put_text(copy, name, words, n, &e), &e);
        }
    }
    path_of(path, sizeof path, to);
    WGT_OK(wg_state_save(path, copy, NULL, &e), &e);
    wg_state_free(copy);
    wg_state_free(tree);
}

static void test_refused(void **state)
{
    (void)state;
    learn_once();
    save_with("served.npz", "newer.npz", "\"format_version\":\t3", "\"format_version\":\t9");
    assert_int_equal(shell("echo un | $T translate run --model newer.npz"), 2);
    assert_non_null(
        strstr(err, "newer.npz was written by a newer wengert: its format_version is 9"));
    char path[4096];
    wg_translator *t;
    wg_error e;
    path_of(path, sizeof path, "newer.npz");
    WGT_STATUS(wg_translator_open(path, &t, &e), WG_EVERSION, &e);
    assert_null(t);
    save_with("served.npz", "odd.npz", "\"target\":\t\"en\"", "\"targat\":\t\"en\"");
    path_of(path, sizeof path, "odd.npz");
    WGT_STATUS(wg_translator_open(path, &t, &e), WG_EFORMAT, &e);
    assert_non_null(strstr(e.message, "text.raw.target"));
    assert_int_equal(shell("$T translate export -m model -o x.npz --source-language fr "
                           "--target-language en --metric bleu"),
                     2);
    assert_non_null(strstr(err, "NAME=NUMBER"));
    assert_int_equal(shell("$T translate export -m model -o x.npz --source-language "
                           "abcdefghijklmnopqrst --target-language en"),
                     2);
    assert_int_equal(shell("$T translate export -m s -o x.npz --source-language fr "
                           "--target-language en"),
                     2);
    assert_false(exists("x.npz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_raw_lines),
                                       cmocka_unit_test(test_example), cmocka_unit_test(test_card),
                                       cmocka_unit_test(test_file), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
