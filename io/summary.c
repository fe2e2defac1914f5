/* Figures of a tensor: two passes, so that the standard deviation of large means is right. */
#include <wengert/tensorfile.h>

#include <math.h>
#include <string.h>

void wg_tensor_summary(const wg_tensor *t, wg_summary *out)
{
    int64_t n = wg_tensor_count(t), finite = 0;
    wg_summary s = {.count = n, .min = NAN, .max = NAN, .mean = NAN, .std = NAN};
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = wg_tensor_get(t, i);
        s.nan += isnan(x) != 0;
        s.inf += isinf(x) != 0;
        s.zeros += x == 0;
        if (!isfinite(x)) continue;
        if (finite == 0 || x < s.min) s.min = x;
        if (finite == 0 || x > s.max) s.max = x;
        finite++;
        sum += x;
    }
    if (finite > 0) {
        s.mean = sum / (double)finite;
        for (int64_t i = 0; i < n; i++) {
            double x = wg_tensor_get(t, i) - s.mean;
            if (isfinite(x)) squares += x * x;
        }
        s.std = sqrt(squares / (double)finite);
    }
    *out = s;
}

void wg_tensor_histogram(const wg_tensor *t, const wg_summary *s, int bins, int64_t *count)
{
    if (bins < 1) return;
    memset(count, 0, (size_t)bins * sizeof *count);
    /* Halves: the difference of two finite numbers need not be finite. */
    double width = s->max / 2 - s->min / 2;
    for (int64_t i = 0; i < wg_tensor_count(t); i++) {
        double x = wg_tensor_get(t, i);
        if (!isfinite(x)) continue;
        double place = width > 0 ? (x / 2 - s->min / 2) / width * bins : 0;
        int k = place >= bins ? bins - 1 : place > 0 ? (int)place : 0;
        count[k]++;
    }
}
