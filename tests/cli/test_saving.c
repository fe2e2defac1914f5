/* Saving beside a training: what is kept, what is said, and what becomes of a training whose saves
 * fail. */
#include "training_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

/* Two epochs of 40 updates. How many saves there are does not depend on how fast they or the
 * updates are: with OFTEN each update saves last.npz, and waits for the save before. Only while
 * model.npz is being written, after the end of an epoch, updates pass without one; so what needs
 * many saves of last.npz takes those of the first epoch. */
#define LOUD                                                                                \
    "$T translate train --threads 1 --source s --target t --hidden 16 --embed 8 --batch 8 " \
    "--min-count 1 --hold-out 0.2 --lr 0.01 --epochs 2 --select perplexity --log-every 5 "
#define RUN LOUD "--quiet "
#define OFTEN RUN "--save-every 1e-9 "

enum { EPOCH = 40, UPDATES = 2 * EPOCH };

/* Three epochs of 10 updates, each with a model better than before. */
#define SHORT "--batch 32 --epochs 3 "

static void straight_once(void)
{
    if (!exists("straight") && shell(RUN "--out straight") != 0) fail_msg("%s", err);
}

static void said(const char *text)
{
    if (!strstr(err, text)) fail_msg("'%s' does not say '%s'", err, text);
}

static void test_keep_last(void **state)
{
    (void)state;
    straight_once();
    if (shell(OFTEN "--keep-last 4 --out kept") != 0) fail_msg("%s", err);
    assert_same_training("straight", "kept");
    assert_int_equal(shell("ls kept | grep -c '^last-[0-9]\\{9\\}[.]npz$'"), 0);
    assert_int_equal(atoi(out), 4);
    /* last.npz is the newest of them; the others are of earlier updates, in the order of names. */
    assert_true(exists("kept/last-000000080.npz"));
    assert_same_state("kept/last.npz", "kept/last-000000080.npz");
    assert_int_equal(shell("ls kept/last-* | head -n 1"), 0);
    char *oldest = strndup(out, strcspn(out, "\n"));
    assert_non_null(oldest);
    assert_true(progress_in(oldest, "updates") == atoi(strrchr(oldest, '-') + 1));
    assert_true(progress_in(oldest, "updates") < UPDATES);
    /* From an earlier one the same end is reached, by the names of before. */
    char command[4096];
    snprintf(command, sizeof command,
             "cp %s kept/last.npz && " OFTEN "--keep-last 4 --out kept --resume", oldest);
    free(oldest);
    if (shell(command) != 0) fail_msg("%s", err);
    assert_same_training("straight", "kept");
    assert_true(shell(RUN "--keep-last 0 --out none") == 2);
    said("--keep-last");
}

/* A disk that is full from the start is known before anything is trained: the second save waits for
 * the first, and is due after one update. */
static void test_first_save(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    assert_int_equal(
        shell("FAULTS_UNDER=/early/ FAULTS_NAME=-0 FAULTS_OPS=write FAULTS_FAIL=1 " FAULTS OFTEN
              "--out early"),
        2);
    said("early/last.npz: cannot write: no space left");
    assert_int_equal(shell("cat early/log.jsonl | grep -c report"), 1);
    assert_false(exists("early/last.npz"));
    assert_int_equal(shell(RUN "--out early"), 2);
    said("not empty");
    assert_int_equal(shell(RUN "--out early --resume"), 2);
    said("begin anew");
}

/* Some saves fail, and the rest do not: all is as it would be. */
static void check_bumpy(const char *faults, const char *options, int failures, const char *straight)
{
    char text[2048];
    snprintf(text, sizeof text,
             "rm -rf bumpy; FAULTS_UNDER=/bumpy/ FAULTS_OPS=rename %s FAULTS_COUNT=%d " FAULTS OFTEN
             "%s --out bumpy",
             faults, failures, options);
    assert_int_equal(shell(text), 2);
    said("no space left on device; what was saved before is still there");
    snprintf(text, sizeof text, "error: %d of ", failures);
    said(text);
    said("saves failed on the way; those at the end did not");
    assert_same_training(straight, "bumpy");
    assert_int_equal(shell("grep -c '\"error\"' bumpy/log.jsonl"), 0);
    assert_int_equal(atoi(out), failures);
    assert_int_equal(shell("ls -A bumpy | wc -l"), 0);
    assert_int_equal(atoi(out), 3);
}

static void test_failures_on_the_way(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    straight_once();
    check_bumpy("FAULTS_NAME=/last.npz FAULTS_FAIL=5", "", 6, "straight");
}

/* The best model is written when there is room. That of the first epoch has failed by the time when
 * that of the second is due; from then on each update tries it again. */
static void test_failures_of_the_model(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    if (shell(RUN SHORT "--out short") != 0) fail_msg("%s", err);
    assert_int_equal(shell("grep -c '\"best\": true' short/log.jsonl"), 0);
    assert_int_equal(atoi(out), 3);
    check_bumpy("FAULTS_NAME=/model.npz FAULTS_FAIL=1", SHORT, 8, "short");
}

/* Nothing can be saved any more: what was stays, and the training goes on from it another day. */
static void test_failures_to_the_end(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    straight_once();
    static const char *const ops[] = {"FAULTS_OPS=rename FAULTS_NAME=/last.npz", "FAULTS_OPS=fsync",
                                      "FAULTS_OPS=write FAULTS_NAME=-0"};
    for (int i = 0; i < 3; i++) {
        char command[2048];
        snprintf(
            command, sizeof command,
            "rm -rf stuck; FAULTS_UNDER=/stuck/ %s FAULTS_FAIL=%d FAULTS_COUNT=100000 " FAULTS OFTEN
            "--out stuck",
            ops[i], i == 2 ? 1000 : 40); /* a save has two fsyncs and some fifty writes */
        assert_int_equal(shell(command), 2);
        said("the last one too: stuck/");
        said("is what was saved before");
        double updates = progress_in("stuck/last.npz", "updates");
        assert_true(updates > 0 && updates < EPOCH);
        if (i == 0) assert_true(updates == 38); /* the 39th save: the first is of no updates */
        if (shell(RUN "--out stuck --resume") != 0) fail_msg("%s", err);
        assert_same_training("straight", "stuck");
    }
}

/* A report and the saves around it are not told. The first save, before whose end a line that
 * cannot be written is an end of the training, is over by then: the second has waited for it. */
static void test_lost_lines(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    straight_once();
    assert_int_equal(
        shell(
            "FAULTS_UNDER=/lines/ FAULTS_NAME=/log.jsonl FAULTS_FAIL=5 FAULTS_COUNT=3 " FAULTS OFTEN
            "--out lines"),
        2);
    said("3 lines of lines/log.jsonl could not be written; all else is complete");
    assert_same_state("straight/last.npz", "lines/last.npz");
    assert_same_state("straight/model.npz", "lines/model.npz");
    free(curve_of("lines/log.jsonl")); /* no half lines */
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    char path[4096];
    assert_int_equal(shell("rm -rf held; cp -r straight held 2> /dev/null || " RUN "--out held"),
                     0);
    path_of(path, sizeof path, "held");
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(shell(RUN "--epochs 4 --out held --resume"), 2);
    said("another training is writing to it");
    assert_int_equal(close(fd), 0);
    /* Leftovers of a process that runs no more; another's are its own. */
    snprintf(path, sizeof path,
             "touch held/.wengert-tmp-2147483647-0 held/.wengert-tmp-%ld-0 && " LOUD
             "--out held --resume",
             (long)getpid());
    if (shell(path) != 0) fail_msg("%s", err);
    said("removed 1 unfinished file of a run that was killed");
    assert_int_equal(shell("ls -A held | grep -c wengert-tmp"), 0);
    assert_int_equal(atoi(out), 1);
}

/* A directory that cannot be written to, or is none, or whose file is: said before the training. */
static void test_bad_places(void **state)
{
    (void)state;
    assert_int_equal(shell("rm -rf file; touch file; " RUN "--out file"), 2);
    said("--out file: ");
    assert_int_equal(shell(RUN "--out file/below"), 2);
    assert_int_equal(shell(RUN "--out no/such/place"), 2);
    said("no/such: ");
    assert_int_equal(shell(RUN "--out no --resume"), 2);
    said("there is no directory no");
    if (geteuid() == 0) return; /* root may write anywhere */
    assert_int_equal(shell("mkdir -p shut && chmod a-w shut; " RUN "--out shut"), 2);
    said("--out shut: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_last),           cmocka_unit_test(test_first_save),
        cmocka_unit_test(test_failures_on_the_way), cmocka_unit_test(test_failures_of_the_model),
        cmocka_unit_test(test_failures_to_the_end), cmocka_unit_test(test_lost_lines),
        cmocka_unit_test(test_one_at_a_time),       cmocka_unit_test(test_bad_places),
    };
    return cmocka_run_group_tests(tests, set_up_in_memory, tear_down_tool);
}
