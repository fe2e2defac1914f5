/* Hundreds of random cells, each with every pass left out in turn; see test_random_cells.c. Seeds
 * that WENGERT_CELLS names are checked there, and nothing here; a count alone holds here too. */
#include "random_cell.h"

static void many_cells_in_f64(void **state)
{
    (void)state;
    uint64_t first = 100000;
    int count = 400;
    if (wgt_cells_chosen(&first, &count)) skip();
    wgt_check_cells(first, count, WG_F64, true);
}

static void many_cells_in_f32(void **state)
{
    (void)state;
    uint64_t first = 200000;
    int count = 200;
    if (wgt_cells_chosen(&first, &count)) skip();
    wgt_check_cells(first, count, WG_F32, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_cells_in_f64),
        cmocka_unit_test(many_cells_in_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
