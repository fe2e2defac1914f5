/* Shape rules and helpers that the elementwise families share. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

wg_status wg__infer_dtype(wg_infer *c, int i, uint32_t mask)
{
    if (mask >> c->in[i].dtype & 1u) return WG_OK;
    char wanted[48];
    size_t used = 0;
    for (int d = 0; d < WG_DTYPES; d++) {
        if (!(mask >> d & 1u)) continue;
        const bool last = (mask >> d) == 1u;
        used +=
            (size_t)snprintf(wanted + used, sizeof wanted - used, "%s%s",
                             used == 0 ? "" : (last ? " or " : ", "), wg_dtype_name((wg_dtype)d));
    }
    return wg_infer_fail(c, WG_EDTYPE, "operand %d must be %s, not %s", i + 1, wanted,
                         wg_dtype_name(c->in[i].dtype));
}

wg_status wg__infer_same_dtype(wg_infer *c, int i, int j)
{
    if (c->in[i].dtype == c->in[j].dtype) return WG_OK;
    return wg_infer_fail(c, WG_EDTYPE, "dtypes differ: %s and %s (nothing is promoted; use cast)",
                         wg_dtype_name(c->in[i].dtype), wg_dtype_name(c->in[j].dtype));
}

wg_status wg__infer_broadcast(wg_infer *c)
{
    wg_shape shape = c->in[0].shape;
    for (int i = 1; i < c->n_in; i++) {
        wg_shape wider;
        if (!wg_shape_broadcast(&shape, &c->in[i].shape, &wider)) {
            char text[3][160] = {"", "", ""};
            for (int j = 0; j < c->n_in && j < 3; j++)
                wg_shape_format(&c->in[j].shape, text[j], sizeof text[j]);
            return wg_infer_fail(c, WG_ESHAPE, "shapes do not broadcast: %s%s%s%s%s", text[0],
                                 c->n_in > 2 ? ", " : " and ", text[1], c->n_in > 2 ? " and " : "",
                                 text[2]);
        }
        shape = wider;
    }
    c->out[0].shape = shape;
    return WG_OK;
}

static wg_status broadcast_of(wg_infer *c, uint32_t mask)
{
    wg_status status = wg__infer_dtype(c, 0, mask);
    for (int i = 1; i < c->n_in && status == WG_OK; i++) status = wg__infer_same_dtype(c, 0, i);
    if (status != WG_OK) return status;
    c->out[0].dtype = c->in[0].dtype;
    return wg__infer_broadcast(c);
}

wg_status wg__infer_broadcast_float(wg_infer *c)
{
    return broadcast_of(c, WG_FLOATS);
}

wg_status wg__infer_broadcast_number(wg_infer *c)
{
    return broadcast_of(c, WG_FLOATS | WG_BIT(WG_I32));
}

wg_status wg__infer_unary_float(wg_infer *c)
{
    const wg_status status = wg__infer_dtype(c, 0, WG_FLOATS);
    if (status == WG_OK) c->out[0] = c->in[0];
    return status;
}

wg_status wg__infer_placed(wg_infer *c)
{
    return wg_infer_fail(c, WG_EINTERNAL, "is placed by the compiler only");
}

wg_var wg__number_like(wg_var v, double value)
{
    wg_tape *tape = wg_var_tape(v);
    if (!tape) return v;
    return wg_const(tape, wg_var_dtype(v), WG_SCALAR, value);
}
