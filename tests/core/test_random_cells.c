/* Random cells: forward, gradient and second gradient of compiled scans equal the list run node by
 * node, on every instruction set, with passes left out, in f64 to 1e-12 and in f32 to 256 units in
 * the last place of the largest element.
 *
 * WENGERT_CELLS="FIRST COUNT" checks those seeds alone, each pass left out in turn; "COUNT" only
 * so many of each kind. */
#include "random_cell.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>

static void cells_in_f64(void **state)
{
    (void)state;
    uint64_t first = 1;
    int count = 250;
    if (wgt_cells_chosen(&first, &count)) skip();
    wgt_check_cells(first, count, WG_F64, false);
}

static void cells_in_f32(void **state)
{
    (void)state;
    uint64_t first = 1001;
    int count = 150;
    if (wgt_cells_chosen(&first, &count)) skip();
    wgt_check_cells(first, count, WG_F32, false);
}

static void chosen_cells(void **state)
{
    (void)state;
    uint64_t first = 0;
    int count = 0;
    if (!wgt_cells_chosen(&first, &count)) skip();
    wgt_check_cells(first, count, WG_F64, true);
    wgt_check_cells(first, count, WG_F32, true);
}

/* What of a list of passes is refused, and that a tape's cache tells lists apart. */
static void passes_are_left_out(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *w;
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(2, 2), &w, &err), &err);
    wg_tensor_fill(w, 0.5);
    wg_var v = wg_tanh(wg_exp(wg_tensor_var(tape, w)));
    const struct {
        const char *passes, *message;
    } bad[] = {{"hoist", "there is no 'hoist'"},
               {"-hoist,-sunk", "there is no '-sunk'"},
               {"-sink,", NULL},
               {"-dead code", "others need '-dead code'"},
               {"-", "there is no '-'"},
               {"-hoist,-sink,-views before maps", NULL}};
    wg_program *p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_compile_options o = {.size = sizeof o, .passes = bad[i].passes};
        wg_status status = wg_compile(&v, 1, &o, &p, &err);
        assert_int_equal(status, bad[i].message ? WG_EINVAL : WG_OK);
        if (bad[i].message) assert_non_null(strstr(err.message, bad[i].message));
        if (status == WG_OK) wg_program_free(p);
    }
    int64_t fused[2], misses;
    for (int i = 0; i < 2; i++) {
        wg_compile_options o = {.size = sizeof o, .passes = i ? "-fuse" : ""};
        wg_program_stats s = {.size = sizeof s};
        WGT_OK(wg_compile(&v, 1, &o, &p, &err), &err);
        wg_program_get_stats(p, &s);
        fused[i] = s.instructions;
        wg_program_free(p);
        WGT_OK(wg_tape_options(tape, &o, &err), &err);
        WGT_OK(wg_eval(&v, 1, NULL, &err), &err);
        WGT_OK(wg_eval(&v, 1, NULL, &err), &err);
    }
    assert_true(fused[0] < fused[1]);
    wg_tape_cache_stats(tape, NULL, NULL, &misses);
    assert_int_equal(misses, 2);
    wg_tape_free(tape);
    wg_tensor_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_are_left_out),
        cmocka_unit_test(chosen_cells),
        cmocka_unit_test(cells_in_f64),
        cmocka_unit_test(cells_in_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
