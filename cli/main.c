/* The program: everything of the tool is in cli_main, so that tests can link it without a main.
 * Here is only what belongs to a process: how threads wait. */
#include "internal.h"

#include <stdlib.h>
#include <unistd.h>

/* Threads of an OpenMP team spin while they wait. On a machine that does anything else beside, a
 * thread that waits so keeps from its core the one it waits for: two threads were measured 5 to 12
 * times slower than one. OpenMP reads its settings before main, so the only way to have other
 * defaults is to start anew with them; whoever sets either variable is left alone. */
static void wait_without_spinning(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("OMP_WAIT_POLICY", "passive", 1) == 0) execv("/proc/self/exe", argv);
    /* Where that cannot be (no /proc), threads spin. */
}

int main(int argc, char **argv)
{
    wait_without_spinning(argv);
    return cli_main(argc, argv);
}
