/* Elementwise kernels of i32 and u8: arithmetic (two's complement, wrapping), comparisons, logic;
 * selection and conversion of every dtype. Included by table.c. */

#define BINARY(name, T, out_type, expr)         \
    static void name(const wg_map *c)           \
    {                                           \
        const T *pa = c->in[0], *pb = c->in[1]; \
        out_type *py = c->out;                  \
        const int64_t n = c->n;                 \
        WG_SIMD for (int64_t i = 0; i < n; i++) \
        {                                       \
            const T a = pa[i], b = pb[i];       \
            py[i] = (out_type)(expr);           \
        }                                       \
    }
#define COMPARISONS(T, suffix)              \
    BINARY(eq_##suffix, T, uint8_t, a == b) \
    BINARY(ne_##suffix, T, uint8_t, a != b) \
    BINARY(lt_##suffix, T, uint8_t, a < b)  \
    BINARY(le_##suffix, T, uint8_t, a <= b) \
    BINARY(gt_##suffix, T, uint8_t, a > b)  \
    BINARY(ge_##suffix, T, uint8_t, a >= b)

BINARY(add_i32, int32_t, int32_t, (uint32_t)a + (uint32_t)b)
BINARY(sub_i32, int32_t, int32_t, (uint32_t)a - (uint32_t)b)
BINARY(mul_i32, int32_t, int32_t, (uint32_t)a *(uint32_t)b)
BINARY(min_i32, int32_t, int32_t, a < b ? a : b)
BINARY(max_i32, int32_t, int32_t, a > b ? a : b)
COMPARISONS(int32_t, i32)
COMPARISONS(uint8_t, u8)
BINARY(logical_and_u8, uint8_t, uint8_t, (a != 0) & (b != 0))
BINARY(logical_or_u8, uint8_t, uint8_t, (a | b) != 0)

static void logical_not_u8(const wg_map *c)
{
    const uint8_t *px = c->in[0];
    uint8_t *py = c->out;
    const int64_t n = c->n;
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        py[i] = px[i] == 0;
    }
}

#define WHERE(T, suffix)                        \
    static void where_##suffix(const wg_map *c) \
    {                                           \
        const uint8_t *pm = c->in[0];           \
        const T *pa = c->in[1], *pb = c->in[2]; \
        T *py = c->out;                         \
        const int64_t n = c->n;                 \
        WG_SIMD for (int64_t i = 0; i < n; i++) \
        {                                       \
            const T a = pa[i], b = pb[i];       \
            py[i] = pm[i] != 0 ? a : b;         \
        }                                       \
    }
WHERE(float, f32)
WHERE(double, f64)
WHERE(int32_t, i32)
WHERE(uint8_t, u8)

/* Conversion to integers truncates and saturates; NaN gives 0. */
static inline int32_t to_i32(double x)
{
    return x >= 2147483647.0 ? INT32_MAX
                             : (x <= -2147483648.0 ? INT32_MIN : (x == x ? (int32_t)x : 0));
}

static inline uint8_t to_u8(double x)
{
    return x >= 255.0 ? UINT8_MAX : (x > 0.0 ? (uint8_t)x : 0);
}

#define CAST_LOOP(From, To, expr)         \
    do {                                  \
        const From *px = c->in[0];        \
        To *py = c->out;                  \
        for (int64_t i = 0; i < n; i++) { \
            const From x = px[i];         \
            py[i] = (To)(expr);           \
        }                                 \
    } while (0)
#define CAST(From, suffix)                                       \
    static void cast_##suffix(const wg_map *c)                   \
    {                                                            \
        const int64_t n = c->n;                                  \
        switch (c->out_dtype) {                                  \
        case WG_F32: CAST_LOOP(From, float, x); break;           \
        case WG_F64: CAST_LOOP(From, double, x); break;          \
        case WG_I32: CAST_LOOP(From, int32_t, to_i32(x)); break; \
        case WG_U8: CAST_LOOP(From, uint8_t, to_u8(x)); break;   \
        }                                                        \
    }
CAST(float, f32)
CAST(double, f64)
CAST(int32_t, i32)
CAST(uint8_t, u8)

#undef BINARY
#undef COMPARISONS
#undef WHERE
#undef CAST_LOOP
#undef CAST
