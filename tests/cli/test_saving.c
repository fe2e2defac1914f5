/* Saving beside a training: what is kept, what is said, and what becomes of a training whose saves
 * fail. */
#include "training_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#define RUN                                                                                  \
    "$T translate train --threads 1 --source s --target t --hidden 16 --embed 8 --batch 16 " \
    "--min-count 1 --hold-out 0.1 --lr 0.01 --epochs 3 --log-every 5 --quiet "
#define OFTEN RUN "--save-every 0.000001 "

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
    assert_true(exists("kept/last-000000069.npz"));
    assert_same_state("kept/last.npz", "kept/last-000000069.npz");
    assert_int_equal(shell("ls kept/last-* | head -n 1"), 0);
    char *oldest = strndup(out, strcspn(out, "\n"));
    assert_non_null(oldest);
    assert_true(progress_in(oldest, "updates") == atoi(strrchr(oldest, '-') + 1));
    assert_true(progress_in(oldest, "updates") < 69);
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

/* A disk that is full from the start is known before anything is trained. */
static void test_first_save(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    assert_int_equal(
        shell("FAULTS_UNDER=/early/ FAULTS_NAME=-0 FAULTS_OPS=write FAULTS_FAIL=1 " FAULTS RUN
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

static void test_failures_on_the_way(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    straight_once();
    /* Some saves of last.npz; then the best model, which is written when there is room. Few, since
     * a save that is due while one is being written waits, and how many there are is chance. */
    static const char *const which[] = {"FAULTS_NAME=/last.npz FAULTS_FAIL=3 FAULTS_COUNT=2",
                                        "FAULTS_NAME=/model.npz FAULTS_FAIL=1 FAULTS_COUNT=1"};
    for (int i = 0; i < 2; i++) {
        char command[2048];
        snprintf(command, sizeof command,
                 "rm -rf bumpy; FAULTS_UNDER=/bumpy/ FAULTS_OPS=rename %s " FAULTS OFTEN
                 "--out bumpy",
                 which[i]);
        assert_int_equal(shell(command), 2);
        said("no space left on device; what was saved before is still there");
        said(i == 0 ? "2 of " : "1 of ");
        said("saves failed on the way; those at the end did not");
        assert_same_training("straight", "bumpy");
        assert_int_equal(shell("grep -c '\"error\"' bumpy/log.jsonl"), 0);
        assert_int_equal(atoi(out), i == 0 ? 2 : 1);
        assert_int_equal(shell("ls -A bumpy | wc -l"), 0);
        assert_int_equal(atoi(out), 3);
    }
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
            ops[i], i == 2 ? 250 : 6); /* a save has some fifty writes */
        assert_int_equal(shell(command), 2);
        said("the last one too: stuck/");
        said("is what was saved before");
        double updates = progress_in("stuck/last.npz", "updates");
        assert_true(updates > 0 && updates < 69);
        if (shell(RUN "--out stuck --resume") != 0) fail_msg("%s", err);
        assert_same_training("straight", "stuck");
    }
}

static void test_lost_lines(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    straight_once();
    assert_int_equal(
        shell("FAULTS_UNDER=/lines/ FAULTS_NAME=/log.jsonl FAULTS_FAIL=5 FAULTS_COUNT=3 " FAULTS RUN
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
             "touch held/.wengert-tmp-2147483647-0 held/.wengert-tmp-%ld-0 && $T translate train "
             "--threads 1 --source s --target t --hidden 16 --embed 8 --batch 16 --min-count 1 "
             "--hold-out 0.1 --lr 0.01 --epochs 3 --out held --resume",
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
        cmocka_unit_test(test_failures_on_the_way), cmocka_unit_test(test_failures_to_the_end),
        cmocka_unit_test(test_lost_lines),          cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_bad_places),
    };
    return cmocka_run_group_tests(tests, set_up_in_memory, tear_down_tool);
}
