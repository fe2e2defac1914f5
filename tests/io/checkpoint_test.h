/* What the tests of checkpoints share: trees, parameters, comparing, and running a loop. */
#ifndef WENGERT_TESTS_CHECKPOINT_TEST_H
#define WENGERT_TESTS_CHECKPOINT_TEST_H

#include "io_test.h"

#include <stdlib.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/statefile.h>
#include <wengert/uv.h>

#include "npz_private.h"

/* Values that do not repeat and compress a little, as weights do. */
static inline wg_tensor *cp_tensor(wg_dtype dtype, wg_shape shape, uint32_t seed)
{
    wg_tensor *t;
    WGT_OK(wg_tensor_new(dtype, shape, &t, NULL), NULL);
    uint32_t x = seed * 2654435761u + 1;
    for (int64_t i = 0; i < wg_tensor_count(t); i++) {
        x = x * 1664525u + 1013904223u;
        wg_tensor_set(t, i,
                      dtype == WG_F32 || dtype == WG_F64 ? (double)(x >> 8) / 4e6 - 2
                                                         : (double)(x >> 26));
    }
    return t;
}

static inline void cp_put(wg_state *s, const char *name, wg_dtype dtype, wg_shape shape)
{
    WGT_OK(wg_state_put_tensor(s, name, cp_tensor(dtype, shape, (uint32_t)strlen(name)), NULL),
           NULL);
}

/* A tree with a tensor of several chunks of 1 MiB, small ones, and texts. */
static inline wg_state *cp_state(void)
{
    wg_state *s;
    WGT_OK(wg_state_new(&s, NULL), NULL);
    WGT_OK(wg_state_put_text(s, "config.json", "{\"a\": 1}", 8, NULL), NULL);
    cp_put(s, "enc/W", WG_F32, WG_SHAPE(1000, 700));
    cp_put(s, "enc/b", WG_F64, WG_SHAPE(7));
    cp_put(s, "step", WG_I32, WG_SCALAR);
    cp_put(s, "none", WG_F32, WG_SHAPE(0, 4));
    cp_put(s, "mask", WG_U8, WG_SHAPE(3, 5));
    WGT_OK(wg_state_put_text(s, "empty", "", 0, NULL), NULL);
    cp_put(s, "big", WG_U8, WG_SHAPE(1 << 20, 3));
    return s;
}

static inline void cp_assert_same_tensor(const wg_tensor *a, const wg_tensor *b)
{
    assert_non_null(a);
    assert_non_null(b);
    wg_shape x = wg_tensor_shape(a), y = wg_tensor_shape(b);
    assert_int_equal(wg_tensor_dtype(a), wg_tensor_dtype(b));
    assert_true(wg_shape_equal(&x, &y));
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

static inline void cp_assert_same(const wg_state *a, const wg_state *b)
{
    assert_int_equal(wg_state_count(a), wg_state_count(b));
    for (int i = 0; i < wg_state_count(a); i++) {
        assert_string_equal(wg_state_name(a, i), wg_state_name(b, i));
        if (wg_state_tensor_at(a, i)) {
            cp_assert_same_tensor(wg_state_tensor_at(a, i), wg_state_tensor_at(b, i));
        } else {
            size_t m = 0, n = 1;
            const char *x = wg_state_text_at(a, i, &m), *y = wg_state_text_at(b, i, &n);
            assert_int_equal(m, n);
            assert_memory_equal(x, y, n + 1);
        }
    }
}

/* Two parameters, W [3,4] and b [4]. */
static inline wg_params *cp_params(wg_shape w)
{
    wg_params *p;
    wg_init normal = {.kind = WG_INIT_NORMAL, .b = 1};
    WGT_OK(wg_params_new(WG_F32, &p, NULL), NULL);
    WGT_OK(wg_params_add(p, "W", w, &normal, NULL, NULL), NULL);
    WGT_OK(wg_params_add(p, "b", WG_SHAPE(4), &normal, NULL, NULL), NULL);
    WGT_OK(wg_params_init(p, 1, NULL), NULL);
    return p;
}

/* How a request ended; `data` of requests points to one. */
typedef struct cp_end {
    int calls;
    wg_status status;
    wg_error error;
    wg_load_report *report;
} cp_end;

static inline void cp_loaded(wg_checkpoint_load_t *r, wg_status status)
{
    cp_end *end = r->data;
    end->calls++;
    end->status = status;
    if (status != WG_OK) end->error = r->error;
    end->report = r->report;
}

static inline void cp_saved(wg_checkpoint_save_t *r, wg_status status)
{
    cp_end *end = r->data;
    end->calls++;
    end->status = status;
    if (status != WG_OK) end->error = r->error;
}

/* Loads or saves a tree on a loop of its own and returns how it ended. */
static inline wg_status cp_load_uv(const char *path, wg_state *state,
                                   const wg_checkpoint_options *o, wg_error *err)
{
    uv_loop_t loop;
    cp_end end = {0};
    wg_checkpoint_load_t r = {.data = &end};
    assert_int_equal(uv_loop_init(&loop), 0);
    wg_status status = wg_checkpoint_load_state(&loop, &r, path, state, o, cp_loaded, err);
    assert_int_equal(end.calls, 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(end.calls, status == WG_OK);
    wg_load_report_free(end.report);
    if (status != WG_OK) return status;
    if (end.status != WG_OK && err) *err = end.error;
    return end.status;
}

static inline wg_status cp_save_uv(const char *path, const wg_state *state,
                                   const wg_checkpoint_options *o, wg_error *err)
{
    uv_loop_t loop;
    cp_end end = {0};
    wg_checkpoint_save_t r = {.data = &end};
    assert_int_equal(uv_loop_init(&loop), 0);
    wg_status status = wg_checkpoint_save_state(&loop, &r, path, state, o, cp_saved, err);
    assert_int_equal(end.calls, 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(end.calls, status == WG_OK);
    if (status != WG_OK) return status;
    if (end.status != WG_OK && err) *err = end.error;
    return end.status;
}

/* Files in the test's directory but those that tests made: what a failed save left behind. */
static inline int cp_leftovers(void)
{
    char command[1200];
    snprintf(command, sizeof command, "ls -A '%s' | grep -q wengert-tmp", io_dir);
    return system(command) == 0;
}

/* A file of some 3 KiB with a member of eight chunks, stored and deflated ones, and a text. */
static inline wg_state *cp_small_tree(void)
{
    wg_state *s;
    WGT_OK(wg_state_new(&s, NULL), NULL);
    cp_put(s, "W", WG_F32, WG_SHAPE(16, 30));
    cp_put(s, "step", WG_I32, WG_SCALAR);
    cp_put(s, "zeros", WG_U8, WG_SHAPE(300));
    wg_tensor_fill(wg_state_tensor(s, "zeros"), 0);
    WGT_OK(wg_state_put_text(s, "config.json", "{\"layers\": 2}", 13, NULL), NULL);
    return s;
}

static inline wg_status cp_write_small(const char *path, const wg_state *s, bool zip64, wg_error *e)
{
    wg_npz_writer *w;
    wg_status status = wg_npz_create(path, NULL, &w, e);
    if (status != WG_OK) return status;
    wg__npz_force_chunks(w, 8);
    if (zip64) wg__npz_force_zip64(w);
    for (int i = 0; i < wg_state_count(s) && status == WG_OK; i++) {
        size_t length;
        const char *text = wg_state_text_at(s, i, &length);
        status = text ? wg_npz_add_bytes(w, wg_state_name(s, i), text, length, e)
                      : wg_npz_add_tensor(w, wg_state_name(s, i), wg_state_tensor_at(s, i), e);
    }
    if (status == WG_OK) return wg_npz_finish(w, e);
    wg_npz_abort(w);
    return status;
}

/* Was it refused? What is not must be what was saved; a refused file leaves nothing in the tree. */
static inline bool cp_refused_or_same(const char *path, const wg_state *a, bool uv)
{
    wg_error e;
    wg_state *b;
    wg_checkpoint_options o = {.size = sizeof o, .threads = 2};
    WGT_OK(wg_state_new(&b, NULL), NULL);
    wg_status status =
        uv ? cp_load_uv(path, b, &o, &e) : wg_checkpoint_load_state_sync(path, b, &o, NULL, &e);
    if (status == WG_OK) {
        cp_assert_same(a, b);
    } else {
        assert_int_equal(wg_state_count(b), 0);
        IO_CONTAINS(e, path);
    }
    wg_state_free(b);
    return status != WG_OK;
}

#endif
