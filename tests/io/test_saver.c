/* Saving beside a computation: what is written is what was given when the call was made; saves do
 * not mix; failures are told once, and cost nothing that was there; the last N stay. */
#include "io_test.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/saver.h>
#include <wengert/statefile.h>

enum { N = 300000 };

/* A tree whose every value is `value`. */
static wg_state *tree_of(wg_tensor *tensor, double value)
{
    wg_error e;
    wg_state *state;
    char text[32];
    wg_tensor_fill(tensor, value);
    snprintf(text, sizeof text, "{\"value\": %g}", value);
    WGT_OK(wg_state_new(&state, &e), &e);
    WGT_OK(wg_state_put_text(state, "state.json", text, strlen(text), &e), &e);
    WGT_OK(wg_state_ref_tensor(state, "w", tensor, &e), &e);
    return state;
}

static double value_in(const char *path)
{
    wg_error e;
    wg_state *state;
    char text[32];
    size_t length;
    WGT_OK(wg_state_load(path, &state, &e), &e);
    const wg_tensor *w = wg_state_tensor(state, "w");
    assert_non_null(w);
    double value = wg_tensor_get(w, 0);
    for (int64_t i = 0; i < wg_tensor_count(w); i++) assert_true(wg_tensor_get(w, i) == value);
    snprintf(text, sizeof text, "{\"value\": %g}", value);
    assert_string_equal(wg_state_text(state, "state.json", &length), text);
    wg_state_free(state);
    return value;
}

static wg_tensor *new_tensor(int64_t n)
{
    wg_error e;
    wg_tensor *tensor;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(n), &tensor, &e), &e);
    return tensor;
}

static wg_saver *new_saver(void)
{
    wg_error e;
    wg_saver *saver;
    WGT_OK(wg_saver_new(NULL, &saver, &e), &e);
    return saver;
}

static void save(wg_saver *saver, wg_tensor *tensor, double value, const char *path,
                 const wg_save_options *options)
{
    wg_error e;
    wg_state *state = tree_of(tensor, value);
    WGT_OK(wg_saver_save(saver, state, path, options, &e), &e);
    wg_state_free(state);
}

static void test_copies(void **state)
{
    (void)state;
    const char *path = io_path("copies.npz");
    wg_saver *saver = new_saver();
    wg_tensor *tensor = new_tensor(N);
    wg_saver_result result = {.size = sizeof result};
    assert_false(wg_saver_poll(saver, &result));
    assert_false(wg_saver_wait(saver, &result));
    assert_false(wg_saver_busy(saver));
    for (int i = 1; i <= 3; i++) {
        save(saver, tensor, i, path, NULL);
        wg_tensor_fill(tensor, -1);              /* while it is written */
        assert_true(wg_saver_wait(saver, NULL)); /* only asks */
        assert_true(wg_saver_poll(saver, &result));
        assert_false(wg_saver_poll(saver, &result));
        WGT_OK(result.error.status, &result.error);
        assert_true(result.bytes > 0 && result.written > 0);
        assert_true(value_in(path) == i);
    }
    /* One after the other, without waiting: the last one counts. */
    for (int i = 4; i <= 8; i++) save(saver, tensor, i, path, NULL);
    wg_saver_free(saver);
    assert_true(value_in(path) == 8);
    wg_tensor_free(tensor);
}

/* Trees of other forms: names that go, shapes that change. */
static void test_other_forms(void **state)
{
    (void)state;
    wg_saver *saver = new_saver();
    wg_tensor *large = new_tensor(N), *small = new_tensor(7);
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "form-%d.npz", i);
        save(saver, i % 2 ? small : large, i, io_path(name), NULL);
    }
    wg_saver_result result = {.size = sizeof result};
    assert_true(wg_saver_wait(saver, &result));
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "form-%d.npz", i);
        assert_true(value_in(io_path(name)) == i);
    }
    wg_saver_free(saver);
    wg_tensor_free(large);
    wg_tensor_free(small);
}

static void test_failure(void **state)
{
    (void)state;
    wg_error e;
    const char *path = io_path("full.npz");
    wg_saver *saver = new_saver();
    wg_tensor *tensor = new_tensor(N);
    wg_saver_result result = {.size = sizeof result};
    save(saver, tensor, 1, path, NULL);
    assert_true(wg_saver_wait(saver, &result));

    struct rlimit before, tight = {.rlim_cur = 4096};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    save(saver, tensor, 2, path, NULL);
    assert_true(wg_saver_wait(saver, NULL));
    /* Not taken: the next call tells it, and begins nothing; the one after that begins. */
    wg_state *next = tree_of(tensor, 3);
    wg_status failed = wg_saver_save(saver, next, path, NULL, &e);
    assert_true(failed != WG_OK);
    IO_CONTAINS(e, "full.npz");
    assert_false(wg_saver_busy(saver));
    /* The tree of the failed call, once more: still no room, then there is. */
    WGT_OK(wg_saver_again(saver, &e), &e);
    assert_true(wg_saver_wait(saver, &result));
    assert_int_equal(result.error.status, failed);
    assert_true(value_in(path) == 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    WGT_OK(wg_saver_again(saver, &e), &e);
    assert_true(wg_saver_wait(saver, &result));
    WGT_OK(result.error.status, &result.error);
    assert_true(value_in(path) == 2);
    WGT_OK(wg_saver_save(saver, next, path, NULL, &e), &e);
    assert_true(wg_saver_wait(saver, &result));
    assert_true(value_in(path) == 3);
    wg_state_free(next);

    next = tree_of(tensor, 4);
    WGT_STATUS(wg_saver_save(saver, next, "", NULL, &e), WG_EINVAL, &e);
    const wg_save_options wrong = {.size = sizeof wrong, .keep_last = -1};
    WGT_STATUS(wg_saver_save(saver, next, path, &wrong, &e), WG_EINVAL, &e);
    WGT_OK(wg_saver_save(saver, next, io_path("no/such/dir.npz"), NULL, &e), &e);
    assert_true(wg_saver_wait(saver, &result));
    assert_int_equal(result.error.status, WG_ENOTFOUND);
    wg_state_free(next);
    wg_saver_free(saver);
    saver = new_saver();
    WGT_STATUS(wg_saver_again(saver, &e), WG_ESTATE, &e);
    wg_saver_free(saver);
    const wg_saver_options bad = {.size = sizeof bad, .threads = -1};
    WGT_STATUS(wg_saver_new(&bad, &saver, &e), WG_EINVAL, &e);
    wg_tensor_free(tensor);
}

/* Files of the directory whose names begin with "kept", sorted, with a blank behind each. */
static const char *kept(void)
{
    static char text[1024];
    struct dirent **entry;
    int n = scandir(io_dir, &entry, NULL, alphasort);
    assert_true(n >= 0);
    text[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (strncmp(entry[i]->d_name, "kept", 4) == 0) strcat(strcat(text, entry[i]->d_name), " ");
        free(entry[i]);
    }
    free(entry);
    return text;
}

static void test_keeps_the_last(void **state)
{
    (void)state;
    const char *path = io_path("kept.npz");
    wg_saver *saver = new_saver();
    wg_tensor *tensor = new_tensor(5);
    wg_saver_result result = {.size = sizeof result};
    io_text("kept-12.npz", "not one of ours: too few digits");
    io_text("kept-000000099.npz", "of a run that went further");
    const int number[] = {0, 5, 7, 7, 8}, wanted = 3;
    for (int i = 0; i < 5; i++) {
        const wg_save_options how = {.size = sizeof how, .keep_last = wanted, .number = number[i]};
        save(saver, tensor, i, path, &how);
        assert_true(wg_saver_wait(saver, &result));
        WGT_OK(result.error.status, &result.error);
    }
    assert_string_equal(kept(), "kept-000000005.npz kept-000000007.npz kept-000000008.npz "
                                "kept-000000099.npz kept-12.npz kept.npz ");
    assert_true(value_in(path) == 4 && value_in(io_path("kept-000000008.npz")) == 4);
    assert_true(value_in(io_path("kept-000000007.npz")) == 3);
    assert_true(value_in(io_path("kept-000000005.npz")) == 1);
    /* It comes by the one of the run before, and on. */
    const wg_save_options how = {.size = sizeof how, .keep_last = 2, .number = 99};
    save(saver, tensor, 6, path, &how);
    const wg_save_options later = {.size = sizeof how, .keep_last = 2, .number = 1234567890123};
    save(saver, tensor, 7, path, &later);
    assert_true(wg_saver_wait(saver, &result));
    WGT_OK(result.error.status, &result.error);
    assert_string_equal(kept(), "kept-000000099.npz kept-12.npz kept-1234567890123.npz kept.npz ");
    assert_true(value_in(io_path("kept-000000099.npz")) == 6 && value_in(path) == 7);
    wg_saver_free(saver);
    wg_tensor_free(tensor);
}

/* Out of memory anywhere: an error, from the call or as the result, nothing lost, and the next save
 * goes well. */
static void test_out_of_memory(void **state)
{
    (void)state;
    wg_error e;
    const char *path = io_path("memory.npz");
    bool reached = true;
    for (size_t n = 1; reached; n++) {
        wg_saver *saver = NULL;
        wg_state *tree = NULL;
        wg_tensor *tensor = NULL;
        wg_saver_result result = {.size = sizeof result};
        const wg_save_options how = {.size = sizeof how, .keep_last = 1, .number = 3};
        wgt_fail_alloc_at(n);
        wg_status status = wg_tensor_new(WG_F32, WG_SHAPE(1000), &tensor, &e);
        if (!status) status = wg_state_new(&tree, &e);
        if (!status) status = wg_state_ref_tensor(tree, "w", tensor, &e);
        if (!status) status = wg_state_put_text(tree, "t", "x", 1, &e);
        if (!status) status = wg_saver_new(NULL, &saver, &e);
        if (!status) status = wg_saver_save(saver, tree, path, &how, &e);
        if (!status && wg_saver_wait(saver, &result)) status = result.error.status;
        reached = wgt_alloc_count() >= n;
        if (status) assert_int_equal(status, WG_ENOMEM);
        assert_true(reached || status == WG_OK);
        if (saver && tree && status) {
            WGT_OK(wg_saver_save(saver, tree, path, &how, &e), &e);
            assert_true(wg_saver_wait(saver, &result));
            WGT_OK(result.error.status, &result.error);
        }
        wg_saver_free(saver);
        wg_state_free(tree);
        wg_tensor_free(tensor);
        assert_int_equal(wgt_alloc_live(), 0);
        wgt_alloc_restore();
    }
}

static void test_leftovers(void **state)
{
    (void)state;
    wg_error e;
    int removed = -1;
    char name[64];
    const char *dead = ".wengert-tmp-2147483647-0"; /* beyond any process id */
    WGT_OK(wg_atomic_clean(io_dir, &removed, &e), &e);
    assert_int_equal(removed, 0);
    io_text(dead, "half");
    snprintf(name, sizeof name, ".wengert-tmp-%ld-3", (long)getppid());
    io_text(name, "being written");
    io_text(".wengert-tmp-x-3", "not ours");
    io_text(".wengert-tmp-2147483647-", "not ours");
    io_text(".wengert-tmp-99999999999999999999-1", "not ours");
    WGT_OK(wg_atomic_clean(io_dir, &removed, &e), &e);
    assert_int_equal(removed, 1);
    assert_int_equal(access(io_path(dead), F_OK), -1);
    assert_int_equal(access(io_path(name), F_OK), 0);
    WGT_STATUS(wg_atomic_clean(io_path("no/dir"), &removed, &e), WG_ENOTFOUND, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),    cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_failure),   cmocka_unit_test(test_keeps_the_last),
        cmocka_unit_test(test_leftovers), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
