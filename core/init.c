/* Initialisers: every gate of a parameter is a matrix of its own.
 *
 * The last axis is `gates` equal blocks; a block's columns are what a gate's product gives (fan
 * out), its rows all axes in front of the last (fan in). A vector counts as one row. */
#include "init.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include <lapacke.h>

#include <wengert/parallel.h>
#include <wengert/rng.h>

wg_status wg__init_check(const char *name, const wg_shape *shape, const wg_init *init,
                         wg_error *err)
{
    int gates = init->gates ? init->gates : 1;
    int64_t last = shape->rank ? shape->dim[shape->rank - 1] : 1;
    if ((int)init->kind < WG_INIT_CONSTANT || init->kind > WG_INIT_ORTHOGONAL)
        return wg_error_set(err, WG_EINVAL, "parameter '%s': no initialiser has number %d", name,
                            (int)init->kind);
    if (gates < 1 || gates > WG_MAX_GATES)
        return wg_error_set(err, WG_EINVAL, "parameter '%s': %d gates are not within 1..%d", name,
                            gates, WG_MAX_GATES);
    if (last % gates != 0)
        return wg_error_set(err, WG_ESHAPE,
                            "parameter '%s': a last axis of %" PRId64 " is not %d equal gates",
                            name, last, gates);
    if (init->gate_mask >> gates)
        return wg_error_set(err, WG_EINVAL,
                            "parameter '%s': gate_mask names gates past the %d there "
                            "are",
                            name, gates);
    if (!isfinite(init->a) || !isfinite(init->b))
        return wg_error_set(err, WG_EINVAL,
                            "parameter '%s': initialiser with a number that is not finite", name);
    for (int g = 0; g < gates; g++)
        if ((init->gate_mask >> g & 1) && !isfinite(init->gate_value[g]))
            return wg_error_set(err, WG_EINVAL,
                                "parameter '%s': the value of gate %d is not finite", name, g);
    if (init->kind == WG_INIT_NORMAL && init->b < 0)
        return wg_error_set(err, WG_EINVAL, "parameter '%s': a negative standard deviation", name);
    return WG_OK;
}

/* One gate: rows x columns inside rows of `stride` elements. */
typedef struct block {
    wg_tensor *tensor;
    int64_t first, rows, columns, stride;
} block;

static void put(const block *b, int64_t row, int64_t column, double value)
{
    wg_tensor_set(b->tensor, b->first + row * b->stride + column, value);
}

static void fill_constant(const block *b, double value)
{
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->columns; j++) put(b, i, j, value);
}

static void fill_uniform(const block *b, wg_rng *rng, double low, double high)
{
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->columns; j++)
            put(b, i, j, low + (high - low) * wg_rng_uniform(rng));
}

static void fill_normal(const block *b, wg_rng *rng, double mean, double deviation)
{
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->columns; j++)
            put(b, i, j, mean + deviation * wg_rng_normal(rng));
}

/* Q of the QR decomposition of a normal matrix, columns multiplied by the signs of R's diagonal:
 * that makes it uniform among all orthogonal matrices (Mezzadri 2007, sec. 5). A wide block is the
 * transpose of a tall one: its rows are orthonormal. */
static wg_status fill_orthogonal(const char *name, const block *b, wg_rng *rng, double gain,
                                 wg_error *err)
{
    bool wide = b->rows < b->columns;
    int64_t m = wide ? b->columns : b->rows, n = wide ? b->rows : b->columns;
    if (n == 0) return WG_OK;
    if (m > INT_MAX / 64 || m * n > PTRDIFF_MAX / 16)
        return wg_error_set(err, WG_ELIMIT, "parameter '%s': too large for an orthogonal matrix",
                            name);
    enum { BLOCK = 64 }; /* columns that LAPACK works on at once */
    size_t elements = (size_t)(m * n), work_size = (size_t)n * BLOCK;
    double *a = wg_reallocarray(NULL, elements, sizeof *a);
    double *tau = wg_reallocarray(NULL, (size_t)n * 2, sizeof *tau);
    double *work = wg_reallocarray(NULL, work_size, sizeof *work);
    wg_status status = WG_OK;
    if (!a || !tau || !work) {
        status = wg_error_set(err, WG_ENOMEM, "parameter '%s': out of memory", name);
        goto done;
    }
    double *sign = tau + n;
    for (size_t i = 0; i < elements; i++) a[i] = wg_rng_normal(rng);
    lapack_int rows = (lapack_int)m, columns = (lapack_int)n, ws = (lapack_int)work_size;
    /* By one thread: more would wait for each other at every column, and parameters of a seed would
     * depend on the number of cores. */
    int before = wg_library_threads_enter(1);
    lapack_int info = LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, rows, columns, a, rows, tau, work, ws);
    for (int64_t j = 0; j < n; j++) sign[j] = a[j * m + j] < 0 ? -1 : 1;
    if (info == 0)
        info =
            LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, rows, columns, columns, a, rows, tau, work, ws);
    wg_library_threads_leave(before);
    if (info != 0) {
        status = wg_error_set(err, WG_EINTERNAL, "parameter '%s': QR failed (LAPACK says %d)", name,
                              (int)info);
        goto done;
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            double value = gain * sign[j] * a[j * m + i];
            if (wide)
                put(b, j, i, value);
            else
                put(b, i, j, value);
        }
done:
    wg_free(work);
    wg_free(tau);
    wg_free(a);
    return status;
}

static wg_status fill_block(const char *name, const wg_init *init, const block *b, wg_rng *rng,
                            wg_error *err)
{
    double fans = (double)b->rows + (double)b->columns;
    double gain = init->a == 0 ? 1 : init->a;
    switch (init->kind) {
    case WG_INIT_CONSTANT: fill_constant(b, init->a); break;
    case WG_INIT_UNIFORM: fill_uniform(b, rng, init->a, init->b); break;
    case WG_INIT_NORMAL: fill_normal(b, rng, init->a, init->b); break;
    case WG_INIT_XAVIER_UNIFORM: {
        double bound = gain * sqrt(6 / fans);
        fill_uniform(b, rng, -bound, bound);
        break;
    }
    case WG_INIT_XAVIER_NORMAL: fill_normal(b, rng, 0, gain * sqrt(2 / fans)); break;
    case WG_INIT_ORTHOGONAL: return fill_orthogonal(name, b, rng, gain, err);
    }
    return WG_OK;
}

wg_status wg__init_fill(const char *name, const wg_init *init, uint64_t seed, wg_tensor *tensor,
                        wg_error *err)
{
    wg_shape shape = wg_tensor_shape(tensor);
    int64_t count = wg_tensor_count(tensor);
    if (count == 0) return WG_OK;
    int gates = init->gates ? init->gates : 1;
    int64_t last = shape.rank ? shape.dim[shape.rank - 1] : 1;
    wg_rng rng;
    wg_rng_init(&rng, seed, name);
    for (int g = 0; g < gates; g++) {
        block b = {.tensor = tensor,
                   .first = g * (last / gates),
                   .rows = count / last,
                   .columns = last / gates,
                   .stride = last};
        if (init->gate_mask >> g & 1) {
            fill_constant(&b, init->gate_value[g]);
            continue;
        }
        wg_status status = fill_block(name, init, &b, &rng, err);
        if (status) return status;
    }
    return WG_OK;
}
