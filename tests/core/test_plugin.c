/* The plugin loader and the table of functions: what loads works as built-in things do, everything
 * else is refused with a message that names the file, and nothing crashes on an older host.
 *
 * The registry closes with the first tape, so the order of the tests matters. */
#include "support.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same sources linked in. */
#define WENGERT_STATIC_PLUGIN
#include "examples/plugins/swish_op.c"
WG_PLUGIN_DECLARE(swish_op);

static char dir[256], mgu_so[4096], swish_so[4096];

static int setup(void **state)
{
    (void)state;
    const char *plugins = getenv("WENGERT_PLUGINS");
    if (!plugins) plugins = WGT_BUILD_DIR "/plugins";
    snprintf(mgu_so, sizeof mgu_so, "%s/mgu.so", plugins);
    snprintf(swish_so, sizeof swish_so, "%s/swish_op.so", plugins);
    return wgt_temp_dir(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    wgt_remove_tree(dir);
    return 0;
}

static void need_plugins(void)
{
    if (access(mgu_so, R_OK) != 0 || access(swish_so, R_OK) != 0) skip();
}

static void expect(const wg_error *err, const char *wanted)
{
    if (!strstr(err->message, wanted)) fail_msg("'%s' is not in '%s'", wanted, err->message);
}

static void put_file(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void test_refuses_files(void **state)
{
    (void)state;
    wg_error err;
    char path[512];
    WGT_STATUS(wg_plugin_load(NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_plugin_load("", &err), WG_EINVAL, &err);
    WGT_STATUS(wg_plugin_load("/nowhere/at/all.so", &err), WG_ENOTFOUND, &err);
    expect(&err, "/nowhere/at/all.so");
    WGT_STATUS(wg_plugin_load(dir, &err), WG_EPLUGIN, &err);
    expect(&err, "not a file");
    snprintf(path, sizeof path, "%s/fifo.so", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    WGT_STATUS(wg_plugin_load(path, NULL), WG_EPLUGIN, NULL); /* and does not wait for a writer */
    snprintf(path, sizeof path, "%s/text.so", dir);
    put_file(path, "not an object\n", 14);
    WGT_STATUS(wg_plugin_load(path, &err), WG_EPLUGIN, &err);
    expect(&err, "text.so");
    put_file(path, "", 0);
    WGT_STATUS(wg_plugin_load(path, &err), WG_EPLUGIN, &err);
    snprintf(path, sizeof path, "%s/closed.so", dir);
    put_file(path, "x", 1);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0) /* not as root */
        WGT_STATUS(wg_plugin_load(path, &err), WG_EPLUGIN, &err);
    assert_int_equal(wg_plugin_count(), 0);
    assert_null(wg_plugin_path(0));
    assert_null(wg_plugin_path(-1));
}

/* An object cut short anywhere: a message, and not the SIGBUS that the system's loader would end
 * in. */
static void test_refuses_truncated(void **state)
{
    (void)state;
    need_plugins();
    char path[512];
    wg_error err;
    FILE *file = fopen(mgu_so, "r");
    assert_non_null(file);
    char *bytes = wg_malloc(1 << 20);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    snprintf(path, sizeof path, "%s/cut.so", dir);
    for (size_t keep = 1; keep <= 8192 && keep < n; keep += 113) {
        put_file(path, bytes, keep);
        WGT_STATUS(wg_plugin_load(path, &err), WG_EPLUGIN, &err);
        expect(&err, "cut.so");
    }
    wg_free(bytes);
}

static bool compile(const char *name, const char *source)
{
    char command[4096], path[512];
    snprintf(path, sizeof path, "%s/%s.c", dir, name);
    put_file(path, source, strlen(source));
    snprintf(command, sizeof command,
             "cc -fPIC -shared -I'%s/core/include' -I'%s/ops/include' -I'%s/models/include' "
             "-I'%s/io/include' -I'%s/serve/include' -I'%s/generated' -o '%s/%s.so' '%s'",
             WGT_SOURCE_DIR, WGT_SOURCE_DIR, WGT_SOURCE_DIR, WGT_SOURCE_DIR, WGT_SOURCE_DIR,
             WGT_BUILD_DIR, dir, name, path);
    return system(command) == 0;
}

static void load_compiled(const char *name, wg_status wanted, const char *message)
{
    char path[512];
    wg_error err;
    snprintf(path, sizeof path, "%s/%s.so", dir, name);
    WGT_STATUS(wg_plugin_load(path, &err), wanted, &err);
    expect(&err, path);
    expect(&err, message);
}

static void test_refuses_what_is_no_plugin(void **state)
{
    (void)state;
    if (system("command -v cc >/dev/null") != 0) skip();
    assert_true(
        compile("noentry", "int something_else(void); int something_else(void) { return 1; }"));
    load_compiled("noentry", WG_EPLUGIN, "has no function wengert_plugin");
    /* WENGERT_PLUGIN was forgotten: names of the library are left open. Bound now, not in the
     * middle of a run. */
    assert_true(compile("open", "#include <wengert.h>\n"
                                "wg_status wengert_plugin(const wg_host *h, wg_error *err);\n"
                                "wg_status wengert_plugin(const wg_host *h, wg_error *err)\n"
                                "{ (void)h; return wg_error_set(err, WG_EINVAL, \"x\"); }"));
    load_compiled("open", WG_EPLUGIN, "defines WENGERT_PLUGIN before it includes");
    /* Its registration fails, with and without a message. */
    assert_true(compile("fails", "#define WENGERT_PLUGIN\n#include <wengert.h>\n"
                                 "static wg_status r(wg_error *err)\n"
                                 "{ return wg_error_set(err, WG_ELIMIT, \"no %s\", \"luck\"); }\n"
                                 "WG_PLUGIN_MAIN(fails, r);"));
    load_compiled("fails", WG_ELIMIT, "no luck");
    assert_true(compile("silent", "#define WENGERT_PLUGIN\n#include <wengert.h>\n"
                                  "static wg_status r(wg_error *err)\n"
                                  "{ (void)err; return WG_ENOMEM; }\n"
                                  "WG_PLUGIN_MAIN(silent, r);"));
    load_compiled("silent", WG_ENOMEM, "out of memory");
    /* A descriptor that is not well formed. */
    assert_true(compile("badop",
                        "#define WENGERT_PLUGIN\n#include <wengert.h>\n"
                        "static const wg_op op = {.size = sizeof(wg_op), .name = \"x.y\"};\n"
                        "static wg_status r(wg_error *err)\n"
                        "{ return wg_register_op(&op, err); }\n"
                        "WG_PLUGIN_MAIN(badop, r);"));
    load_compiled("badop", WG_EINVAL, "traits must hold exactly one family");
    assert_int_equal(wg_plugin_count(), 0);
}

/* ---- the table ---- */

static wg_plugin_entry entry_of(const char *path)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol;
    wg_plugin_entry entry;
    assert_non_null(object);
    symbol = dlsym(object, WG_PLUGIN_ENTRY);
    assert_non_null(symbol);
    memcpy(&entry, &symbol, sizeof entry);
    return entry;
}

static void test_table_is_full(void **state)
{
    (void)state;
    const wg_host *host = wg_plugin_host();
    assert_int_equal(host->size, sizeof *host);
    assert_int_equal(host->abi, WG_PLUGIN_ABI);
#define PRESENT_F(type, name, params, args) assert_true(host->name != NULL);
#define PRESENT_P(name, params, args) assert_true(host->name != NULL);
    WG_HOST_API(PRESENT_F, PRESENT_P)
}

/* Hosts of other versions: every shorter table, another interface, a function missing. */
static void test_other_hosts(void **state)
{
    (void)state;
    need_plugins();
    wg_plugin_entry entry = entry_of(mgu_so);
    wg_error err;
    wg_host host = *wg_plugin_host();
    for (size_t size = 0; size < sizeof host; size++) {
        host.size = size;
        WGT_STATUS(entry(&host, &err), WG_EVERSION, &err);
        assert_int_equal(err.status, WG_EVERSION);
        expect(&err, "mgu: ");
    }
    expect(&err, "made for a newer wengert: this one has no function wg_");
    host = *wg_plugin_host();
    host.wg_matmul = NULL;
    WGT_STATUS(entry(&host, &err), WG_EVERSION, &err);
    expect(&err, "no function wg_matmul");
    host = *wg_plugin_host();
    host.abi = WG_PLUGIN_ABI + 1;
    WGT_STATUS(entry(&host, &err), WG_EVERSION, &err);
    expect(&err, "compile the plugin again");
    WGT_STATUS(entry(NULL, &err), WG_EVERSION, &err);
    WGT_STATUS(entry(NULL, NULL), WG_EVERSION, NULL);
    assert_null(wg_find_cell("mgu"));
}

/* ---- loading ---- */

static void test_loads(void **state)
{
    (void)state;
    need_plugins();
    wg_error err;
    char link[512], absolute[4096];
    assert_null(wg_find_cell("mgu"));
    WGT_OK(wg_plugin_load(mgu_so, &err), &err);
    assert_non_null(wg_find_cell("mgu"));
    assert_int_equal(wg_plugin_count(), 1);
    assert_non_null(realpath(mgu_so, absolute));
    assert_string_equal(wg_plugin_path(0), absolute);
    /* Again, by another name of the same file: nothing happens. */
    snprintf(link, sizeof link, "%s/link.so", dir);
    assert_int_equal(symlink(absolute, link), 0);
    WGT_OK(wg_plugin_load(link, &err), &err);
    assert_int_equal(wg_plugin_count(), 1);
    assert_null(wg_plugin_path(1));
    /* Linked in, and then met again as a shared object: one registry, so the name is taken. */
    WGT_OK(wengert_plugin_swish_op(&err), &err);
    WGT_STATUS(wengert_plugin_swish_op(&err), WG_EEXIST, &err);
    WGT_STATUS(wg_plugin_load(swish_so, &err), WG_EEXIST, &err);
    expect(&err, "swish_op.so");
    expect(&err, "op 'example.swish' is registered already");
    assert_int_equal(wg_plugin_count(), 1);
}

/* The plugin's own functions record through the table onto tapes of this library. */
static void test_cell_computes(void **state)
{
    (void)state;
    need_plugins();
    enum { STEPS = 3, ROWS = 2, INPUTS = 4, HIDDEN = 3 };
    wg_error err;
    wg_params *p;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_tensor *x;
    const wg_rnn_config config = {.size = sizeof config,
                                  .cell = wg_find_cell("mgu"),
                                  .input_size = INPUTS,
                                  .hidden_size = HIDDEN};
    WGT_OK(wg_params_new(WG_F64, &p, &err), &err);
    WGT_OK(wg_rnn_new(p, "m", &config, &rnn, &err), &err);
    WGT_OK(wg_params_init(p, 3, &err), &err);
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(STEPS, ROWS, INPUTS), &x, &err), &err);
    for (int i = 0; i < STEPS * ROWS * INPUTS; i++) wg_tensor_set(x, i, sin(i));
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var y;
    WGT_OK(wg_rnn_run(tape, rnn, NULL, wg_tensor_var(tape, x), &y, NULL), NULL);
    WGT_OK(wg_eval(&y, 1, NULL, &err), &err);

    /* The equations of Zhou et al. in plain C. */
    const wg_tensor *w[6];
    for (int i = 0; i < 6; i++) w[i] = wg_params_value(p, wg_rnn_param(rnn, 0, 0, i));
    for (int b = 0; b < ROWS; b++) {
        double h[HIDDEN] = {0};
        for (int t = 0; t < STEPS; t++) {
            double f[HIDDEN], c[HIDDEN];
            for (int j = 0; j < HIDDEN; j++) {
                double sum = wg_tensor_get(w[2], j);
                for (int i = 0; i < INPUTS; i++)
                    sum += wg_tensor_get(x, (t * ROWS + b) * INPUTS + i) *
                           wg_tensor_get(w[0], i * HIDDEN + j);
                for (int i = 0; i < HIDDEN; i++) sum += h[i] * wg_tensor_get(w[1], i * HIDDEN + j);
                f[j] = 1 / (1 + exp(-sum));
            }
            for (int j = 0; j < HIDDEN; j++) {
                double sum = wg_tensor_get(w[5], j);
                for (int i = 0; i < INPUTS; i++)
                    sum += wg_tensor_get(x, (t * ROWS + b) * INPUTS + i) *
                           wg_tensor_get(w[3], i * HIDDEN + j);
                for (int i = 0; i < HIDDEN; i++)
                    sum += f[i] * h[i] * wg_tensor_get(w[4], i * HIDDEN + j);
                c[j] = tanh(sum);
            }
            for (int j = 0; j < HIDDEN; j++) {
                h[j] = (1 - f[j]) * h[j] + f[j] * c[j];
                WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 0), (t * ROWS + b) * HIDDEN + j), h[j],
                         1e-14);
            }
        }
    }
    wg_tape_free(tape);
    wg_tensor_free(x);
    wg_rnn_free(rnn);
    wg_params_free(p);
}

static void test_too_late(void **state)
{
    (void)state;
    need_plugins();
    wg_error err;
    wg_tape *tape;
    char copy[600], command[9000];
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tape_free(tape);
    snprintf(copy, sizeof copy, "%s/late.so", dir);
    snprintf(command, sizeof command, "cp '%s' '%s'", mgu_so, copy);
    assert_int_equal(system(command), 0);
    WGT_STATUS(wg_plugin_load(copy, &err), WG_ESTATE, &err);
    expect(&err, "comes too late: plugins are loaded before the first tape is made");
    WGT_OK(wg_plugin_load(mgu_so, &err), &err); /* is there already */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_files),
        cmocka_unit_test(test_refuses_truncated),
        cmocka_unit_test(test_refuses_what_is_no_plugin),
        cmocka_unit_test(test_table_is_full),
        cmocka_unit_test(test_other_hosts),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_cell_computes),
        cmocka_unit_test(test_too_late),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
