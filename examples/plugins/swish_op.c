/* An op as a plugin: swish, y = x s(x) (Ramachandran et al. 2017, also called SiLU).
 *
 *     cc -std=c17 -O2 -fPIC -shared $(pkg-config --cflags wengert) -o swish_op.so swish_op.c -lm
 *     wengert gradcheck --plugin ./swish_op.so --op example.swish
 *
 * An op is one constant table: traits, a shape rule, a kernel, a VJP rule. This one is a map
 * (elementwise), so the compiler fuses it with its neighbours. Names of a plugin's ops begin with a
 * word of its own and a dot. */
#define WENGERT_PLUGIN
#include <wengert.h>

#include <math.h>

static wg_status infer(wg_infer *c)
{
    if (c->in[0].dtype != WG_F32 && c->in[0].dtype != WG_F64)
        return wg_infer_fail(c, WG_EDTYPE, "takes f32 or f64, not %s",
                             wg_dtype_name(c->in[0].dtype));
    c->out[0] = c->in[0];
    return WG_OK;
}

/* c->n elements; out may be the same memory as in. */
static void map(const wg_map *c)
{
    if (c->dtype == WG_F32) {
        const float *x = c->in[0];
        float *y = c->out;
        for (int64_t i = 0; i < c->n; i++) y[i] = x[i] / (1 + expf(-x[i]));
    } else {
        const double *x = c->in[0];
        double *y = c->out;
        for (int64_t i = 0; i < c->n; i++) y[i] = x[i] / (1 + exp(-x[i]));
    }
}

/* y' = s(x) + y (1 - s(x)), written with public ops, so that it has derivatives in its turn. */
static void vjp(wg_vjp *c)
{
    wg_var s = wg_sigmoid(wg_vjp_in(c, 0));
    wg_var slope = wg_add(s, wg_mul(wg_vjp_out(c, 0), wg_one_minus(s)));
    wg_vjp_add(c, 0, wg_mul(wg_vjp_grad(c, 0), slope));
}

static const wg_op swish = {
    .size = sizeof(wg_op),
    .name = "example.swish",
    .version = 1,
    .traits = WG_OP_MAP | WG_OP_INPLACE,
    .n_in = 1,
    .n_out = 1,
    .infer = infer,
    .vjp = vjp,
    .map = map,
    .doc = "y = x s(x)",
};

static wg_status register_swish(wg_error *err)
{
    return wg_register_op(&swish, err);
}
WG_PLUGIN_MAIN(swish_op, register_swish);
