/* --nfc of wengert translate: what is written in other code points is the same word, in training
 * and in translating; models without it are as they were. */
#include "training_test.h"

/* The toy language with an accent: huit is spelt with i and U+0302 (COMBINING CIRCUMFLEX) in every
 * other line of the text `mixed`, and with U+00EE, which is form C of that, in `composed`. */
static void make_texts(void)
{
    if (exists("mixed")) return;
    assert_int_equal(
        shell("i=$(printf 'hu\\303\\256t'); d=$(printf 'hui\\314\\202t')\n"
              "sed \"s/huit/$i/g\" s > composed && awk -v i=\"$i\" -v d=\"$d\" "
              "'{ gsub(/huit/, NR % 2 ? d : i); print }' s > mixed && ! cmp -s composed mixed\n"
              "printf 'un %s deux\\nun %s deux\\n' \"$i\" \"$d\" > in"),
        0);
}

static void trains(const char *options)
{
    char command[2048];
    snprintf(command, sizeof command, "$T translate train --target t " TOY_MODEL "%s", options);
    int status = shell(command);
    if (status) print_error("%s\n%s", command, err);
    assert_int_equal(status, 0);
}

static void learn_once(void)
{
    make_texts();
    if (!exists("model")) trains("--epochs 20 --nfc --source mixed --out model");
}

static cJSON *config_of(const char *file)
{
    wg_state *state = load_state(file);
    cJSON *config = json_of(state, "config.json");
    wg_state_free(state);
    return config;
}

static void assert_format(const char *file, int version, bool nfc)
{
    cJSON *config = config_of(file);
    assert_int_equal((int)number_in(config, "format_version"), version);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(config, "text"), "nfc")) ==
                nfc);
    cJSON_Delete(config);
}

static void test_trains_on_form_c(void **state)
{
    (void)state;
    learn_once();
    trains("--epochs 2 --no-valid-bleu --nfc --source mixed --out mixed-nfc");
    assert_non_null(strstr(err, " lines were brought to form C (--nfc)"));
    trains("--epochs 2 --no-valid-bleu --source composed --out composed-as-is");
    assert_same_tensors("mixed-nfc/model.npz", "composed-as-is/model.npz");
    assert_format("mixed-nfc/model.npz", 4, true);
    assert_format("composed-as-is/model.npz", 1, false);
    /* Two words where there is one, without it. */
    trains("--epochs 1 --no-valid-bleu --source mixed --out mixed-as-is");
    assert_null(strstr(err, "form C"));
    assert_int_equal(shell("$T inspect mixed-as-is/model.npz > a; $T inspect mixed-nfc/model.npz > "
                           "b; ! cmp -s a b"),
                     0);
    assert_true(last_number("mixed-as-is/log.jsonl", "start", "source_vocab") ==
                last_number("mixed-nfc/log.jsonl", "start", "source_vocab") + 1);
}

static void test_translates_in_form_c(void **state)
{
    (void)state;
    learn_once();
    assert_int_equal(shell("$T translate run --threads 1 --model model < in"), 0);
    assert_string_equal(out, "two eight one\ntwo eight one\n");
    /* For serving, too: words in, words out, or raw text, which needs no newer reader. */
    assert_int_equal(shell("$T translate export -m model -o words.npz --no-raw --source-language "
                           "fr --target-language en && "
                           "$T translate export -m model -o raw.npz --source-language fr "
                           "--target-language en && "
                           "for m in words raw; do $T translate run --threads 1 --model $m.npz "
                           "< in; done"),
                     0);
    assert_string_equal(out, "two eight one\ntwo eight one\ntwo eight one\ntwo eight one\n");
    assert_format("words.npz", 4, true);
    assert_format("raw.npz", 3, true);
}

/* Together with what else changes text: lower case, subwords, streams. */
static void test_with_the_others(void **state)
{
    (void)state;
    make_texts();
    assert_int_equal(shell("tr a-z A-Z < mixed > upper && head -40 upper > vs && head -40 t > vt"),
                     0);
#define OTHERS                                                                    \
    "--no-valid-bleu --nfc --lowercase --subwords 25 --stream --valid-source vs " \
    "--valid-target vt --shuffle-window 400 "
    trains(OTHERS "--epochs 1 --source upper --out others");
    trains(OTHERS "--epochs 2 --source upper --out others --resume");
    trains(OTHERS "--epochs 2 --source composed --out others-composed");
    assert_same_tensors("others/model.npz", "others-composed/model.npz");
    assert_int_equal(shell("$T translate train --target t " TOY_MODEL OTHERS
                           "--no-nfc --epochs 3 --source upper --out others --resume"),
                     2);
    assert_non_null(strstr(err, "--resume: --nfc is false, but was true"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trains_on_form_c),
        cmocka_unit_test(test_translates_in_form_c),
        cmocka_unit_test(test_with_the_others),
    };
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
