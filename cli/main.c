/* The program: everything of the tool is in cli_main, so that tests can link it without a main.
 * Here is only what belongs to a process: how threads wait. */
#include "internal.h"

#include <stdlib.h>
#include <unistd.h>

/* Threads of an OpenMP team spin while they wait, by default for milliseconds. Where anything else
 * runs, a thread that waits so keeps from its core the one it waits for; threads that sleep at once
 * are woken thousands of times a second. Some 50 microseconds of spinning (2000 pauses, AMD Zen 3)
 * outlast most waits inside a training step and cost little beside others. A step of a small LSTM
 * on two cores, ms, alone and beside two busy programs: spinning 59 and 189, sleeping 84 and 104,
 * so 60 and 124.
 *
 * OpenMP reads its settings before main, so the only way to have other defaults is to start anew
 * with them; whoever sets either variable is left alone. The second is GNU's, for which it
 * overrides the first. */
static void spin_briefly(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("OMP_WAIT_POLICY", "passive", 1) == 0 && setenv("GOMP_SPINCOUNT", "2000", 1) == 0)
        execv("/proc/self/exe", argv);
    /* Where that cannot be (no /proc), threads spin. */
}

int main(int argc, char **argv)
{
    spin_briefly(argv);
    return cli_main(argc, argv);
}
