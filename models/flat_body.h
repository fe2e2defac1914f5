/* The passes of flat.c in one dtype: included once for each, with T, ROOT and NAME(x) defined. */

static inline T NAME(clipped)(T g, T scale, T limit)
{
    T x = g * scale;
    x = x < -limit ? -limit : x; /* NaN stays NaN */
    return x > limit ? limit : x;
}

/* Without a limit the factor waits until the end: that leaves a load, a conversion, a product and
 * a sum an element, which keep up with memory. */
static void NAME(squares)(const T *g, int64_t n, const wg__flat_grad *grad, wg__flat_sums *sums)
{
    double sum[16];
    for (int k = 0; k < 16; k++) sum[k] = sums->plain[k];
    for (int64_t i = 0; i < n; i += 16)
        for (int k = 0; k < 16; k++) sum[k] += (double)g[i + k] * (double)g[i + k];
    for (int k = 0; k < 16; k++) sums->plain[k] = sum[k];
    if (!(grad->limit < (double)INFINITY)) return;
    /* A block of the arena is at hand still: memory is read once. */
    const T scale = (T)grad->scale, limit = (T)grad->limit;
    for (int k = 0; k < 16; k++) sum[k] = sums->clipped[k];
    for (int64_t i = 0; i < n; i += 16)
        for (int k = 0; k < 16; k++) {
            const double x = (double)NAME(clipped)(g[i + k], scale, limit);
            sum[k] += x * x;
        }
    for (int k = 0; k < 16; k++) sums->clipped[k] = sum[k];
}

static bool NAME(any)(const T *g, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++)
        if (g[i] != 0) return true;
    return false;
}

static void NAME(sgd)(const wg__flat_update *u, int64_t begin, int64_t end)
{
    T *restrict w = u->w;
    const T *restrict g = u->g;
    const T scale = (T)u->grad.scale, limit = (T)u->grad.limit, factor = (T)u->grad.factor;
    const T lr = (T)u->lr, keep = (T)u->keep;
    for (int64_t i = begin; i < end; i++)
        w[i] = keep * w[i] - lr * (NAME(clipped)(g[i], scale, limit) * factor);
}

static void NAME(momentum)(const wg__flat_update *u, int64_t begin, int64_t end)
{
    T *restrict w = u->w, *restrict m = u->m;
    const T *restrict g = u->g;
    const T scale = (T)u->grad.scale, limit = (T)u->grad.limit, factor = (T)u->grad.factor;
    const T lr = (T)u->lr, keep = (T)u->keep, mu = (T)u->momentum;
    const T ahead = u->nesterov ? mu : 1, now = u->nesterov ? 1 : 0;
    for (int64_t i = begin; i < end; i++) {
        T x = NAME(clipped)(g[i], scale, limit) * factor;
        T next = mu * m[i] + x;
        m[i] = next;
        w[i] = keep * w[i] - lr * (now * x + ahead * next);
    }
}

static void NAME(adam)(const wg__flat_update *u, int64_t begin, int64_t end)
{
    T *restrict w = u->w, *restrict m = u->m, *restrict v = u->v;
    const T *restrict g = u->g;
    const T scale = (T)u->grad.scale, limit = (T)u->grad.limit, factor = (T)u->grad.factor;
    const T keep = (T)u->keep, step = (T)(u->lr * u->correct1);
    const T b1 = (T)u->beta1, b2 = (T)u->beta2, eps = (T)u->epsilon;
    const T a1 = (T)(1 - u->beta1), a2 = (T)(1 - u->beta2), correct2 = (T)u->correct2;
    for (int64_t i = begin; i < end; i++) {
        T x = NAME(clipped)(g[i], scale, limit) * factor;
        T first = b1 * m[i] + a1 * x;
        T second = b2 * v[i] + a2 * (x * x);
        m[i] = first;
        v[i] = second;
        w[i] = keep * w[i] - step * first / (ROOT(second) * correct2 + eps);
    }
}
