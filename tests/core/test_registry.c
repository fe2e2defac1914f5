/* The registry of ops: built-ins through the public door, validation of descriptors, many threads,
 * and that the first tape closes it. */
#include "registry_test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <wengert/op.h>

#include "builtin.h"
#include "registry.h"

static wg_status same_type(wg_infer *c)
{
    c->out[0] = c->in[0];
    return WG_OK;
}

static void twice(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++) ((double *)c->out)[i] = 2 * ((const double *)c->in[0])[i];
}

static void no_vjp(wg_vjp *c)
{
    (void)c;
}

static wg_status no_kernel(wg_kernel *c)
{
    (void)c;
    return WG_OK;
}

static const wg_op fine = {.size = sizeof(wg_op),
                           .name = "test.twice",
                           .version = 1,
                           .traits = WG_OP_MAP,
                           .n_in = 1,
                           .n_out = 1,
                           .infer = same_type,
                           .vjp = no_vjp,
                           .map = twice};

static void built_ins_are_there(void **state)
{
    (void)state;
    wg_error err;
    WGT_OK(wg__registry_builtin_status(&err), &err);
    assert_int_equal(wg_op_count(), wg__core_op_count + wg__builtin_op_count);
    assert_int_equal(wg_cell_count(), wg__builtin_cell_count);
    for (int i = 0; i < wg_op_count(); i++)
        assert_ptr_equal(wg_find_op(wg_op_at(i)->name), wg_op_at(i));
    for (int i = 0; i < wg_cell_count(); i++)
        assert_ptr_equal(wg_find_cell(wg_cell_at(i)->name), wg_cell_at(i));
    assert_null(wg_op_at(-1));
    assert_null(wg_op_at(wg_op_count()));
    assert_null(wg_cell_at(wg_cell_count()));
    assert_null(wg_find_op("no such op"));
    assert_null(wg_find_op(NULL));
    assert_null(wg_find_cell(""));
}

static wg_map_fn no_loop(wg_dtype dtype, int isa)
{
    (void)dtype, (void)isa;
    return NULL;
}

static void check_refused(const wg_op *op, wg_status wanted, const char *part)
{
    wg_error err;
    int before = wg_op_count();
    WGT_STATUS(wg_register_op(op, &err), wanted, &err);
    if (!strstr(err.message, part)) fail_msg("'%s' is not in: %s", part, err.message);
    assert_int_equal(wg_op_count(), before);
}

static void bad_ops_are_refused(void **state)
{
    (void)state;
    check_refused(NULL, WG_EINVAL, "no descriptor");
    wg_op op = fine;
    op.size = 8;
    check_refused(&op, WG_EINVAL, "size");
    static const char *const names[] = {NULL,
                                        "",
                                        "a b",
                                        "9lives",
                                        ".x",
                                        "x.",
                                        "a..b",
                                        "\xC3\xA9",
                                        "a/b",
                                        "this-name-is-longer-than-what-fits-into-"
                                        "sixty-three-bytes-of-a-name"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        op = fine;
        op.name = names[i];
        check_refused(&op, WG_EINVAL, "not a name");
    }
    static const uint32_t traits[] = {0, WG_OP_MAP | WG_OP_GATHER, WG_OP_CHEAP};
    for (size_t i = 0; i < sizeof traits / sizeof traits[0]; i++) {
        op = fine;
        op.traits = traits[i];
        check_refused(&op, WG_EINVAL, "one family");
    }
#define BAD(change, part)                    \
    do {                                     \
        op = fine;                           \
        change;                              \
        check_refused(&op, WG_EINVAL, part); \
    } while (0)
    BAD(op.infer = NULL, "shape rule");
    BAD(op.vjp = NULL, "VJP");
    BAD(op.traits |= WG_OP_NO_GRADIENT, "VJP");
    BAD(op.map = NULL, "map");
    /* Patterns: a count without a table, a node that reads itself, an operand too many. */
    BAD(op.n_patterns = 1, "pattern 0");
    wg_map_pattern pattern = {.n_nodes = 1, .n_in = 1, .op = {&op}, .loop = no_loop};
    for (int j = 0; j < 3; j++) pattern.in[0][j] = 0;
    BAD((op.patterns = &pattern, op.n_patterns = 1), "pattern 0");
    for (int j = 0; j < 3; j++) pattern.in[0][j] = ~1;
    BAD((op.patterns = &pattern, op.n_patterns = 1), "pattern 0");
    BAD(op.n_out = 2, "one output");
    BAD(op.n_in = -2, "numbers");
    BAD(op.n_out = 0, "no outputs");
    BAD(op.traits |= WG_OP_COMMUTATIVE, "two inputs");
    BAD(op.traits |= WG_OP_TOUCHES, "rows");
    BAD((op.traits |= WG_OP_ADDS, op.n_in = -1), "leading axes");
    BAD(op.traits = WG_OP_OPAQUE, "kernel");
    BAD(op.traits = WG_OP_VIEW, "view rule");
    BAD(op.traits = WG_OP_LEAF, "core's own");
    BAD(op.traits = WG_OP_SCAN, "core's own");
    BAD(op.gradient = &fine, "come together");
    BAD(op.paired = &fine, "come together");
    BAD((op.traits = WG_OP_OPAQUE, op.kernel[0] = no_kernel, op.n_out = 2, op.gradient = &fine,
         op.paired = &fine),
        "come together");
    BAD((op.traits = WG_OP_REDUCE, op.kernel[0] = no_kernel, op.n_in = 2), "reduction");
    op = fine;
    op.traits |= 1u << 30;
    check_refused(&op, WG_EVERSION, "unknown");
}

/* A plugin made for a newer library brings longer structures. */
static void longer_structures_are_fine_while_zero(void **state)
{
    (void)state;
    static struct {
        wg_op op;
        long more;
    } newer;
    newer.op = fine;
    newer.op.name = "test.newer";
    newer.op.size = sizeof newer;
    newer.more = 1;
    check_refused(&newer.op, WG_EVERSION, "newer");
    newer.more = 0;
    wg_error err;
    WGT_OK(wg_register_op(&newer.op, &err), &err);
    assert_ptr_equal(wg_find_op("test.newer"), &newer.op);
}

static void ops_register_once(void **state)
{
    (void)state;
    wg_error err;
    int before = wg_op_count();
    WGT_OK(wg_register_op(&fine, &err), &err);
    assert_ptr_equal(wg_find_op("test.twice"), &fine);
    assert_int_equal(wg_op_count(), before + 1);
    assert_ptr_equal(wg_op_at(before), &fine);
    WGT_STATUS(wg_register_op(&fine, &err), WG_EEXIST, &err);
    assert_non_null(strstr(err.message, "test.twice"));
    if (wg__builtin_op_count) {
        wg_op op = fine;
        op.name = wg__builtin_ops[0]->name;
        WGT_STATUS(wg_register_op(&op, &err), WG_EEXIST, &err);
    }
}

static wg_op many[200];
static char many_names[200][16];

static void *register_some(void *user)
{
    int first = *(int *)user;
    for (int i = first; i < 200; i += 4) {
        if (wg_register_op(&many[i], NULL)) return user;
        if (wg_find_op(many[i].name) != &many[i]) return user;
    }
    return NULL;
}

static void threads_may_register_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(many_names[i], sizeof many_names[i], "many.op%d", i * 7919 % 1000);
        many[i] = fine;
        many[i].name = many_names[i];
    }
    pthread_t thread[4];
    int first[4];
    for (int i = 0; i < 4; i++) {
        first[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, register_some, &first[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(thread[i], &bad);
        assert_null(bad);
    }
    for (int i = 0; i < 200; i++) assert_ptr_equal(wg_find_op(many_names[i]), &many[i]);
}

static void the_first_tape_closes_the_registry(void **state)
{
    (void)state;
    wg_tape *tape;
    wg_error err;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tape_free(tape);
    wg_op op = fine;
    op.name = "test.late";
    WGT_STATUS(wg_register_op(&op, &err), WG_ESTATE, &err);
    wg_cell late = cell;
    late.name = "test.late";
    WGT_STATUS(wg_register_cell(&late, &err), WG_ESTATE, &err);
    assert_null(wg_find_op("test.late"));
    assert_ptr_equal(wg_find_op("test.twice"), &fine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_ins_are_there),
        cmocka_unit_test(bad_ops_are_refused),
        cmocka_unit_test(longer_structures_are_fine_while_zero),
        cmocka_unit_test(ops_register_once),
        cmocka_unit_test(threads_may_register_at_once),
        cmocka_unit_test(the_first_tape_closes_the_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
