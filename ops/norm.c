/* Layer normalisation (Ba et al. 2016, eq. 4), as a composition of maps and row reductions: the
 * compiler fuses them, and derivatives of any order follow. */
#include "ops_internal.h"

#include "axes.h"

static bool fits_last_axis(wg_var v, wg_var x)
{
    return wg_is_none(v) || !wg_var_ok(v) || (wg_rank(v) == 1 && wg_dim(v, 0) == wg_dim(x, -1));
}

wg_var(wg_layer_norm)(wg_var x, wg_var gain, wg_var bias, double eps)
{
    if (!wg_var_ok(x)) return wg__record1(&wg__op_neg, x);
    if (wg_rank(x) < 1 || !fits_last_axis(gain, x) || !fits_last_axis(bias, x)) {
        wg_type tx = wg_var_type(x), tg = wg_var_type(gain), tb = wg_var_type(bias);
        char a[192], b[192], c[192];
        return wg_tape_fail(wg_var_tape(x), WG_ESHAPE,
                            "layer_norm: gain %s and bias %s must be [N], the last axis of %s",
                            wg_is_none(gain) ? "none" : wg__type_text(&tg, b, sizeof b),
                            wg_is_none(bias) ? "none" : wg__type_text(&tb, c, sizeof c),
                            wg__type_text(&tx, a, sizeof a));
    }
    const int last = -1;
    wg_var centred = (wg_sub)(x, (wg_mean)(x, &last, 1, true));
    wg_var variance = (wg_mean)((wg_square)(centred), &last, 1, true);
    wg_var scale = (wg_reciprocal)((wg_sqrt)((wg_add_scalar)(variance, eps)));
    wg_var y = (wg_mul)(centred, scale);
    if (!wg_is_none(gain)) y = (wg_mul)(y, gain);
    if (!wg_is_none(bias)) y = (wg_add)(y, bias);
    return y;
}
