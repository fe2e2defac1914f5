/* Random words in bulk and what is made of them. Included by table.c.
 *
 * The words are those of wg_philox (Philox-4x32-10, Salmon et al. 2011, table 2), block by block;
 * the loop over blocks is one that compilers vectorise, which a call for each block is not. */

#define ROUND                                          \
    do {                                               \
        const uint64_t p0 = UINT64_C(0xd2511f53) * c0; \
        const uint64_t p1 = UINT64_C(0xcd9e8d57) * c2; \
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;           \
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;           \
        c1 = (uint32_t)p1;                             \
        c3 = (uint32_t)p0;                             \
        k0 += 0x9e3779b9u;                             \
        k1 += 0xbb67ae85u;                             \
    } while (0)

static void philox_blocks(const uint32_t counter[4], const uint32_t key[2], int64_t n,
                          uint32_t *out)
{
    const uint32_t first = counter[0], row = counter[1], time = counter[2], step = counter[3];
    const uint32_t key0 = key[0], key1 = key[1];
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        uint32_t c0 = first + (uint32_t)i, c1 = row, c2 = time, c3 = step;
        uint32_t k0 = key0, k1 = key1;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        ROUND;
        out[4 * i] = c0;
        out[4 * i + 1] = c1;
        out[4 * i + 2] = c2;
        out[4 * i + 3] = c3;
    }
}
#undef ROUND

static void uniform_f32(const uint32_t *word, const uint32_t *more, int64_t n, void *out)
{
    float *y = out;
    (void)more;
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        y[i] = (float)(int32_t)(word[i] >> 8) * 0x1p-24f;
    }
}

static void uniform_f64(const uint32_t *word, const uint32_t *more, int64_t n, void *out)
{
    double *y = out;
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        y[i] =
            (double)(int32_t)(word[i] >> 8) * 0x1p-24 + (double)(int32_t)(more[i] >> 3) * 0x1p-53;
    }
}

#define MASK_OF(T, suffix)                                                                         \
    static void random_mask_##suffix(const uint32_t *word, uint32_t least, double kept, int64_t n, \
                                     void *out)                                                    \
    {                                                                                              \
        T *y = out;                                                                                \
        const T k = (T)kept;                                                                       \
        const int32_t from = (int32_t)least;                                                       \
        WG_SIMD for (int64_t i = 0; i < n; i++)                                                    \
        {                                                                                          \
            y[i] = (int32_t)(word[i] >> 8) >= from ? k : (T)0;                                     \
        }                                                                                          \
    }
MASK_OF(float, f32)
MASK_OF(double, f64)
#undef MASK_OF
