/* What the tests of npz share: an archive of all dtypes and forms, written and read. */
#ifndef WENGERT_TESTS_NPZ_TEST_H
#define WENGERT_TESTS_NPZ_TEST_H

#include "io_test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/npz.h>
#include <wengert/statefile.h>

#include "npz_private.h"

static inline wg_tensor *sample(wg_dtype dtype, wg_shape shape, double scale)
{
    wg_tensor *t;
    WGT_OK(wg_tensor_new(dtype, shape, &t, NULL), NULL);
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, scale * (double)(i + 1));
    return t;
}

static inline void assert_same(const wg_tensor *a, const wg_tensor *b)
{
    wg_shape x = wg_tensor_shape(a), y = wg_tensor_shape(b);
    assert_int_equal(wg_tensor_dtype(a), wg_tensor_dtype(b));
    assert_true(wg_shape_equal(&x, &y));
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

enum { SAMPLES = 6 };

static inline void make_samples(wg_tensor *t[SAMPLES])
{
    t[0] = sample(WG_F32, WG_SHAPE(3, 5), 0.25);
    t[1] = sample(WG_F64, WG_SHAPE(7), 1e-3);
    t[2] = sample(WG_I32, WG_SCALAR, -3);
    t[3] = sample(WG_U8, WG_SHAPE(2, 1, 3, 1, 2, 2), 1);
    t[4] = sample(WG_F32, WG_SHAPE(0, 4), 1);
    t[5] = sample(WG_F32, WG_SHAPE(20, 40), 0.125);
    wg_tensor_set(t[1], 2, NAN);
    wg_tensor_set(t[1], 3, -INFINITY);
}

static const char *const sample_name[SAMPLES] = {"enc.0.W", "dir/b", "step",
                                                 "mask",    "none",  "gro\xC3\x9F"};

static inline wg_status write_samples(const char *path, wg_tensor *t[SAMPLES],
                                      const wg_npz_options *o, bool zip64, wg_error *err)
{
    wg_npz_writer *w;
    wg_status status = wg_npz_create(path, o, &w, err);
    if (status != WG_OK) return status;
    if (zip64) wg__npz_force_zip64(w);
    for (int i = 0; i < SAMPLES && status == WG_OK; i++)
        status = wg_npz_add_tensor(w, sample_name[i], t[i], err);
    if (status == WG_OK) status = wg_npz_add_bytes(w, "config.json", "{\"a\": 1}", 8, err);
    if (status == WG_OK) status = wg_npz_add_bytes(w, "empty", NULL, 0, err);
    if (status != WG_OK) {
        wg_npz_abort(w);
        return status;
    }
    return wg_npz_finish(w, err);
}

/* Reads all members; compares whatever is read under a known name. */
static inline wg_status read_samples(wg_npz *npz, wg_tensor *t[SAMPLES])
{
    for (int64_t i = 0; i < wg_npz_count(npz); i++) {
        if (wg_npz_is_tensor(npz, i)) {
            wg_tensor *got;
            wg_status status = wg_npz_read_tensor(npz, i, &got, NULL);
            if (status != WG_OK) return status;
            for (int k = 0; k < SAMPLES; k++)
                if (strcmp(sample_name[k], wg_npz_name(npz, i)) == 0) assert_same(got, t[k]);
            wg_tensor_free(got);
        } else {
            char *bytes;
            size_t size;
            wg_status status = wg_npz_read_bytes(npz, i, &bytes, &size, NULL);
            if (status != WG_OK) return status;
            if (strcmp(wg_npz_name(npz, i), "config.json") == 0)
                assert_string_equal(bytes, "{\"a\": 1}");
            wg_free(bytes);
        }
    }
    return WG_OK;
}

#endif
