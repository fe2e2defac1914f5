/* Trainings that are killed at any moment, and in the worst ones: between the last write and the
 * rename, in the middle of a write, with the disk full. After each kill every file under a final
 * name is complete and can be gone on from; and a training killed again and again ends with the
 * bits of one that was not.
 *
 * WENGERT_KILLS says how many kills (16); WENGERT_KILL_SEED makes others. */
#include "cli.h"
#include "training_test.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>

#define RUN                                                                                       \
    "--threads 1 --source s --target t --hidden 24 --embed 12 --batch 16 --min-count 1 "          \
    "--hold-out 0.1 --dropout 0.2 --lr 0.01 --epochs 4 --early-stopping 0 --log-every 3 --quiet " \
    "--save-every 0.000001 --keep-last 3 "

static unsigned seed;

static int draw(int n)
{
    seed = seed * 1103515245u + 12345u;
    return (int)(seed >> 8) % n;
}

typedef enum way { TIMER, RENAME, ANY_CALL, TIGHT, FULL, WAYS } way;
static const char *const way_name[] = {"at a random time", "in place of a rename",
                                       "in place of a write, fsync, rename, link or unlink",
                                       "with a limit on the size of files",
                                       "with the disk full for a while"};

/* One run of the tool; returns its exit status, or minus the signal that ended it. */
static int run(way how, const char *more)
{
    char line[9000], faults[256] = "";
    const char *const kinds = how == RENAME ? "FAULTS_OPS=rename " : "";
    if (how == RENAME || how == ANY_CALL || how == FULL)
        snprintf(faults, sizeof faults, FAULTS "FAULTS_UNDER=/cut/ %sFAULTS_KILL=%d ", kinds,
                 1 + draw(how == RENAME ? 40 : 400));
    if (how == FULL)
        snprintf(faults + strlen(faults), sizeof faults - strlen(faults),
                 "FAULTS_FAIL=%d FAULTS_COUNT=%d ", 1 + draw(100), 1 + draw(100));
    snprintf(line, sizeof line,
             "cd '%s' && exec env %s '%s' translate train " RUN "--out cut %s 2> err.txt", dir,
             faults, tool, more);
    const struct rlimit limit = {16384 + 1024 * (rlim_t)draw(100), RLIM_INFINITY};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (how == TIGHT && setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(98);
        execl("/bin/sh", "sh", "-c", line, NULL);
        _exit(99);
    }
    if (how == TIMER || how == TIGHT) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000L * (1 + draw(500))}, NULL);
        kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_back("err.txt", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Every file has a name that says what it is; what is under a final name is complete. Returns how
 * many of those there are. */
static int check_files(const char *name)
{
    char path[4096];
    int complete = 0;
    path_of(path, sizeof path, name);
    DIR *folder = opendir(path);
    if (!folder) return 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const char *file = entry->d_name;
        size_t n = strlen(file);
        if (strcmp(file, ".") == 0 || strcmp(file, "..") == 0 || strcmp(file, "log.jsonl") == 0 ||
            strncmp(file, ".wengert-tmp-", 13) == 0)
            continue;
        bool numbered =
            n == 18 && strncmp(file, "last-", 5) == 0 && strspn(file + 5, "0123456789") == 9;
        if (!numbered && strcmp(file, "last.npz") != 0 && strcmp(file, "model.npz") != 0)
            fail_msg("what is %s?", file);
        wg_error why;
        wg_state *state;
        char full[9000];
        snprintf(full, sizeof full, "%s/%s", path, file);
        if (wg_state_load(full, &state, &why)) fail_msg("%s", why.message);
        wg_state_free(state);
        complete++;
    }
    closedir(folder);
    return complete;
}

static int wanted_kills(void)
{
    const char *text = getenv("WENGERT_KILLS");
    int n = text && *text ? atoi(text) : 16;
    return n > 0 ? n : 16;
}

static void test_killed_anywhere(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    const char *text = getenv("WENGERT_KILL_SEED");
    seed = text && *text ? (unsigned)strtoul(text, NULL, 10) : 20;
    if (shell("$T translate train " RUN "--out straight") != 0) fail_msg("%s", err);
    int kills = 0, chains = 0, nothing_yet = 0, failed = 0, by_way[WAYS] = {0}, links = 0;
    bool begun = false, clean = true;
    for (int runs = 0; kills < wanted_kills(); runs++) {
        assert_true(runs < 20 * wanted_kills());
        way how = (way)((runs + runs / 24) % (chains % 2 ? TIGHT : WAYS)); /* half of them clean */
        int status = run(how, begun ? "--resume" : "");
        check_files("cut");
        if (how == TIGHT || how == FULL) clean = false;
        begun = exists("cut/last.npz");
        if (status == -SIGKILL) {
            kills++;
            by_way[how]++;
        } else if (status == CLI_TROUBLE) { /* told that it could not save */
            assert_true(how == TIGHT || how == FULL);
            assert_true(strstr(err, "cut/") != NULL);
            failed++;
        } else if (status != CLI_FINE) {
            fail_msg("%s: status %d: %s", way_name[how], status, err);
        }
        if (!begun) {
            /* Killed, or out of room, before the first save: nothing under a final name. */
            assert_int_equal(check_files("cut"), 0);
            assert_int_equal(shell("rm -rf cut"), 0);
            clean = true;
            nothing_yet++;
            continue;
        }
        /* It can be gone on from: a copy is, to the end of the first epoch, or at once. */
        if (shell("rm -rf probe && cp -r cut probe && $T translate train " RUN
                  "--out probe --epochs 1 --resume") != 0)
            fail_msg("%s: %s", way_name[how], err);
        check_files("probe");
        links++;
        if (status == CLI_FINE || links == 12) { /* so that trainings come to their ends as well */
            if (shell("$T translate train " RUN "--out cut --resume") != 0) fail_msg("%s", err);
            assert_same_state("straight/last.npz", "cut/last.npz");
            assert_same_state("straight/model.npz", "cut/model.npz");
            /* Lines of the log that found the disk full are lost. */
            if (clean) assert_same_training("straight", "cut");
            clean = true;
            assert_int_equal(shell("ls -A cut | grep -c wengert-tmp"), 1);
            assert_int_equal(shell("rm -rf cut"), 0);
            begun = false;
            links = 0;
            chains++;
        }
    }
    print_message("%d kills: every file under a final name was complete and was gone on from\n",
                  kills);
    for (int i = 0; i < WAYS; i++) print_message("%6d %s\n", by_way[i], way_name[i]);
    print_message("%6d before the first save; %d runs ended by themselves and said what they could "
                  "not save; %d trainings came to the end, with the bits of one not killed\n",
                  nothing_yet, failed, chains);
}

/* A disk of 160 KiB, where the checkpoint of before and the next do not fit together. */
static void test_small_disk(void **state)
{
    (void)state;
    char path[4096];
    path_of(path, sizeof path, "disk");
    assert_int_equal(mkdir(path, 0777), 0);
    if (mount("tmpfs", path, "tmpfs", 0, "size=160k") != 0) {
        print_message("skipped: no small tmpfs can be mounted here (it needs root)\n");
        skip();
    }
    int first = shell("$T translate train " RUN "--keep-last 1 --out disk/m");
    char *said = strdup(err);
    assert_non_null(said);
    int complete = check_files("disk/m");
    bool begun = exists("disk/m/last.npz");
    /* With room again it goes on. */
    int more = mount("tmpfs", path, "tmpfs", MS_REMOUNT, "size=8m");
    int second = shell("$T translate train " RUN "--keep-last 1 --out disk/m --resume");
    if (second == 0) check_files("disk/m");
    int away = umount(path);
    assert_int_equal(first, CLI_TROUBLE);
    assert_non_null(strstr(said, "disk/m/"));
    assert_non_null(strstr(said, "no space left"));
    free(said);
    assert_true(begun && complete >= 1);
    assert_int_equal(more | away, 0);
    if (second != 0) fail_msg("%s", err);
}

static int set_up(void **state)
{
    int status = set_up_in_memory(state);
    char path[4096];
    if (status) return status;
    /* The project's own sentences. */
    static const char *const text[] = {"en", "fr"}, *const to[] = {"s", "t"};
    for (int i = 0; i < 2; i++) {
        char command[9000];
        path_of(path, sizeof path, to[i]);
        snprintf(command, sizeof command, "head -n 300 '%s/examples/data/train.%s' > '%s'",
                 WGT_SOURCE_DIR, text[i], path);
        if (system(command) != 0) return -1;
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_anywhere),
        cmocka_unit_test(test_small_disk),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down_tool);
}
