/* A training that is killed and taken up again is the training that was not: every bit of every
 * parameter, moment and figure, wherever it was killed. */
#include "training_test.h"

enum { KILLED = 128 + 9 };

/* Everything that has a state: random bits of dropout, order of the data, warm-up, a rate that
 * falls on plateaus, moments, the count to early stopping. A save after each update. */
#define BUSY                                                                                     \
    "--source s --target t --hidden 24 --embed 12 --batch 16 --min-count 1 --hold-out 0.1 "      \
    "--dropout 0.3 --label-smoothing 0.1 --lr 0.05 --warmup 30 --schedule plateau --patience 0 " \
    "--early-stopping 2 --clip 1 --epochs 40 --log-every 5 --quiet --save-every 0.000001 "

/* Events at which a training is killed. */
#define SAVED "FAULTS_OPS=rename FAULTS_NAME=/last.npz"
#define LOGGED(event) "FAULTS_NAME=/log.jsonl FAULTS_TEXT='\"event\": \"" event "\"'"

/* Trains in DIR and is killed at the n-th such event; a line of the log is half written then. */
static void killed_at(const char *options, const char *where, const char *event, int n)
{
    char command[2048];
    snprintf(command, sizeof command,
             FAULTS "FAULTS_UNDER=/%s/ FAULTS_KILL=%d %s $T translate train %s --out %s", where, n,
             event, options, where);
    int status = shell(command);
    if (status != KILLED) print_error("%s: status %d: %s\n", command, status, err);
    assert_int_equal(status, KILLED);
}

static void resume(const char *options, const char *where)
{
    char command[2048];
    snprintf(command, sizeof command, "$T translate train %s --out %s --resume", options, where);
    if (shell(command) != 0) fail_msg("%s", err);
}

/* `even`: all epochs have the same number of updates. */
static void compare_everywhere(const char *options, bool even)
{
    char command[2048], resumed[2048];
    snprintf(command, sizeof command, "rm -rf straight cut; $T translate train %s --out straight",
             options);
    if (shell(command) != 0) fail_msg("%s", err);
    int updates = (int)progress_in("straight/last.npz", "updates");
    int epochs = (int)progress_in("straight/last.npz", "batch_epoch"), all = updates / epochs;
    if (even) assert_true(all == 23 && updates == all * epochs); /* 360 pairs by 16 */
    /* Before the first update; inside an epoch; at its end, before validation and after; in its
     * validation; where one more bad epoch ends the training. */
    const struct {
        const char *event;
        int n;
    } at[] = {{SAVED, 2},
              {SAVED, 9},
              {SAVED, even ? all + 2 : 12},
              {LOGGED("epoch"), 1},
              {LOGGED("epoch"), 2},
              {LOGGED("report"), updates / 5 - 3},
              {LOGGED("epoch"), epochs - 1},
              {LOGGED("epoch"), epochs}};
    int inside = 0, ends = 0;
    snprintf(resumed, sizeof resumed, "%s --resume", options);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        assert_int_equal(shell("rm -rf cut"), 0);
        killed_at(options, "cut", at[i].event, at[i].n);
        int position = (int)progress_in("cut/last.npz", "batch_position");
        inside += position > 0 && position < all;
        ends += position == all;
        if (i < 6 && i % 2) killed_at(resumed, "cut", LOGGED("report"), 1); /* and once more */
        resume(options, "cut");
        assert_same_training("straight", "cut");
        /* Nothing is left of the saves that were cut short. */
        assert_int_equal(shell("ls -A cut | tr '\\n' ' '"), 0);
        assert_string_equal(out, "last.npz log.jsonl model.npz ");
    }
    assert_true(inside > 0 && (ends > 0 || !even));
}

static void test_one_thread(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    compare_everywhere("--threads 1 " BUSY, true);
    char *log = slurp("straight/log.jsonl", NULL);
    assert_non_null(strstr(log, "\"reason\": \"early-stopping\""));
    assert_non_null(strstr(log, "\"lr\": 0.025")); /* it had fallen */
    free(log);
}

static void test_two_threads(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    compare_everywhere("--threads 2 " BUSY, true);
}

static void test_other_rules(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    compare_everywhere("--threads 1 " BUSY "--optimizer momentum --schedule step --decay-every 7 "
                       "--cell gru --input-feeding --tie-embeddings target --select perplexity "
                       "--early-stopping 0 --epochs 4",
                       true);
}

/* Text that is read again in each epoch, through a window that holds a quarter of it, in subwords:
 * the place in the data is one in a file then. */
static void test_stream(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    assert_int_equal(shell("head -n 40 s > vs; head -n 40 t > vt"), 0);
    compare_everywhere("--threads 1 --stream --shuffle-window 100 --subwords 12 --valid-source vs "
                       "--valid-target vt --source s --target t --hidden 24 --embed 12 --batch 16 "
                       "--min-count 1 --dropout 0.3 --lr 0.05 --early-stopping 0 --epochs 4 "
                       "--log-every 5 --quiet --save-every 0.000001 ",
                       false);
}

/* An end is an end: what stopped early, or had all its epochs, is not trained on. */
static void test_end_stays(void **state)
{
    (void)state;
    static const char *const options[] = {"--threads 1 " BUSY,
                                          "--threads 1 " BUSY "--early-stopping 0 --epochs 3"};
    for (int i = 0; i < 2; i++) {
        char command[2048];
        snprintf(command, sizeof command,
                 "rm -rf over kept; $T translate train %s --out over && cp -r over kept && "
                 "$T translate train %s --out over --resume",
                 options[i], options[i]);
        if (shell(command) != 0) fail_msg("%s", err);
        assert_same_training("kept", "over");
    }
}

/* Saved by an older program: no sums since the last report, no length of the log, options that did
 * not exist; infinite figures are null. */
static void test_older_file(void **state)
{
    (void)state;
    assert_int_equal(
        shell("rm -rf older; $T translate train --threads 1 " BUSY "--epochs 2 --out older"), 0);
    char path[4096];
    wg_error why;
    wg_state *saved = load_state("older/last.npz"), *old;
    WGT_OK(wg_state_new(&old, &why), &why);
    for (int i = 0; i < wg_state_count(saved); i++) {
        size_t length;
        const char *name = wg_state_name(saved, i), *text = wg_state_text_at(saved, i, &length);
        wg_tensor *tensor = wg_state_tensor_at(saved, i);
        if (tensor) {
            WGT_OK(wg_state_ref_tensor(old, name, tensor, &why), &why);
            continue;
        }
        char *changed = NULL;
        if (strcmp(name, "progress/state.json") == 0) {
            static const char *const newer[] = {
                "report_loss",    "report_words",     "report_norm", "report_seconds",
                "report_updates", "skipped_in_a_row", "log_bytes"};
            cJSON *object = json_of(saved, name);
            for (size_t k = 0; k < sizeof newer / sizeof newer[0]; k++)
                cJSON_DeleteItemFromObjectCaseSensitive(object, newer[k]);
            cJSON_ReplaceItemInObjectCaseSensitive(object, "epoch_norm", cJSON_CreateNull());
            text = changed = cJSON_PrintUnformatted(object);
            length = strlen(text);
            cJSON_Delete(object);
        }
        if (strcmp(name, "config.json") == 0) {
            cJSON *object = json_of(saved, name);
            cJSON *options = cJSON_GetObjectItemCaseSensitive(object, "options");
            assert_non_null(cJSON_GetObjectItemCaseSensitive(options, "batching"));
            cJSON_DeleteItemFromObjectCaseSensitive(options, "batching");
            cJSON_DeleteItemFromObjectCaseSensitive(options, "shuffle_window");
            text = changed = cJSON_PrintUnformatted(object);
            length = strlen(text);
            cJSON_Delete(object);
        }
        WGT_OK(wg_state_put_text(old, name, text, length, &why), &why);
        cJSON_free(changed);
    }
    path_of(path, sizeof path, "older/last.npz");
    WGT_OK(wg_state_save(path, old, NULL, &why), &why);
    wg_state_free(old);
    wg_state_free(saved);
    resume("--threads 1 " BUSY "--epochs 3", "older");
    assert_true(progress_in("older/last.npz", "batch_epoch") == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread),  cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_other_rules), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_end_stays),   cmocka_unit_test(test_older_file),
    };
    return cmocka_run_group_tests(tests, set_up_in_memory, tear_down_tool);
}
