/* "did you mean": the nearest name by edit distance. */
#include "internal.h"

#include <limits.h>
#include <string.h>

#define LONGEST 64

/* Damerau's distance in its restricted form (insertion, deletion, substitution, swap of
 * neighbours); words longer than LONGEST count as far from everything. */
static int distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return INT_MAX;
    int row[3][LONGEST + 1];
    int *before = row[0], *last = row[1], *now = row[2];
    for (size_t j = 0; j <= m; j++) last[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        int *spare = before;
        before = last, last = now, now = spare;
    }
    return last[m];
}

void cli_nearest_try(cli_nearest *n, const char *word, const char *candidate)
{
    int d = distance(word, candidate);
    size_t length = strlen(word);
    /* What was typed may be the beginning of the name, or a third of its letters may be wrong. */
    if (length >= 2 && strncmp(word, candidate, length) == 0) d = 1;
    size_t allowed = length < 3 ? 1 : (length + 2) / 3;
    if (d == INT_MAX || d > (int)allowed) return;
    if (!n->best || d < n->distance) {
        n->best = candidate;
        n->distance = d;
    }
}

const char *cli_nearest_text(const cli_nearest *n, const char *prefix, char *buf, size_t size)
{
    if (n->best)
        snprintf(buf, size, " (did you mean '%s%s'?)", prefix, n->best);
    else if (size)
        buf[0] = '\0';
    return buf;
}
