/* The checks that op_table.h promises, for one row each. */
#include "op_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/gradcheck.h>
#include <wengert/parallel.h>

static void gradcheck(const wgt_op_row *row, const wg_shape *shape, int order)
{
    wgt_row_instance c = wgt_record_row(row, shape, WG_F64, 0);
    wg_var wrt[WGT_MAX_OPERANDS];
    int n = 0;
    for (int i = 0; i < row->n_in; i++)
        if (row->in[i].grad) wrt[n++] = c.in[i];
    if (n > 0) {
        wg_gradcheck_options options = {.size = sizeof options,
                                        .tolerance = row->grad_tol,
                                        .order = order,
                                        .seed = 7,
                                        .name_op = true};
        wg_gradcheck_report report = {.size = sizeof report};
        wg_error err = {WG_OK, ""};
        const wg_status status = wg_gradcheck(c.out, 1, wrt, n, &options, &report, &err);
        if (status != WG_OK)
            fail_msg("%s: gradient check: %s: %s", c.label, wg_strerror(status), err.message);
        if (!report.passed) {
            print_message("%s\n", report.text ? report.text : "");
            fail_msg("%s: wrong gradient of order %d", c.label, order);
        }
        wg_gradcheck_report_free(&report);
    }
    wgt_drop_row(&c);
}

static void check_gradient(void **state)
{
    const wgt_op_row *row = *state;
    const wgt_lengths l = wgt_usual_lengths();
    wg_shape shape[WGT_MAX_OPERANDS];
    if (row->no_gradient) return;
    wgt_row_shapes(row, &l, shape);
    gradcheck(row, shape, 1);
}

static void check_second(void **state)
{
    const wgt_op_row *row = *state;
    const wgt_lengths l = wgt_usual_lengths();
    wg_shape shape[WGT_MAX_OPERANDS];
    if (row->no_gradient || row->first_order) return;
    wgt_row_shapes(row, &l, shape);
    gradcheck(row, shape, 2);
}

static void check_f32(void **state)
{
    const wgt_op_row *row = *state;
    const wgt_lengths l = wgt_usual_lengths();
    wg_shape shape[WGT_MAX_OPERANDS];
    wgt_row_shapes(row, &l, shape);
    wgt_row_instance narrow = wgt_record_row(row, shape, WG_F32, WGT_WITH_GRADIENTS);
    wgt_row_instance wide = wgt_record_row(row, shape, WG_F64, WGT_WITH_GRADIENTS);
    wgt_values a = wgt_compute(&narrow, 1, -1, false), b = wgt_compute(&wide, 1, -1, false);
    wgt_compare(&narrow, "f32 and f64 differ", &a, &b, row->f32_tol > 0 ? row->f32_tol : 1e-5);
    wgt_drop_values(&a), wgt_drop_values(&b);
    wgt_drop_row(&narrow), wgt_drop_row(&wide);
}

/* Index in an operand of shape `s` of the element that broadcasts to index `at` of shape `out`. */
static int64_t broadcast_index(const wg_shape *s, const wg_shape *out, int64_t at)
{
    int64_t index = 0, stride = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        const int64_t digit = at % out->dim[i];
        const int axis = i - (out->rank - s->rank);
        at /= out->dim[i];
        if (axis < 0) continue;
        if (s->dim[axis] != 1) index += digit * stride;
        stride *= s->dim[axis];
    }
    return index;
}

static void check_values(const wgt_row_instance *c, const wgt_values *v, const wg_shape *shape,
                         double tol)
{
    const wg_shape out = wg_tensor_shape(v->of[0]);
    for (int64_t k = 0; k < wg_tensor_count(v->of[0]); k++) {
        double in[WGT_MAX_OPERANDS];
        for (int i = 0; i < c->row->n_in; i++)
            in[i] = wg_tensor_get(c->leaf[i], broadcast_index(&shape[i], &out, k));
        const double wanted = c->row->ref(in), got = wg_tensor_get(v->of[0], k);
        if (!wgt_near(got, wanted, tol))
            fail_msg("%s: element %lld: %.17g instead of %.17g", c->label, (long long)k, got,
                     wanted);
    }
}

static void check_broadcast_form(const wgt_op_row *row, const wg_shape *shape)
{
    wg_shape out = shape[0];
    for (int i = 1; i < row->n_in; i++) assert_true(wg_shape_broadcast(&out, &shape[i], &out));
    wgt_row_instance wide = wgt_record_row(row, shape, WG_F64, WGT_WITH_GRADIENTS);
    const wg_shape got = wg_var_type(wide.out[0]).shape;
    if (!wg_shape_equal(&got, &out)) fail_msg("%s: wrong shape of the output", wide.label);
    wgt_values b = wgt_compute(&wide, 1, -1, false);
    wgt_row_instance narrow = wgt_record_row(row, shape, WG_F32, WGT_WITH_GRADIENTS);
    wgt_values a = wgt_compute(&narrow, 1, -1, false);
    wgt_compare(&narrow, "f32 and f64 differ", &a, &b, row->f32_tol > 0 ? row->f32_tol : 1e-5);
    if (row->ref) check_values(&wide, &b, shape, 1e-13);
    wgt_drop_values(&a), wgt_drop_values(&b);
    wgt_drop_row(&narrow), wgt_drop_row(&wide);
    if (!row->no_gradient) gradcheck(row, shape, row->first_order ? 1 : 2);
}

/* Every combination of full, row, column, scalar and higher rank over the operands. */
static void check_broadcast(void **state)
{
    const wgt_op_row *row = *state;
    static const char *const forms1[] = {"", "1", "N", "MN", "BMN", "BTN1B1"};
    static const char *const forms2[] = {"", "N", "1N", "M1", "MN", "BMN", "B1N"};
    static const char *const forms3[] = {"", "N", "M1", "MN"};
    if (!row->broadcasts) return;
    const char *const *forms = row->n_in == 1 ? forms1 : (row->n_in == 2 ? forms2 : forms3);
    const int n_forms = row->n_in == 1 ? 6 : (row->n_in == 2 ? 7 : 4);
    wgt_lengths l = wgt_usual_lengths();
    int combinations = 1;
    for (int i = 0; i < row->n_in; i++) combinations *= n_forms;
    for (int code = 0; code < combinations; code++) {
        wg_shape shape[WGT_MAX_OPERANDS];
        for (int i = 0, rest = code; i < row->n_in; i++, rest /= n_forms)
            shape[i] = wgt_row_shape(forms[rest % n_forms], &l);
        check_broadcast_form(row, shape);
    }
}

static bool listed(const char *letters, char c)
{
    return letters && strchr(letters, c);
}

/* Every letter once 0 and once 1. */
static void check_small(void **state)
{
    const wgt_op_row *row = *state;
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        bool used = false;
        for (int i = 0; i < row->n_in; i++) used |= listed(row->in[i].shape, letter);
        for (int n = 0; used && n < 2; n++) {
            if (listed(n ? row->no_one : row->no_zero, letter)) continue;
            wgt_lengths l = wgt_usual_lengths();
            wg_shape shape[WGT_MAX_OPERANDS];
            l.of[(int)letter] = n;
            wgt_row_shapes(row, &l, shape);
            wgt_row_instance wide = wgt_record_row(row, shape, WG_F64, WGT_WITH_GRADIENTS);
            wgt_row_instance narrow = wgt_record_row(row, shape, WG_F32, WGT_WITH_GRADIENTS);
            wgt_values a = wgt_compute(&narrow, 1, -1, false), b = wgt_compute(&wide, 1, -1, false);
            wgt_values c = wgt_compute(&wide, 1, -1, true);
            wgt_compare(&narrow, "f32 and f64 differ", &a, &b,
                        row->f32_tol > 0 ? row->f32_tol : 1e-5);
            wgt_compare(&wide, "compiled and node by node differ", &b, &c, 1e-14);
            wgt_drop_values(&a), wgt_drop_values(&b), wgt_drop_values(&c);
            wgt_drop_row(&narrow), wgt_drop_row(&wide);
            if (n == 1 && !row->no_gradient) gradcheck(row, shape, 1);
        }
    }
}

/* Lengths with which threads find work: as large as keeps every operand below 200,000 elements. */
static void large_shapes(const wgt_op_row *row, wg_shape *shape)
{
    for (int64_t factor = 40; factor >= 1; factor--) {
        wgt_lengths l = wgt_usual_lengths();
        for (int c = 'A'; c <= 'Z'; c++)
            if (l.of[c] && !listed(row->no_one, (char)c)) l.of[c] = l.of[c] * factor + 1;
        wgt_row_shapes(row, &l, shape);
        bool fits = true;
        for (int i = 0; i < row->n_in; i++) fits &= wg_shape_count(&shape[i]) < 200000;
        if (fits) return;
    }
}

static void check_fused(void **state)
{
    const wgt_op_row *row = *state;
    for (int large = 0; large < 2; large++) {
        for (int d = 0; d < 2; d++) {
            const wgt_lengths l = wgt_usual_lengths();
            wg_shape shape[WGT_MAX_OPERANDS];
            if (large)
                large_shapes(row, shape);
            else
                wgt_row_shapes(row, &l, shape);
            wgt_row_instance c =
                wgt_record_row(row, shape, d ? WG_F64 : WG_F32, WGT_WITH_GRADIENTS | WGT_WRAPPED);
            wgt_values a = wgt_compute(&c, 1, -1, false), b = wgt_compute(&c, 1, -1, true);
            wgt_compare(&c, "fused and unfused differ", &a, &b, d ? 1e-14 : 5e-7);
            wgt_drop_values(&a), wgt_drop_values(&b);
            wgt_drop_row(&c);
        }
    }
}

static void check_threads(void **state)
{
    const wgt_op_row *row = *state;
    wg_shape shape[WGT_MAX_OPERANDS];
    large_shapes(row, shape);
    wgt_row_instance c = wgt_record_row(row, shape, WG_F32, WGT_WITH_GRADIENTS);
    wgt_values a = wgt_compute(&c, 2, -1, false), b = wgt_compute(&c, 1, -1, false);
    wgt_compare(&c, "two threads and one differ", &a, &b, row->thread_tol);
    wgt_drop_values(&a), wgt_drop_values(&b);
    wgt_drop_row(&c);
}

static void check_isa(void **state)
{
    const wgt_op_row *row = *state;
    if (wg_isa_best() == WG_ISA_BASE) {
        print_message("%s: this CPU has no instruction set but the baseline\n", row->name);
        skip();
    }
    wg_shape shape[WGT_MAX_OPERANDS];
    large_shapes(row, shape);
    for (int d = 0; d < 2; d++) {
        wgt_row_instance c = wgt_record_row(row, shape, d ? WG_F64 : WG_F32, WGT_WITH_GRADIENTS);
        wgt_values base = wgt_compute(&c, 1, WG_ISA_BASE, false);
        for (int isa = WG_ISA_BASE + 1; isa <= (int)wg_isa_best(); isa++) {
            wgt_values v = wgt_compute(&c, 1, isa, false);
            const double tol = row->f32_tol > 0 ? row->f32_tol : 1e-5;
            wgt_compare(&c, wg_isa_name((wg_isa)isa), &v, &base, d ? 1e-11 : tol);
            wgt_drop_values(&v);
        }
        wgt_drop_values(&base);
        wgt_drop_row(&c);
    }
}

static void expect_refused(const wgt_op_row *row, wg_var (*record)(const wg_var *),
                           const wg_type *type, wg_status status, const char *message)
{
    wg_tape *tape = NULL;
    wg_error err;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var in[WGT_MAX_OPERANDS] = {WG_NONE};
    for (int i = 0; i < row->n_in; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        in[i] = wg_input(tape, name, type[i].dtype, type[i].shape);
    }
    const wg_var out = record(in);
    memset(&err, 0, sizeof err);
    const wg_status got = wg_tape_status(tape, &err);
    if (wg_var_ok(out)) fail_msg("%s: bad input recorded (wanted '%s')", row->name, message);
    if (got != status || !strstr(err.message, message))
        fail_msg("%s: %s '%s' instead of %s '%s'", row->name, wg_status_name(got), err.message,
                 wg_status_name(status), message);
    wg_tape_free(tape);
}

static void check_bad(void **state)
{
    const wgt_op_row *row = *state;
    const wgt_lengths l = wgt_usual_lengths();
    wg_type type[WGT_MAX_OPERANDS];
    for (int k = 0; k < WGT_MAX_BAD && row->bad[k].message; k++) {
        const wgt_bad *bad = &row->bad[k];
        for (int i = 0; i < row->n_in; i++) {
            type[i].shape = wgt_row_shape(bad->shape[i] ? bad->shape[i] : row->in[i].shape, &l);
            type[i].dtype = bad->dtype[i] ? (wg_dtype)(bad->dtype[i] - 1)
                                          : wgt_operand_dtype(&row->in[i], WG_F32);
        }
        expect_refused(row, bad->record ? bad->record : row->record, type, bad->status,
                       bad->message);
    }
    if (row->n_in == 0 || row->in[0].kind != WGT_FLOAT || row->takes_i32) return;
    for (int i = 0; i < row->n_in; i++) {
        type[i].shape = wgt_row_shape(row->in[i].shape, &l);
        type[i].dtype =
            row->in[i].kind == WGT_FLOAT ? WG_I32 : wgt_operand_dtype(&row->in[i], WG_F32);
    }
    expect_refused(row, row->record, type, WG_EDTYPE, "i32");
}

/* A poisoned operand poisons the result, and the tape keeps the first message. */
static void check_poison(void **state)
{
    const wgt_op_row *row = *state;
    const wgt_lengths l = wgt_usual_lengths();
    for (int bad = 0; bad < row->n_in; bad++) {
        wg_tape *tape = NULL;
        wg_error err;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        wg_var in[WGT_MAX_OPERANDS] = {WG_NONE};
        for (int i = 0; i < row->n_in; i++) {
            char name[16];
            snprintf(name, sizeof name, "in%d", i);
            in[i] = i == bad ? wg_tape_fail(tape, WG_ELIMIT, "the first message")
                             : wg_input(tape, name, wgt_operand_dtype(&row->in[i], WG_F32),
                                        wgt_row_shape(row->in[i].shape, &l));
        }
        if (wg_var_ok(row->record(in)))
            fail_msg("%s: poison in operand %d is lost", row->name, bad);
        assert_int_equal(wg_tape_status(tape, &err), WG_ELIMIT);
        assert_non_null(strstr(err.message, "the first message"));
        wg_tape_free(tape);
    }
}

/* ---- One cmocka test for each row and check ---- */

static const struct {
    const char *name;
    void (*run)(void **state);
} checks[] = {
    {"gradient", check_gradient},  {"second derivative", check_second},
    {"f32 and f64", check_f32},    {"broadcasting", check_broadcast},
    {"zero and one", check_small}, {"bad input", check_bad},
    {"poison", check_poison},      {"fused", check_fused},
    {"threads", check_threads},    {"instruction sets", check_isa},
};
#define N_CHECKS (sizeof checks / sizeof checks[0])

typedef struct coverage {
    const wgt_op_row *rows;
    size_t n_rows;
    const wg_op *const *ops;
    size_t n_ops;
} coverage;

static void every_op_has_a_row(void **state)
{
    const coverage *c = *state;
    for (size_t i = 0; i < c->n_ops; i++) {
        const size_t length = strlen(c->ops[i]->name);
        bool found = false;
        for (size_t r = 0; r < c->n_rows && !found; r++) {
            const char *name = c->rows[r].name;
            found = !strncmp(name, c->ops[i]->name, length) &&
                    (name[length] == '\0' || name[length] == ':');
        }
        if (!found) fail_msg("op '%s' has no row in the table", c->ops[i]->name);
    }
}

int wgt_run_op_table(const wgt_op_row *rows, size_t n_rows, const wg_op *const *ops, size_t n_ops)
{
    const size_t n = n_rows * N_CHECKS + 1;
    struct CMUnitTest *tests = calloc(n, sizeof *tests);
    char(*names)[96] = calloc(n, sizeof *names);
    coverage cover = {rows, n_rows, ops, n_ops};
    if (!tests || !names) {
        free(tests), free(names);
        return 1;
    }
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t k = 0; k < N_CHECKS; k++) {
            const size_t i = r * N_CHECKS + k;
            snprintf(names[i], sizeof names[i], "%s: %s", rows[r].name, checks[k].name);
            tests[i].name = names[i];
            tests[i].test_func = checks[k].run;
            tests[i].initial_state = (void *)(uintptr_t)&rows[r];
        }
    }
    tests[n - 1].name = "every op has a row";
    tests[n - 1].test_func = every_op_has_a_row;
    tests[n - 1].initial_state = &cover;
    const int failed = _cmocka_run_group_tests("ops", tests, n, NULL, NULL);
    free(tests), free(names);
    return failed;
}
