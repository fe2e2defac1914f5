/* Lazy updates of embeddings: rows without a gradient are left as they are. */
#include "rows_test.h"

/* Lazy rows: the formula for rows that have a gradient, nothing at all for the others, however the
 * gradient came to be known. */
static void test_lazy(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    for (int i = 0; i < 12; i++) {
        wg_optimizer_options o = variant(i);
        o.weight_decay = i % 2 ? 0.1 : 0;
        pair p, eager;
        /* Narrow rows share the sixteen elements by which parts of the arena are cut. */
        const int64_t width = i % 3 ? 100 : 5;
        make(&p, i % 2 ? WG_F64 : WG_F32, 500, width, &o);
        make(&eager, i % 2 ? WG_F64 : WG_F32, 500, width, &o);
        for (int k = 0; k < 2; k++)
            WGT_OK(wg_optimizer_set_lazy(p.optimizer[k], p.table, true, &err), &err);
        wg_tensor *before;
        for (int t = 1; t <= 4; t++) {
            const int batch = t == 1 ? 0 : t;
            run(&p, batch, PLAIN);
            const wg_tensor *w = wg_params_value(p.params[0], p.table);
            const wg_tensor *g = wg_params_grad(p.params[0], p.table);
            WGT_OK(wg_tensor_clone(w, &before, &err), &err);
            step(&p, t);
            for (int64_t v = 0; v < p.V; v++) {
                bool zero = true, moved = false;
                for (int64_t e = 0; e < p.E; e++) {
                    zero &= wg_tensor_get(g, v * p.E + e) == 0;
                    moved |= wg_tensor_get(w, v * p.E + e) != wg_tensor_get(before, v * p.E + e);
                }
                assert_int_equal(moved, !zero);
            }
            wg_tensor_free(before);
            run(&eager, batch, PLAIN);
            step(&eager, t);
            /* Rows that never had a gradient before, and other parameters, do as ever. */
            if (t > 1) continue;
            for (int64_t v = 0; v < p.V && o.weight_decay == 0; v++)
                assert_memory_equal(
                    (const char *)wg_tensor_cdata(w) + (size_t)(v * p.E) * wg_dtype_size(p.dtype),
                    (const char *)wg_tensor_cdata(wg_params_value(eager.params[0], p.table)) +
                        (size_t)(v * p.E) * wg_dtype_size(p.dtype),
                    (size_t)p.E * wg_dtype_size(p.dtype));
            for (int id = 0; id < 5; id++)
                if (id != p.table)
                    same(wg_params_value(p.params[0], id), wg_params_value(eager.params[0], id));
        }
        WGT_OK(wg_optimizer_set_lazy(p.optimizer[0], p.table, false, &err), &err);
        WGT_STATUS(wg_optimizer_set_lazy(p.optimizer[0], 5, true, &err), WG_ENOTFOUND, &err);
        WGT_STATUS(wg_optimizer_set_lazy(p.optimizer[0], -1, true, &err), WG_ENOTFOUND, &err);
        WGT_STATUS(wg_optimizer_set_lazy(p.optimizer[0], 4, true, &err), WG_ESHAPE, &err);
        drop(&p);
        drop(&eager);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lazy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
