/* Thousands of random cells, each with every pass left out in turn; see test_random_cells.c. */
#include "random_cell.h"

static void many_cells_in_f64(void **state)
{
    (void)state;
    wgt_check_cells(100000, 400, WG_F64, true);
}

static void many_cells_in_f32(void **state)
{
    (void)state;
    wgt_check_cells(200000, 200, WG_F32, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_cells_in_f64),
        cmocka_unit_test(many_cells_in_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
