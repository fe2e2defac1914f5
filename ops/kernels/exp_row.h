/* What row_float.h needs of vectors, for both dtypes: the larger of two, and the exponential of
 * numbers that are not above 0, as softmax has them. Included by table.c. */

WG_EXP_PARTS(vec_f32, vec)

static inline vec_f32 larger_f32(vec_f32 a, vec_f32 b)
{
    return wg__vec_max(a, b);
}

static inline vec_f64 larger_f64(vec_f64 a, vec_f64 b)
{
    const mask_f64 which = a > b;
    return (vec_f64)((which & (mask_f64)a) | (~which & (mask_f64)b));
}

/* e^x for x <= 0 (or NaN); 0.88 ulp. 2^n is 2^(n + 64) 2^-64, so that denormal results come out
 * right, and the second of these is in the coefficients. */
static inline vec_f32 exp_below_f32(vec_f32 x)
{
    const vec_f32 least = (vec_f32){0} - 120.0f;
    vec_f32 t;
    const vec_f32 r = wg__exp_reduce_vec(wg__vec_max(least, x), 127.0f + 64.0f, &t);
    return wg__exp_core_vec(r, 0x1p-64f) * (vec_f32)((mask_f32)t << 23);
}

static inline vec_f64 exp_below_f64(vec_f64 x)
{
    vec_f64 y;
    for (size_t j = 0; j < sizeof x / sizeof x[0]; j++) y[j] = exp(x[j]);
    return y;
}
