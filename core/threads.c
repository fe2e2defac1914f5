/* The default number of threads: asked for, or what the system leaves to this process. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <wengert/parallel.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "threads.h"

/* A whole number in 1..WG__MAX_THREADS at the start of text (OMP_NUM_THREADS may be a list, "4,2");
 * 0 when there is none. */
static int leading_count(const char *text)
{
    if (!text) return 0;
    while (*text == ' ' || *text == '\t') text++;
    long value = 0;
    int digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++)
        if (value <= WG__MAX_THREADS) value = value * 10 + (*text - '0');
    while (*text == ' ' || *text == '\t') text++;
    if (digits == 0 || value == 0 || (*text != '\0' && *text != ',')) return 0;
    return value > WG__MAX_THREADS ? WG__MAX_THREADS : (int)value;
}

int wg__threads_of_quota(const char *text)
{
    long long quota, period;
    if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0) return 0;
    /* Rounded down: threads that wait for each other are slowed by the one that is throttled. */
    long long whole = quota / period;
    if (whole < 1) whole = 1;
    return whole > WG__MAX_THREADS ? WG__MAX_THREADS : (int)whole;
}

/* First line of a file; false when it cannot be read. */
static bool first_line(const char *path, char *buf, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool got = fgets(buf, (int)size, file) != NULL;
    fclose(file);
    if (got) buf[strcspn(buf, "\n")] = '\0';
    return got;
}

/* The tightest quota of this process's cgroup and those above it (v2, else v1); 0 = none. */
static int of_cgroups(void)
{
    char group[1024] = "", path[1200], text[128];
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file) {
        char line[1024];
        while (fgets(line, sizeof line, file))
            if (strncmp(line, "0::", 3) == 0) {
                line[strcspn(line, "\n")] = '\0';
                snprintf(group, sizeof group, "%s", line + 3);
            }
        fclose(file);
    }
    int least = 0;
    for (;;) {
        size_t length = strlen(group);
        while (length > 0 && group[length - 1] == '/') group[--length] = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        int count = first_line(path, text, sizeof text) ? wg__threads_of_quota(text) : 0;
        if (count && (!least || count < least)) least = count;
        char *slash = strrchr(group, '/');
        if (!slash) break;
        *slash = '\0';
    }
    if (least) return least;
    char period[64];
    if (!first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof period) ||
        !first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period))
        return 0;
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, " %s", period);
    return wg__threads_of_quota(text);
}

/* CPUs that this process may run on. */
static int of_affinity(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        if (count > 0) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than cpu_set_t holds */
    return online > 0 && online < WG__MAX_THREADS ? (int)online : 1;
}

int wg__threads_detect(void)
{
    int count = leading_count(getenv("WENGERT_THREADS"));
    if (count) return count;
    count = leading_count(getenv("OMP_NUM_THREADS"));
    if (count) return count;
    count = of_affinity();
    int quota = of_cgroups();
    if (quota && quota < count) count = quota;
    return count > WG__MAX_THREADS ? WG__MAX_THREADS : count;
}

static int detected;

static void detect(void)
{
    detected = wg__threads_detect();
}

int wg_default_threads(void)
{
    /* Looked up once: loops ask for it, and neither the environment nor the quota should change the
     * bits of a run half-way. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, detect);
    return detected;
}
