/* What the tests of the pass "pair gradients" share: tensors, compiling with a look at the
 * listings, and comparing bits. */
#ifndef WG_TESTS_PAIR_SUPPORT_H
#define WG_TESTS_PAIR_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/op.h>
#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>

static inline wg_tensor *new_tensor(wg_dtype dtype, wg_shape shape)
{
    wg_tensor *t;
    wg_error err;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    return t;
}

static inline wg_tensor *uniform(wg_dtype dtype, wg_shape shape, wg_rng *rng)
{
    wg_tensor *t = new_tensor(dtype, shape);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, 6 * wg_rng_uniform(rng) - 3);
    return t;
}

/* Keeps the listing after the pass, and that after the last pass. */
typedef struct listing {
    char paired[20000], last[20000];
} listing;

static inline void keep(void *user, const char *pass, const char *text)
{
    listing *l = user;
    if (strcmp(pass, "pair gradients") == 0) snprintf(l->paired, sizeof l->paired, "%s", text);
    if (strcmp(pass, "fuse") == 0) snprintf(l->last, sizeof l->last, "%s", text);
}

static inline int occurrences(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

/* Compiles, and runs twice: what a run leaves behind does not change the next. Returns how many
 * pairs were made. */
static inline int compiled(const wg_var *out, int n_out, wg_compile_options o, wg_program **p,
                           char *listed, size_t size)
{
    static listing l;
    wg_error err = {WG_OK, ""};
    memset(&l, 0, sizeof l);
    o.size = sizeof o;
    o.trace = keep;
    o.trace_user = &l;
    WGT_OK(wg_compile(out, n_out, &o, p, &err), &err);
    for (int i = 0; i < 2; i++) WGT_OK(wg_program_run(*p, &err), &err);
    if (listed) snprintf(listed, size, "%s", l.last);
    return occurrences(l.paired, " = cross_entropy_pair(");
}

static inline bool same_bits(const wg_tensor *a, const wg_tensor *b, int64_t *at)
{
    size_t esize = wg_dtype_size(wg_tensor_dtype(a));
    const char *x = wg_tensor_cdata(a), *y = wg_tensor_cdata(b);
    for (int64_t i = 0; i < wg_tensor_count(a); i++) {
        *at = i;
        if (memcmp(x + (size_t)i * esize, y + (size_t)i * esize, esize) != 0 &&
            !(isnan(wg_tensor_get(a, i)) && isnan(wg_tensor_get(b, i))))
            return false;
    }
    return true;
}

#endif
