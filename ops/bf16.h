/* Products with operands in bf16: the upper half of an f32, 8 bits of mantissa. */
#ifndef WG_OPS_BF16_H
#define WG_OPS_BF16_H

#include "ops_internal.h"

/* x rounded to nearest even; what is too large becomes an infinity, a NaN a quiet NaN of its sign.
 */
uint16_t wg__bf16_of(float x);
/* The elements of an f32 view in order of their indices, dense. */
void wg__bf16_convert(const wg_view *in, uint16_t *out, int threads);

/* c[m,n] = op(a) op(b) by oneDNN's matmul primitive; a and b dense, of bf16, or (to check the
 * calling of the library where the CPU has no bf16) of f32; c dense f32. The library's working
 * memory is the caller's: as many bytes as the second function says (0: no such primitive). ENOTSUP
 * where oneDNN has none for this CPU. */
typedef struct wg__primitive_product {
    bool bf16, trans_a, trans_b;
    int64_t m, n, k;
    const void *a, *b;
    float *c;
    void *scratchpad;
    size_t scratchpad_size;
} wg__primitive_product;
wg_status wg__primitive_run(const wg__primitive_product *p, int threads, wg_error *err);
size_t wg__primitive_scratchpad(const wg__primitive_product *p, int threads);

/* wg_op.bf16 of matmul. */
extern const wg_op wg__op_matmul_bf16;
/* packed.c: wg_op.packing of it, and the bytes of its result: the elements of b in bf16. */
bool wg__bf16_packing(const wg_type *a, const wg_type *b, const void *attr, int64_t uses, int isa,
                      wg_packing *out);
/* The product that takes a packed right operand. */
extern const wg_op wg__op_matmul_bf16_packed;

#endif
