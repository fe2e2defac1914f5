/* Checkpoints on several threads at once; run under ThreadSanitizer. */
#include "checkpoint_test.h"

#include <pthread.h>

static wg_state *tree;
static char shared[1024];

static void *load_and_save(void *user)
{
    char own[1024];
    snprintf(own, sizeof own, "%s/own-%d.npz", io_dir, *(int *)user);
    for (int i = 0; i < 4; i++) {
        wg_error e;
        wg_state *b;
        wg_checkpoint_options o = {.size = sizeof o, .threads = 1 + i};
        if (wg_state_new(&b, &e) != WG_OK) return "no tree";
        wg_status status = i % 2 ? wg_checkpoint_load_state_sync(shared, b, &o, NULL, &e)
                                 : cp_load_uv(shared, b, &o, &e);
        if (status == WG_OK)
            status =
                i % 2 ? cp_save_uv(own, b, &o, &e) : wg_checkpoint_save_state_sync(own, b, &o, &e);
        bool same = status == WG_OK && wg_state_count(b) == wg_state_count(tree) &&
                    memcmp(wg_tensor_cdata(wg_state_tensor(b, "enc/W")),
                           wg_tensor_cdata(wg_state_tensor(tree, "enc/W")),
                           wg_tensor_bytes(wg_state_tensor(tree, "enc/W"))) == 0;
        wg_state_free(b);
        if (!same) return "not the same";
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t thread[3];
    int number[3] = {0, 1, 2};
    tree = cp_state();
    snprintf(shared, sizeof shared, "%s", io_path("shared.npz"));
    WGT_OK(wg_state_save(shared, tree, NULL, NULL), NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, load_and_save, &number[i]), 0);
    for (int i = 0; i < 3; i++) {
        void *what;
        pthread_join(thread[i], &what);
        if (what) fail_msg("thread %d: %s", i, (char *)what);
    }
    wg_state_free(tree);
}

static void *cancel(void *user)
{
    wg_save_cancel(user);
    return NULL;
}

/* Saving in the background while the caller goes on, and cancelling from elsewhere. */
static void test_background(void **state)
{
    (void)state;
    wg_state *a = cp_state(), *b;
    wg_error e;
    for (int i = 0; i < 6; i++) {
        wg_save_job *job;
        pthread_t other;
        WGT_OK(wg_save_begin(io_path("b.npz"), a, NULL, &job, &e), &e);
        wg_tensor_set(wg_state_tensor(a, "enc/W"), i, -1); /* the copy is what is saved */
        if (i % 2) {
            assert_int_equal(pthread_create(&other, NULL, cancel, job), 0);
            pthread_join(other, NULL);
        }
        while (i == 2 && !wg_save_done(job)) usleep(1000);
        wg_status status = wg_save_end(job, &e);
        if (i % 2)
            assert_true(status == WG_OK || status == WG_ECANCELED);
        else
            WGT_OK(status, &e);
        WGT_OK(wg_state_load(io_path("b.npz"), &b, &e), &e);
        assert_int_equal(wg_state_count(b), wg_state_count(a));
        wg_state_free(b);
    }
    wg_save_job *job;
    WGT_OK(wg_save_begin(io_path("no/folder.npz"), a, NULL, &job, &e), &e);
    WGT_STATUS(wg_save_end(job, &e), WG_ENOTFOUND, &e);
    wg_state_free(a);
}

/* Synchronous forms inside libuv's pool, on all of its threads: they need none of it. */
static void in_pool(uv_work_t *request)
{
    wg_state *b;
    *(wg_status *)request->data = wg_state_load(shared, &b, NULL);
    wg_state_free(b);
}

static void test_inside_the_pool(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_work_t work[8];
    wg_status status[8];
    wg_state *a = cp_state();
    WGT_OK(wg_state_save(shared, a, NULL, NULL), NULL);
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int i = 0; i < 8; i++) {
        work[i].data = &status[i];
        assert_int_equal(uv_queue_work(&loop, &work[i], in_pool, NULL), 0);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (int i = 0; i < 8; i++) assert_int_equal(status[i], WG_OK);
    wg_state_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_background),
                                       cmocka_unit_test(test_inside_the_pool)};
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
