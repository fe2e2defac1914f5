/* Signals: the first asks, the second ends, an ignored one stays ignored. In children, because the
 * state is that of the process. */
#include "internal.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit status of a child that runs `work`, with stderr thrown away. */
static int in_child(int (*work)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        _exit(work());
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int after_one(int number)
{
    cli_signals_install(false);
    if (cli_interrupted() != 0) return 1;
    raise(number);
    return cli_interrupted();
}

static int one_int(void)
{
    return after_one(SIGINT);
}

static int one_term(void)
{
    return after_one(SIGTERM);
}

static int two(void)
{
    cli_signals_install(true);
    raise(SIGTERM);
    raise(SIGINT);
    return 1; /* not reached */
}

static int ignored(void)
{
    signal(SIGINT, SIG_IGN);
    cli_signals_install(true);
    raise(SIGINT);
    raise(SIGINT);
    return cli_interrupted() == 0 ? 42 : 1;
}

static int not_installed(void)
{
    raise(SIGINT);
    return 1;
}

static void test_signals(void **state)
{
    (void)state;
    assert_int_equal(in_child(one_int), 130);
    assert_int_equal(in_child(one_term), 143);
    assert_int_equal(in_child(two), 130);
    assert_int_equal(in_child(ignored), 42);
    assert_int_equal(in_child(not_installed), -SIGINT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
