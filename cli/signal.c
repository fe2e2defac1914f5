/* SIGINT and SIGTERM: the first asks the command to stop, the second ends the process. */
#include "internal.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Written in the handler, read on any thread: a lock-free atomic is allowed for both. */
static atomic_int interrupted;
static atomic_int silent;

static void on_signal(int number)
{
    if (atomic_exchange(&interrupted, number) != 0) _exit(128 + number);
    if (!atomic_load(&silent)) {
        static const char text[] = "\nwengert: stopping; once more to end at once\n";
        ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
        (void)ignored;
    }
}

int cli_interrupted(void)
{
    int number = atomic_load_explicit(&interrupted, memory_order_relaxed);
    return number ? 128 + number : 0;
}

void cli_signals_install(bool quiet)
{
    atomic_store(&silent, quiet);
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old, action;
        /* A parent that had it ignored (nohup, a background job of a script) means it. */
        if (sigaction(numbers[i], NULL, &old) != 0 || old.sa_handler == SIG_IGN) continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART; /* half-written files would be worse than a late answer */
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
}
