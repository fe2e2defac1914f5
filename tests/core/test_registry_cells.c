/* The registry of cells: validation of their tables, symbolic shapes, and how a step finds what it
 * asks for. */
#include "registry_test.h"

#include <math.h>
#include <string.h>

static void check_cell_refused(const wg_cell *c, wg_status wanted, const char *part)
{
    wg_error err;
    int before = wg_cell_count();
    WGT_STATUS(wg_register_cell(c, &err), wanted, &err);
    if (!strstr(err.message, part)) fail_msg("'%s' is not in: %s", part, err.message);
    assert_int_equal(wg_cell_count(), before);
}

static void bad_cells_are_refused(void **state)
{
    (void)state;
    check_cell_refused(NULL, WG_EINVAL, "no table");
    wg_cell c;
#define BAD_CELL(change, part)                   \
    do {                                         \
        c = cell;                                \
        change;                                  \
        check_cell_refused(&c, WG_EINVAL, part); \
    } while (0)
    BAD_CELL(c.size = 0, "size");
    BAD_CELL(c.name = "two words", "not a name");
    BAD_CELL(c.step = NULL, "no step");
    BAD_CELL(c.n_states = 0, "no states");
    BAD_CELL(c.states = NULL, "no states");
    BAD_CELL(c.params = NULL, "without a table");
    BAD_CELL(c.n_hypers = -1, "without a table");
    BAD_CELL(c.n_hypers = 0, "which the cell has not");
    BAD_CELL(c.output = "Q", "output");
    wg_cell_state s[2];
#define BAD_STATE(change, part)       \
    do {                              \
        memcpy(s, states, sizeof s);  \
        change;                       \
        BAD_CELL(c.states = s, part); \
    } while (0)
    BAD_STATE(s[1].name = "h", "two states");
    BAD_STATE(s[0].name = NULL, "no proper name");
    BAD_STATE(s[0].shape = "H,", "shape");
    BAD_STATE(s[0].shape = NULL, "missing");
    BAD_STATE(s[0].shape = "1,2,3,4,5", "axes");
    wg_cell_param p[3];
#define BAD_PARAM(change, part)       \
    do {                              \
        memcpy(p, params, sizeof p);  \
        change;                       \
        BAD_CELL(c.params = p, part); \
    } while (0)
    BAD_PARAM(p[2].name = "U", "two parameters");
    BAD_PARAM(p[2].shape = "3H", "equal gates");
    BAD_PARAM(p[2].hyper_gate = 4, "gate 4");
    BAD_PARAM(p[2].hyper = "bias", "which the cell has not");
    BAD_PARAM(p[2].init.gate_mask = 16, "gate_mask");
    BAD_PARAM(p[2].init.gates = 9, "9 gates");
    BAD_PARAM(p[0].init.kind = (wg_init_kind)99, "initialiser");
    BAD_PARAM(p[0].init.a = NAN, "not finite");
    wg_cell_hyper h[1];
#define BAD_HYPER(change, part)       \
    do {                              \
        memcpy(h, hypers, sizeof h);  \
        change;                       \
        BAD_CELL(c.hypers = h, part); \
    } while (0)
    BAD_HYPER(h[0].value = 11, "not within");
    BAD_HYPER(h[0].low = NAN, "not within");
    BAD_HYPER(h[0].name = "", "no proper name");
}

static void cells_register_once(void **state)
{
    (void)state;
    wg_error err;
    WGT_OK(wg_register_cell(&cell, &err), &err);
    assert_ptr_equal(wg_find_cell("test.cell"), &cell);
    WGT_STATUS(wg_register_cell(&cell, &err), WG_EEXIST, &err);
}

static void symbolic_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } good[] = {{"H", "[5]"},       {"X,4H", "[3,20]"},        {"3", "[3]"},
                {"", "[]"},         {"2O, H ,X", "[14,5,3]"},  {"007H", "[35]"},
                {"X+H,H", "[8,5]"}, {"1+2X+O,H+H", "[14,10]"}, {"1,2,3,4,5,6", "[1,2,3,4,5,6]"}};
    char buf[160];
    wg_shape shape;
    wg_error err;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        WGT_OK(wg_cell_shape(good[i].text, 3, 5, 7, &shape, &err), &err);
        assert_string_equal(wg_shape_format(&shape, buf, sizeof buf), good[i].wanted);
    }
    static const char *const bad[] = {",",  "H,",  ",H",  "Z",  "h",  "HX", "4 H",  "-1",   "0",
                                      "0H", "H;X", "4H4", "\n", "+H", "X+", "X+,H", "X++H", "X+0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        WGT_STATUS(wg_cell_shape(bad[i], 3, 5, 7, &shape, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_cell_shape(NULL, 3, 5, 7, &shape, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_cell_shape("H,O", 3, 5, 0, &shape, &err), WG_EINVAL, &err);
    assert_non_null(strstr(err.message, "output size"));
    WGT_STATUS(wg_cell_shape("1,1,1,1,1,1,1", 3, 5, 7, &shape, &err), WG_ELIMIT, &err);
    WGT_STATUS(wg_cell_shape("99999999999999999999", 3, 5, 7, &shape, &err), WG_EOVERFLOW, &err);
    WGT_STATUS(wg_cell_shape("4H", 3, INT64_MAX / 2, 7, &shape, &err), WG_EOVERFLOW, &err);
    WGT_STATUS(wg_cell_shape("2H+X", 3, INT64_MAX / 2, 7, &shape, &err), WG_EOVERFLOW, &err);
    WGT_STATUS(wg_cell_shape("H,H", 3, INT64_MAX / 2, 7, &shape, &err), WG_EOVERFLOW, &err);
}

static void check_message(wg_tape *tape, const char *part)
{
    wg_error err;
    WGT_STATUS(wg_tape_status(tape, &err), WG_ENOTFOUND, &err);
    if (!strstr(err.message, part)) fail_msg("'%s' is not in: %s", part, err.message);
    wg_tape_reset(tape);
}

static void a_step_finds_its_parameters(void **state)
{
    (void)state;
    wg_tape *tape;
    wg_error err;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    for (int round = 0; round < 4; round++) {
        wg_var v[3];
        for (int i = 0; i < 3; i++) v[i] = wg_const(tape, WG_F64, WG_SCALAR, i);
        const double hyper[] = {1.25};
        wg_step s = {.size = sizeof s, .tape = tape, .cell = &cell, .param = v, .hyper = hyper};
        ask_p = (const char *[]){"U", "bais", NULL, "W"}[round];
        ask_hyper = (const char *[]){"forget_bias", NULL, "forget", "nothing"}[round];
        wg_var next[2], now[2] = {v[0], v[1]};
        cell.step(&s, v[0], now, next);
        if (round == 0) {
            assert_int_equal(seen_p.index, v[1].index);
            assert_true(seen_hyper == 1.25);
            WGT_OK(wg_tape_status(tape, &err), &err);
        } else if (round == 1) {
            assert_false(wg_var_ok(seen_p));
            check_message(tape, "cell 'test.cell' has no parameter 'bais'; did you mean 'bias'? It "
                                "has: W, U, bias");
        } else {
            assert_true(seen_hyper == 0);
            check_message(tape, "did you mean 'forget_bias'?");
        }
    }
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_cells_are_refused),
        cmocka_unit_test(cells_register_once),
        cmocka_unit_test(symbolic_shapes),
        cmocka_unit_test(a_step_finds_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
