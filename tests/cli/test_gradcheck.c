/* `wengert gradcheck` as a program: exit statuses, what is found wrong and named, what is not
 * checked and said so, and the comparison with another program's numbers. */
#include "tool_test.h"

#include <math.h>

#include <wengert/npz.h>

static char text[1 << 17];

/* Runs the tool with both streams into `text`; returns the exit status. */
static int run(const char *words)
{
    char command[11000];
    snprintf(command, sizeof command, "'%s' gradcheck %s", tool, words);
    return shell_into(text, sizeof text, command);
}

static void expect(const char *wanted)
{
    if (!strstr(text, wanted)) fail_msg("'%s' is not in:\n%s", wanted, text);
}

static void expect_status(const char *words, int wanted)
{
    int status = run(words);
    if (status != wanted) fail_msg("%s: status %d, not %d:\n%s", words, status, wanted, text);
}

static void test_built_in(void **state)
{
    (void)state;
    expect_status("--cell lstm --order 2", 0);
    expect("cell lstm: gradient check: passed (order 2");
    expect(" c0 ");
    expect(" Wh ");
    expect_status("--cell gru --op softmax", 0);
    expect("ok       op   softmax");
    expect("2 right, 0 wrong, 0 not checked");
    expect_status("--cell lstmp --size 3,2,7,4,5 --print", 0);
    expect("[3,2,7]");
    expect("equations:");
    expect(" = matmul(");
}

/* Everything: all right, and what is not checked is a known list. */
static void test_all(void **state)
{
    (void)state;
    expect_status("--all --order 2", 0);
    expect(" 0 wrong");
    int unexplained = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        static const char *const reasons[] = {"a leaf: ", "no gradient by nature",
                                              "core makes it while", "checked with every cell",
                                              "rounds to another dtype"};
        bool known = !strstr(line, "not checked: ");
        for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
            known = known || strstr(line, reasons[i]);
        if (!known) {
            print_error("no sample for a built-in op: %s\n", line);
            unexplained++;
        }
    }
    assert_int_equal(unexplained, 0);
}

static void test_usage(void **state)
{
    (void)state;
    expect_status("", 2);
    expect("nothing to check");
    expect_status("--cell lsmt", 2);
    expect("did you mean 'lstm'?");
    expect_status("--op no-such-op-at-all", 2);
    expect_status("--all --cell gru", 2);
    expect_status("--cell gru --cell lstm --dot x.dot", 2);
    expect_status("--op add --reference x.npz", 2);
    expect_status("--cell gru --size 1,2", 2);
    expect_status("--cell gru --size 1,2,3,0", 2);
    expect_status("--cell gru --size 4,4,5,2", 0);
    expect("may go unnoticed");
    /* Asked for by name and impossible: that is not success. */
    expect_status("--op argmax", 2);
    expect("not checked: it has no gradient by nature");
}

static void test_dot(void **state)
{
    (void)state;
    char words[600], path[300], line[64] = "";
    snprintf(path, sizeof path, "%s/g.dot", dir);
    snprintf(words, sizeof words, "--cell rnn --dot '%s'", path);
    expect_status(words, 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_int_equal(strncmp(line, "digraph", 7), 0);
    expect_status("--cell rnn --dot /nowhere/at/all/g.dot", 2);
}

/* ---- a plugin with what can be wrong ---- */

static const char faulty[] =
    "#define WENGERT_PLUGIN\n"
    "#include <wengert.h>\n"
    "static wg_status same(wg_infer *c) { c->out[0] = c->in[0]; return WG_OK; }\n"
    "static void cube(const wg_map *c)\n"
    "{\n"
    "    for (int64_t i = 0; i < c->n; i++)\n"
    "        ((double *)c->out)[i] = ((const double *)c->in[0])[i] * ((const double *)c->in[0])[i] "
    "*\n"
    "                                ((const double *)c->in[0])[i];\n"
    "}\n"
    /* 2 x^2 where 3 x^2 is right */
    "static void wrong(wg_vjp *c)\n"
    "{\n"
    "    wg_vjp_add(c, 0, wg_mul(wg_vjp_grad(c, 0), wg_scale(wg_square(wg_vjp_in(c, 0)), 2)));\n"
    "}\n"
    "static wg_status never(wg_infer *c) { return wg_infer_fail(c, WG_ESHAPE, \"no\"); }\n"
    "static void format(const void *a, size_t n, char *b, size_t s) { (void)a; (void)n; (void)s; "
    "*b = 0; }\n"
    "#define OP(id, n, ...) static const wg_op id = {.size = sizeof(wg_op), .name = \"t.\" n, \\\n"
    "    .version = 1, .traits = WG_OP_MAP, .n_in = 1, .n_out = 1, .vjp = wrong, .map = cube, "
    "__VA_ARGS__}\n"
    "OP(cubed, \"cube\", .infer = same);\n"
    "OP(picky, \"picky\", .infer = never);\n"
    "OP(attributed, \"attributed\", .infer = same, .format = format);\n"
    "static void step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)\n"
    "{\n"
    "    wg_var sum = wg_add(wg_matmul(x, wg_p(s, \"W\")), state[0]);\n"
    "    next[0] = wg_tanh(wg_record(&cubed, &sum, 1, NULL, 0));\n"
    "}\n"
    "static void lazy(wg_step *s, wg_var x, const wg_var *state, wg_var *next)\n"
    "{\n"
    "    next[0] = wg_tanh(wg_add(wg_matmul(x, wg_p(s, \"W\")), state[0]));\n"
    "}\n"
    /* A gate that is made and not used, and a gradient that is held back. */
    "static void idle(wg_step *s, wg_var x, const wg_var *state, wg_var *next)\n"
    "{\n"
    "    wg_sigmoid(wg_add(state[0], wg_p(s, \"forgotten\")));\n"
    "    next[0] = wg_tanh(wg_add(wg_matmul(x, wg_p(s, \"W\")), state[0]));\n"
    "}\n"
    "static void held(wg_step *s, wg_var x, const wg_var *state, wg_var *next)\n"
    "{\n"
    "    next[0] = wg_tanh(wg_add(wg_stop_gradient(wg_matmul(x, wg_p(s, \"W\"))), state[0]));\n"
    "}\n"
    "static const wg_cell_state states[] = {{\"h\", \"H\"}};\n"
    "static const wg_cell_param params[] = {{.name = \"W\", .shape = \"X,H\", .init = {.kind = "
    "WG_INIT_NORMAL, .b = 0.3}},\n"
    "                                       {.name = \"forgotten\", .shape = \"H\"}};\n"
    "#define CELL(id, n, f, np) static const wg_cell id = {.size = sizeof(wg_cell), .name = n, "
    ".version = 1, \\\n"
    "    .states = states, .n_states = 1, .params = params, .n_params = np, .step = f}\n"
    "CELL(bad, \"t.bad\", step, 1);\n"
    "CELL(wasteful, \"t.lazy\", lazy, 2);\n"
    "CELL(idling, \"t.idle\", idle, 2);\n"
    "CELL(holding, \"t.held\", held, 1);\n"
    "static wg_status all(wg_error *err)\n"
    "{\n"
    "    wg_status s = wg_register_op(&cubed, err);\n"
    "    if (!s) s = wg_register_op(&picky, err);\n"
    "    if (!s) s = wg_register_op(&attributed, err);\n"
    "    if (!s) s = wg_register_cell(&bad, err);\n"
    "    if (!s) s = wg_register_cell(&idling, err);\n"
    "    if (!s) s = wg_register_cell(&holding, err);\n"
    "    return s ? s : wg_register_cell(&wasteful, err);\n"
    "}\n"
    "WG_PLUGIN_MAIN(faulty, all);\n";

static void test_finds_what_is_wrong(void **state)
{
    (void)state;
    if (system("command -v pkg-config >/dev/null && command -v cc >/dev/null") != 0) skip();
    char path[512], command[6000], words[1024];
    snprintf(path, sizeof path, "%s/faulty.c", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(faulty, file) >= 0);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof command,
             "cc -std=c17 -fPIC -shared $(PKG_CONFIG_PATH='%s' pkg-config --cflags wengert) "
             "-o '%s/faulty.so' '%s'",
             WGT_BUILD_DIR, dir, path);
    assert_int_equal(system(command), 0);
#define WITH_PLUGIN(rest) \
    (snprintf(words, sizeof words, "--plugin '%s/faulty.so' %s", dir, rest), words)
    expect_status(WITH_PLUGIN("--op t.cube"), 1);
    expect("gradient check: FAILED");
    expect("analytic / numeric = 0.666666");
    expect("first wrong op: t.cube");
    expect_status(WITH_PLUGIN("--cell t.bad"), 1);
    expect("first wrong op: t.cube");
    expect_status(WITH_PLUGIN("--cell t.lazy"), 0);
    expect("unused: the outputs do not depend on forgotten");
    expect_status(WITH_PLUGIN("--cell t.idle"), 0);
    expect("without effect: every derivative with respect to forgotten is 0");
    expect_status(WITH_PLUGIN("--cell t.held"), 1);
    expect("stop_gradient holds a gradient back");
    expect_status(WITH_PLUGIN("--op t.picky"), 2);
    expect("its shape rule takes none of the inputs");
    expect_status(WITH_PLUGIN("--op t.attributed"), 2);
    expect("takes attributes");
    /* Among all others the wrong ones are seen, too. */
    expect_status(WITH_PLUGIN("--all"), 1);
    expect(" 3 wrong");
    expect("WRONG    op   t.cube");
    expect("unused: forgotten");
}

/* ---- --reference: the simple recurrent network in plain C ---- */

enum { T = 3, B = 2, X = 4, H = 3 };

static wg_tensor *filled(wg_npz_writer *w, const char *name, wg_shape shape, double phase)
{
    wg_tensor *t;
    wg_error why;
    WGT_OK(wg_tensor_new(WG_F64, shape, &t, &why), &why);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, sin(phase + 1.7 * (double)i));
    WGT_OK(wg_npz_add_tensor(w, name, t, &why), &why);
    return t;
}

/* `off` is added to one element of y. Without `with_bias` the file lacks parameter b. */
static void write_reference(const char *path, double off, bool with_bias, const char *y_name)
{
    wg_npz_writer *w;
    wg_error why;
    WGT_OK(wg_npz_create(path, NULL, &w, &why), &why);
    wg_tensor *x = filled(w, "x", WG_SHAPE(T, B, X), 0), *h0 = filled(w, "h0", WG_SHAPE(B, H), 1);
    wg_tensor *wx = filled(w, "Wx", WG_SHAPE(X, H), 2), *wh = filled(w, "Wh", WG_SHAPE(H, H), 3);
    wg_tensor *bias = filled(w, with_bias ? "b" : "bias", WG_SHAPE(H), 4), *y;
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(T, B, H), &y, &why), &why);
    for (int b = 0; b < B; b++) {
        double h[H], next[H];
        for (int j = 0; j < H; j++) h[j] = wg_tensor_get(h0, b * H + j);
        for (int t = 0; t < T; t++) {
            for (int j = 0; j < H; j++) {
                double sum = wg_tensor_get(bias, j);
                for (int i = 0; i < X; i++)
                    sum += wg_tensor_get(x, (t * B + b) * X + i) * wg_tensor_get(wx, i * H + j);
                for (int i = 0; i < H; i++) sum += h[i] * wg_tensor_get(wh, i * H + j);
                next[j] = tanh(sum);
            }
            memcpy(h, next, sizeof h);
            for (int j = 0; j < H; j++) wg_tensor_set(y, (t * B + b) * H + j, h[j]);
        }
    }
    wg_tensor_set(y, 5, wg_tensor_get(y, 5) + off);
    WGT_OK(wg_npz_add_tensor(w, y_name, y, &why), &why);
    WGT_OK(wg_npz_finish(w, &why), &why);
    wg_tensor *all[] = {x, h0, wx, wh, bias, y};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) wg_tensor_free(all[i]);
}

static void test_reference(void **state)
{
    (void)state;
    char path[512], words[1024];
    snprintf(path, sizeof path, "%s/rnn.npz", dir);
    snprintf(words, sizeof words, "--cell rnn --reference '%s'", path);
    write_reference(path, 0, true, "y");
    expect_status(words, 0);
    expect("ok       y ");
    write_reference(path, 1e-6, true, "y");
    expect_status(words, 1);
    expect(" at [0,1,2]: ");
    char loose[1100];
    snprintf(loose, sizeof loose, "%s --reference-tolerance 1e-5", words);
    expect_status(loose, 0);
    write_reference(path, 0, false, "y");
    expect_status(words, 2);
    expect("no array 'b'");
    write_reference(path, 0, true, "out");
    expect_status(words, 2);
    expect("nothing to compare with");
    write_reference(path, 0, true, "hT"); /* [T,B,H] where [B,H] belongs */
    expect_status(words, 2);
    expect("'hT' is [3,2,3], should be [2,3]");
    expect_status("--cell rnn --reference /nowhere/at/all.npz", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_finds_what_is_wrong),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests(tests, set_up_tool, tear_down_tool);
}
