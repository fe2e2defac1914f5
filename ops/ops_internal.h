/* What the files of ops/ share: the list of every built-in op, the shape rules of elementwise ops,
 * and small helpers for VJP rules.
 *
 * An op NAME is the constant wg__op_NAME with external linkage, named once in a list below; from
 * these lists register.c makes the array that core registers. */
#ifndef WG_OPS_INTERNAL_H
#define WG_OPS_INTERNAL_H

#ifndef WG_BUILDING /* ops recorded by ops keep the place of the user's own call */
#define WG_BUILDING 1
#endif

#include <wengert/op.h>
#include <wengert/ops.h>

#include "kernels/kernels.h"

/* elementwise.c, elementwise_unary.c, elementwise_scalar.c, compare.c, random.c */
#define WG_OPS_ELEMENTWISE(X) \
    X(add)                    \
    X(sub)                    \
    X(mul)                    \
    X(div)                    \
    X(pow)                    \
    X(min)                    \
    X(max)                    \
    X(neg)                    \
    X(exp)                    \
    X(log)                    \
    X(sqrt)                   \
    X(square)                 \
    X(reciprocal)             \
    X(abs)                    \
    X(sigmoid)                \
    X(tanh)                   \
    X(relu)                   \
    X(softplus)               \
    X(gelu)                   \
    X(gelu_tanh)              \
    X(erf)                    \
    X(sin)                    \
    X(cos)                    \
    X(one_minus)              \
    X(sign)                   \
    X(leaky_relu)             \
    X(scale)                  \
    X(add_scalar)             \
    X(pow_scalar)             \
    X(clamp)                  \
    X(eq)                     \
    X(ne)                     \
    X(lt)                     \
    X(le)                     \
    X(gt)                     \
    X(ge)                     \
    X(logical_not)            \
    X(logical_and)            \
    X(logical_or)             \
    X(where)                  \
    X(lerp)                   \
    X(cast)

/* products, reductions, softmax, index and shape ops: added as each is defined */
#define WG_OPS_STRUCTURED(X) \
    X(matmul)                \
    X(sum)                   \
    X(max_over)              \
    X(logsumexp)             \
    X(sum_to)                \
    X(softmax)               \
    X(log_softmax)           \
    X(softmax_masked)        \
    X(cross_entropy)         \
    X(cross_entropy_grad)    \
    X(embedding)             \
    X(scatter_rows)          \
    X(gather)                \
    X(scatter_add)           \
    X(one_hot)               \
    X(argmax)                \
    X(top_k)                 \
    X(reverse)               \
    X(sequence_mask)         \
    X(pad_edge)              \
    X(fold_edge)             \
    X(reshape)               \
    X(slice)                 \
    X(split)                 \
    X(broadcast_to)          \
    X(transpose)             \
    X(concat)                \
    X(pad)

/* random.c */
#define WG_OPS_RANDOM(X) \
    X(random_uniform)    \
    X(dropout_mask)

#define WG_DECLARE_OP(name) extern const wg_op wg__op_##name;
WG_OPS_ELEMENTWISE(WG_DECLARE_OP)
WG_OPS_STRUCTURED(WG_DECLARE_OP)
WG_OPS_RANDOM(WG_DECLARE_OP)
#undef WG_DECLARE_OP

/* infer.c. Shape rules shared by families. A message says what was given; the recorder puts the
 * name of the op before it. */

/* WG_OK when the dtype of input i is in `mask`, else WG_EDTYPE ("takes f32 or f64, not i32"). */
wg_status wg__infer_dtype(wg_infer *c, int i, uint32_t mask);
/* WG_OK when inputs i and j have one dtype. */
wg_status wg__infer_same_dtype(wg_infer *c, int i, int j);
/* Shape of out[0] = all inputs broadcast together. */
wg_status wg__infer_broadcast(wg_infer *c);
/* One operand, same type out; all operands broadcast, same dtype out. */
wg_status wg__infer_unary_float(wg_infer *c);
wg_status wg__infer_broadcast_float(wg_infer *c);
wg_status wg__infer_broadcast_number(wg_infer *c); /* f32, f64, i32 */
/* Of ops that nobody records: passes put them into a graph. EINTERNAL. */
wg_status wg__infer_placed(wg_infer *c);

/* Defines the two ways to the kernel WG__K_<NAME> of a map: map_<id>, loop_<id>. */
#define WG_MAP_LOOP(NAME, id)                                  \
    static wg_map_fn loop_##id(wg_dtype dtype, int isa)        \
    {                                                          \
        return wg__kernels_for(isa)->map[WG__K_##NAME][dtype]; \
    }                                                          \
    static void map_##id(const wg_map *c)                      \
    {                                                          \
        loop_##id(c->dtype, c->isa)(c);                        \
    }

/* A number of v's dtype and tape that broadcasts to every shape. */
wg_var wg__number_like(wg_var v, double value);

/* Recording with 1, 2, 3 operands and no attributes. */
static inline wg_var wg__record1(const wg_op *op, wg_var x)
{
    return wg_record(op, &x, 1, NULL, 0);
}
static inline wg_var wg__record2(const wg_op *op, wg_var a, wg_var b)
{
    const wg_var in[] = {a, b};
    return wg_record(op, in, 2, NULL, 0);
}
static inline wg_var wg__record3(const wg_op *op, wg_var a, wg_var b, wg_var c)
{
    const wg_var in[] = {a, b, c};
    return wg_record(op, in, 3, NULL, 0);
}

#endif
