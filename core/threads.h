/* How many threads there are to use; private to core. */
#ifndef WG_CORE_THREADS_H
#define WG_CORE_THREADS_H

/* The most threads that one loop uses, whatever it is asked for. */
enum { WG__MAX_THREADS = 1024 };

/* As wg_default_threads, looked up afresh. */
int wg__threads_detect(void);
/* Whole CPUs that a quota leaves, from the text of cgroup v2's cpu.max ("150000 100000"): at least
 * 1; 0 for "max" and for anything else. */
int wg__threads_of_quota(const char *text);

#endif
