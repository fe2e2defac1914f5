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

static double FN(row_max)(const void *row, int64_t n)
{
    const T *x = row;
    T max = (T)-INFINITY;
    int64_t i = 0;
    int nan = 0;
    if (n >= LANES) {
        /* Four, since a comparison and a choice take as many cycles. */
        VEC best[4];
        MASK bad[4] = {{0}, {0}, {0}, {0}};
        for (int k = 0; k < 4; k++) memcpy(&best[k], x, sizeof best[k]);
        for (; i + 4 * LANES <= n; i += 4 * LANES)
            for (int k = 0; k < 4; k++) {
                VEC v;
                memcpy(&v, x + i + k * LANES, sizeof v);
                const MASK larger = v > best[k];
                best[k] = (VEC)((larger & (MASK)v) | (~larger & (MASK)best[k]));
                bad[k] |= v != v;
            }
        for (; i + LANES <= n; i += LANES) {
            VEC v;
            memcpy(&v, x + i, sizeof v);
            const MASK larger = v > best[0];
            best[0] = (VEC)((larger & (MASK)v) | (~larger & (MASK)best[0]));
            bad[0] |= v != v;
        }
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < LANES; j++) {
                max = best[k][j] > max ? best[k][j] : max;
                nan |= bad[k][j] != 0;
            }
    }
    for (; i < n; i++) {
        max = x[i] > max ? x[i] : max;
        nan |= x[i] != x[i];
    }
    return nan ? (double)NAN : (double)max;
}

/* For x <= m. y may be NULL: then only the sum is wanted. Stays in blocks of the stack buffer, so
 * that the vectorised exponentials and the sum in fixed order are two plain loops. */
static double FN(exp_sub)(const T *x, T m, T *y, int64_t n)
{
    T block[WG_ROW_PIECE];
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += WG_ROW_PIECE) {
        const int64_t count = n - begin < WG_ROW_PIECE ? n - begin : WG_ROW_PIECE;
        T *out = y ? y + begin : block;
        const T *in = x + begin;
        MATH_LOOP for (int64_t i = 0; i < count; i++)
        {
            out[i] = M(exp_below)(in[i] - m);
        }
        sum += (double)FN(block_sum)(out, count);
    }
    return sum;
}

static double FN(row_sumexp)(const void *x, double m, int64_t n)
{
    return FN(exp_sub)(x, (T)m, NULL, n);
}

static double FN(exp_sub_row)(const void *x, double m, void *y, int64_t n)
{
    return FN(exp_sub)(x, (T)m, y, n);
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
    const double sum = FN(exp_sub)(row, (T)m, y, n);
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
    const T l = (T)log(FN(exp_sub)(x, m, NULL, n));
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        y[i] = (x[i] - m) - l;
    }
}
