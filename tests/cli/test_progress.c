/* The progress line: on a terminal (a pty) rewritten and rate limited, elsewhere absent at first,
 * and never under --quiet. */
#include "internal.h"
#include "support.h"

#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[1 << 14];

static void work(void)
{
    cli_progress p = {0};
    cli_args args;
    char *argv[] = {(char *)"help", getenv("TEST_QUIET") ? (char *)"--quiet" : NULL, NULL};
    if (!cli_args_init(&args, cli_commands[0])) _exit(1);
    if (cli_parse(&args, argv[1] ? 2 : 1, argv) != CLI_PARSED) _exit(1);
    cli_progress_start(&p, &args);
    for (int i = 0; i < 1000; i++) cli_progress_show(&p, "step %d \x1b[2J", i);
    cli_progress_log(&p, "epoch 1");
    cli_progress_end(&p);
    cli_args_free(&args);
}

/* What a child running work() writes to stderr, a terminal or a pipe. */
static void capture(bool terminal)
{
    int fd, ends[2];
    pid_t child;
    fflush(NULL);
    if (terminal) {
        child = forkpty(&fd, NULL, NULL, NULL);
        if (child < 0) {
            print_message("skipped: no pseudo-terminal can be had here\n");
            skip();
        }
    } else {
        assert_int_equal(pipe(ends), 0);
        fd = ends[0];
        child = fork();
        if (child == 0) dup2(ends[1], STDERR_FILENO);
        if (child != 0) close(ends[1]);
    }
    assert_true(child >= 0);
    if (child == 0) {
        setenv("TERM", "xterm", 1);
        work();
        fflush(NULL);
        _exit(0);
    }
    size_t used = 0;
    ssize_t n;
    while (used < sizeof text - 1 && (n = read(fd, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(fd);
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

static void test_terminal(void **state)
{
    (void)state;
    capture(true);
    assert_non_null(strstr(text, "\rstep 0 \\x1b[2J\x1b[K"));
    assert_null(strstr(text, "step 1 ")); /* a tenth of a second has not passed */
    assert_non_null(strstr(text, "\r\x1b[Kepoch 1"));
}

static void test_file(void **state)
{
    (void)state;
    capture(false);
    assert_string_equal(text, "epoch 1\n");
}

static void test_quiet(void **state)
{
    (void)state;
    setenv("TEST_QUIET", "1", 1);
    capture(true);
    assert_string_equal(text, "");
    capture(false);
    assert_string_equal(text, "");
    unsetenv("TEST_QUIET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
