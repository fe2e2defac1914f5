/* Axis helpers that need a body: checks on views and the errors every shape op shares. */
#include "axes.h"

#include <stdio.h>

bool wg__contiguous(const wg_view *v)
{
    int64_t step = 1;
    for (int i = v->shape.rank - 1; i >= 0; i--) {
        if (v->shape.dim[i] == 0) return true;
        if (v->shape.dim[i] > 1 && v->stride[i] != step) return false;
        step *= v->shape.dim[i];
    }
    return true;
}

bool wg__rows_from(const wg_view *v, int axis, int64_t *rows, int64_t *stride)
{
    int64_t count = 1, step = 0;
    for (int i = v->shape.rank - 2; i >= axis; i--) {
        if (v->shape.dim[i] == 1) continue;
        if (count == 1)
            step = v->stride[i];
        else if (v->stride[i] != step * count)
            return false;
        count *= v->shape.dim[i];
    }
    *rows = count;
    *stride = step;
    return true;
}

wg_var wg__pass_poison(const wg_op *op, wg_var x)
{
    return wg_record(op, &x, 1, NULL, 0);
}

wg_var wg__fail_axis(const char *name, wg_var x, int axis)
{
    wg_type type = wg_var_type(x);
    char text[192];
    return wg_tape_fail(wg_var_tape(x), WG_EINVAL, "%s: axis %d is out of range for %s", name, axis,
                        wg__type_text(&type, text, sizeof text));
}

wg_status wg__fail_all(wg_var poison, wg_var *out, int n)
{
    for (int i = 0; i < n; i++) out[i] = poison;
    wg_tape *tape = wg_var_tape(poison);
    wg_status status = tape ? wg_tape_status(tape, NULL) : WG_ESTALE;
    return status != WG_OK ? status : WG_EINVAL;
}

const char *wg__type_text(const wg_type *type, char *buf, size_t size)
{
    char shape[160];
    snprintf(buf, size, "%s%s", wg_dtype_name(type->dtype),
             wg_shape_format(&type->shape, shape, sizeof shape));
    return buf;
}
