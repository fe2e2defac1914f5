/* Template: kernels over one row of a floating dtype (parameters as map_float.h, and VEC, the
 * vector type of LANES elements, with MASK, that of its comparisons).
 *
 * Sums run in lanes of partial sums, blocks of WG_ROW_BLOCK elements are added in f64: the order
 * is fixed for a given n and ISA, and the error does not grow with long rows. */

/* Sum of expr over x[0..n). Four accumulators, since an addition takes that many cycles. */
#define LANE_SUM(name, expr)                         \
    static T FN(name)(const T *x, int64_t n)         \
    {                                                \
        VEC a = {0}, b = {0}, c = {0}, d = {0}, v;   \
        int64_t i = 0;                               \
        for (; i + 4 * LANES <= n; i += 4 * LANES) { \
            memcpy(&v, x + i, sizeof v);             \
            a += expr(v);                            \
            memcpy(&v, x + i + LANES, sizeof v);     \
            b += expr(v);                            \
            memcpy(&v, x + i + 2 * LANES, sizeof v); \
            c += expr(v);                            \
            memcpy(&v, x + i + 3 * LANES, sizeof v); \
            d += expr(v);                            \
        }                                            \
        for (; i + LANES <= n; i += LANES) {         \
            memcpy(&v, x + i, sizeof v);             \
            a += expr(v);                            \
        }                                            \
        a = (a + b) + (c + d);                       \
        T sum = 0;                                   \
        for (int j = 0; j < LANES; j++) sum += a[j]; \
        for (; i < n; i++) sum += expr(x[i]);        \
        return sum;                                  \
    }
#define IDENTITY(v) (v)
#define SQUARED(v) ((v) * (v))
LANE_SUM(block_sum, IDENTITY)
LANE_SUM(block_sumsq, SQUARED)
#undef LANE_SUM
#undef IDENTITY
#undef SQUARED

#define BLOCKED(name, block)                                                              \
    static double FN(name)(const void *row, int64_t n)                                    \
    {                                                                                     \
        const T *x = row;                                                                 \
        double sum = 0;                                                                   \
        for (int64_t i = 0; i < n; i += WG_ROW_BLOCK)                                     \
            sum += (double)FN(block)(x + i, n - i < WG_ROW_BLOCK ? n - i : WG_ROW_BLOCK); \
        return sum;                                                                       \
    }
BLOCKED(row_sum, block_sum)
BLOCKED(row_sumsq, block_sumsq)
#undef BLOCKED

static double FN(row_dot)(const void *row_a, const void *row_b, int64_t n)
{
    const T *a = row_a, *b = row_b;
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += WG_ROW_BLOCK) {
        const int64_t end = n - begin < WG_ROW_BLOCK ? n : begin + WG_ROW_BLOCK;
        VEC acc = {0};
        int64_t i = begin;
        for (; i + LANES <= end; i += LANES) {
            VEC v, w;
            memcpy(&v, a + i, sizeof v);
            memcpy(&w, b + i, sizeof w);
            acc += v * w;
        }
        T part = 0;
        for (int j = 0; j < LANES; j++) part += acc[j];
        for (; i < end; i++) part += a[i] * b[i];
        sum += (double)part;
    }
    return sum;
}

static void FN(row_axpy)(double factor, const void *row_x, void *row_y, int64_t n)
{
    const T *x = row_x;
    T *y = row_y;
    const T a = (T)factor;
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        y[i] += a * x[i];
    }
}

/* Eight rows at a time: y is read and written once for all of them, and memory is read as fast as
 * it comes, as long as rows are long enough to be fetched ahead. */
static void FN(add_rows)(const void *rows_x, int64_t stride, int64_t rows, void *row_y, int64_t n)
{
    const T *x = rows_x;
    T *y = row_y;
    int64_t j = 0;
    for (; j + 8 <= rows; j += 8, x += 8 * stride) {
        const T *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride, *x4 = x3 + stride;
        const T *x5 = x4 + stride, *x6 = x5 + stride, *x7 = x6 + stride;
        WG_SIMD for (int64_t i = 0; i < n; i++)
        {
            const T four = (((y[i] + x[i]) + x1[i]) + x2[i]) + x3[i];
            y[i] = (((four + x4[i]) + x5[i]) + x6[i]) + x7[i];
        }
    }
    for (; j < rows; j++, x += stride) {
        WG_SIMD for (int64_t i = 0; i < n; i++)
        {
            y[i] += x[i];
        }
    }
}

/* Whether x has a NaN, given the sum of 0 x, which is a NaN for infinities, too. */
static int FN(has_nan)(VEC zero, const T *x, int64_t n)
{
    int nan = 0;
    T sum = 0;
    for (int j = 0; j < LANES; j++) sum += zero[j];
    if (sum == 0) return 0;
    for (int64_t i = 0; i < n; i++) nan |= x[i] != x[i];
    return nan;
}

/* Largest of x, or with `add` that of x + b, which goes to y; NaN when there is one. */
WG_INLINE double FN(largest)(const T *x, const T *b, T *y, int64_t n, int add)
{
    /* Four, since each waits for the one before it. */
    VEC best[4], zero[4], v, w, last = {0};
    T max = (T)-INFINITY, rest = 0;
    int64_t i = 0;
    WG_UNROLL for (int k = 0; k < 4; k++)
    {
        best[k] = (VEC){0} - (T)INFINITY;
        zero[k] = (VEC){0};
    }
#define LARGEST_OF(v, k)                  \
    do {                                  \
        best[k] = FN(larger)(v, best[k]); \
        zero[k] += (v)*0;                 \
    } while (0)
    /* Where n is no multiple, a last vector that begins earlier; read before y is written. */
    if (n >= LANES) {
        memcpy(&last, x + n - LANES, sizeof last);
        if (add) {
            memcpy(&w, b + n - LANES, sizeof w);
            last += w;
        }
        LARGEST_OF(last, 0);
    }
    for (; i + 4 * LANES <= n; i += 4 * LANES) WG_UNROLL for (int k = 0; k < 4; k++)
        {
            memcpy(&v, x + i + k * LANES, sizeof v);
            if (add) {
                memcpy(&w, b + i + k * LANES, sizeof w);
                v += w;
                memcpy(y + i + k * LANES, &v, sizeof v);
            }
            LARGEST_OF(v, k);
        }
    for (; i + LANES <= n; i += LANES) {
        memcpy(&v, x + i, sizeof v);
        if (add) {
            memcpy(&w, b + i, sizeof w);
            v += w;
            memcpy(y + i, &v, sizeof v);
        }
        LARGEST_OF(v, 1);
    }
#undef LARGEST_OF
    if (n >= LANES) {
        if (add) memcpy(y + n - LANES, &last, sizeof last);
        i = n;
    }
    for (; i < n; i++) {
        const T one = add ? x[i] + b[i] : x[i];
        if (add) y[i] = one;
        max = one > max ? one : max;
        rest += one * 0;
    }
    best[0] = FN(larger)(FN(larger)(best[0], best[1]), FN(larger)(best[2], best[3]));
    zero[0] = (zero[0] + zero[1]) + (zero[2] + zero[3]);
    for (int j = 0; j < LANES; j++) max = best[0][j] > max ? best[0][j] : max;
    return FN(has_nan)(zero[0] + rest, add ? y : x, n) ? (double)NAN : (double)max;
}

static double FN(row_max)(const void *x, int64_t n)
{
    return FN(largest)(x, NULL, NULL, n, 0);
}

static double FN(add_max_row)(const void *x, const void *b, void *y, int64_t n)
{
    return FN(largest)(x, b, y, n, 1);
}

/* The sum of e^(x - m) for x <= m, and with `store` y is what is summed. */
WG_INLINE double FN(exp_sub)(const T *x, T m, T *y, int64_t n, int store)
{
    const int64_t whole = n - n % LANES;
    VEC part, v, w, last = {0};
    double sum = 0;
    T total = 0;
    /* Where n is no multiple, a last vector that begins earlier; read before y is written. */
    if (n > LANES) memcpy(&last, x + n - LANES, sizeof last);
    for (int64_t i = 0; i < whole;) {
        const int64_t end = whole - i < WG_ROW_PIECE ? whole : i + WG_ROW_PIECE;
        part = (VEC){0};
        for (; i + 2 * LANES <= end; i += 2 * LANES) {
            memcpy(&v, x + i, sizeof v);
            memcpy(&w, x + i + LANES, sizeof w);
            v = FN(exp_below)(v - m);
            if (store) memcpy(y + i, &v, sizeof v);
            w = FN(exp_below)(w - m);
            if (store) memcpy(y + i + LANES, &w, sizeof w);
            part += v + w;
        }
        if (i < end) {
            memcpy(&v, x + i, sizeof v);
            v = FN(exp_below)(v - m);
            if (store) memcpy(y + i, &v, sizeof v);
            part += v;
            i = end;
        }
        total = 0;
        for (int j = 0; j < LANES; j++) total += part[j];
        sum += (double)total;
    }
    if (whole < n && n > LANES) {
        last = FN(exp_below)(last - m);
        if (store) memcpy(y + n - LANES, &last, sizeof last);
        total = 0;
        for (int j = 0; j < LANES; j++) total += j < LANES - (n - whole) ? 0 : last[j];
        return sum + (double)total;
    }
    for (int64_t i = whole; i < n; i++) {
        v = (VEC){0};
        v[0] = x[i];
        v = FN(exp_below)(v - m);
        if (store) y[i] = v[0];
        sum += (double)v[0];
    }
    return sum;
}

static double FN(row_sumexp)(const void *x, double m, int64_t n)
{
    return FN(exp_sub)(x, (T)m, NULL, n, 0);
}

static double FN(exp_sub_row)(const void *x, double m, void *y, int64_t n)
{
    return FN(exp_sub)(x, (T)m, y, n, 1);
}

/* y = factor y + term, and what comes out is added to sum where that is not NULL. */
static void FN(scale_add_row)(double factor, double term, void *row, void *row_sum, int64_t n)
{
    const T a = (T)factor, t = (T)term;
    T *y = row, *sum = row_sum;
    if (!sum) {
        WG_SIMD for (int64_t i = 0; i < n; i++)
        {
            y[i] = a * y[i] + t;
        }
        return;
    }
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        const T v = a * y[i] + t;
        y[i] = v;
        sum[i] += v;
    }
}

/* y *= factor */
static void FN(row_scale)(T factor, T *y, int64_t n)
{
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        y[i] *= factor;
    }
}

static void FN(softmax_row)(const void *row, void *out, int64_t n)
{
    T *y = out;
    const double m = FN(row_max)(row, n);
    if (m == -INFINITY) {
        for (int64_t i = 0; i < n; i++) y[i] = 0;
        return;
    }
    const double sum = FN(exp_sub_row)(row, m, y, n);
    FN(row_scale)((T)(1.0 / sum), y, n);
}

static void FN(softmax_masked_row)(const void *row, const uint8_t *mask, void *out, int64_t n)
{
    const T *x = row;
    T *y = out;
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        const T v = x[i];
        y[i] = mask[i] != 0 ? v : (T)-INFINITY;
    }
    FN(softmax_row)(y, y, n);
    /* a NaN among the entries kept makes the row NaN, but never those masked out */
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        const T v = y[i];
        y[i] = mask[i] != 0 ? v : (T)0;
    }
}

static void FN(log_softmax_row)(const void *row, void *out, int64_t n)
{
    const T *x = row;
    T *y = out;
    const T m = (T)FN(row_max)(row, n);
    const T l = (T)log(FN(row_sumexp)(x, (double)m, n));
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        y[i] = (x[i] - m) - l;
    }
}
