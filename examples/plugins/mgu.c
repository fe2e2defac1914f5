/* The minimal gated unit (Zhou et al. 2016) as a plugin:
 *
 *     cc -std=c17 -O2 -fPIC -shared $(pkg-config --cflags wengert) -o mgu.so mgu.c
 *     wengert gradcheck --plugin ./mgu.so --cell mgu
 *     wengert translate train --plugin ./mgu.so --cell mgu --source F --target F --out DIR
 *
 * It links with nothing of wengert. examples/mgu_cell.c is the same cell in a program of its own.
 */
#define WENGERT_PLUGIN
#include <wengert.h>

/* f = s(x Wf + h Uf + bf);  c = tanh(x Wc + (f h) Uc + bc);  h' = (1 - f) h + f c */
static void mgu_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var h = state[0];
    wg_var f =
        wg_sigmoid(wg_add(wg_affine(x, wg_p(s, "Wf"), wg_p(s, "bf")), wg_matmul(h, wg_p(s, "Uf"))));
    wg_var c = wg_tanh(
        wg_add(wg_affine(x, wg_p(s, "Wc"), wg_p(s, "bc")), wg_matmul(wg_mul(f, h), wg_p(s, "Uc"))));
    next[0] = wg_lerp(h, c, f);
}

static const wg_cell_state states[] = {{"h", "H"}};

static const wg_cell_param params[] = {
    {.name = "Wf", .shape = "X,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "Uf", .shape = "H,H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1}},
    {.name = "bf", .shape = "H"},
    {.name = "Wc", .shape = "X,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "Uc", .shape = "H,H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1}},
    {.name = "bc", .shape = "H"},
};

static const wg_cell mgu = {.size = sizeof(wg_cell),
                            .name = "mgu",
                            .version = 1,
                            .doc = "Minimal gated unit (Zhou et al. 2016)",
                            .states = states,
                            .n_states = 1,
                            .params = params,
                            .n_params = sizeof params / sizeof params[0],
                            .step = mgu_step};

static wg_status register_mgu(wg_error *err)
{
    return wg_register_cell(&mgu, err);
}
WG_PLUGIN_MAIN(mgu, register_mgu);
