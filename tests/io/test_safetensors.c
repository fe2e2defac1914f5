/* safetensors: what is written is read back, every type, and every kind of broken header; the one
 * face of all formats; figures of a tensor. */
#include "io_test.h"

#include <math.h>
#include <stdlib.h>

#include <wengert/atomicfile.h>
#include <wengert/npz.h>
#include <wengert/safetensors.h>
#include <wengert/statefile.h>
#include <wengert/tensorfile.h>

static wg_tensor *numbers(wg_dtype dtype, wg_shape shape, double first, double step)
{
    wg_tensor *t;
    wg_error e;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &e), &e);
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, first + step * (double)i);
    return t;
}

static wg_state *sample(void)
{
    wg_state *s;
    wg_error e;
    WGT_OK(wg_state_new(&s, &e), &e);
    WGT_OK(wg_state_put_tensor(s, "bytes", numbers(WG_U8, WG_SHAPE(5), 1, 1), &e), &e);
    WGT_OK(wg_state_put_tensor(s, "enc.W", numbers(WG_F32, WG_SHAPE(2, 3), -1, 0.5), &e), &e);
    WGT_OK(wg_state_put_text(s, "config.json", "{\"a\": \"\xC3\xA4\"}", 11, &e), &e);
    WGT_OK(wg_state_put_tensor(s, "wide", numbers(WG_F64, WG_SHAPE(2, 1, 2), 0.1, 1), &e), &e);
    WGT_OK(wg_state_put_tensor(s, "ids", numbers(WG_I32, WG_SHAPE(3), -7, 5), &e), &e);
    WGT_OK(wg_state_put_tensor(s, "none", numbers(WG_F32, WG_SHAPE(0, 4), 0, 0), &e), &e);
    WGT_OK(wg_state_put_tensor(s, "scalar", numbers(WG_F32, WG_SCALAR, 3, 0), &e), &e);
    return s;
}

static void same(const wg_tensor *a, const wg_tensor *b)
{
    wg_shape p = wg_tensor_shape(a), q = wg_tensor_shape(b);
    assert_int_equal(wg_tensor_dtype(a), wg_tensor_dtype(b));
    assert_true(wg_shape_equal(&p, &q));
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

/* Each format, through the one face. */
static void test_formats(void **state)
{
    (void)state;
    static const char *const name[] = {"x.npz", "x.safetensors"};
    wg_state *s = sample();
    wg_error e;
    for (int k = 0; k < 2; k++) {
        const char *path = io_path(name[k]);
        assert_int_equal(wg_file_format_of(path), k ? WG_FILE_SAFETENSORS : WG_FILE_NPZ);
        WGT_OK(wg_tensorfile_save(path, k ? WG_FILE_SAFETENSORS : WG_FILE_NPZ, s, &e), &e);
        wg_tensorfile *f;
        WGT_OK(wg_tensorfile_open(path, &f, &e), &e);
        assert_int_equal(wg_tensorfile_count(f), wg_state_count(s));
        for (int64_t i = 0; i < wg_tensorfile_count(f); i++) {
            WGT_OK(wg_tensorfile_verify(f, i, &e), &e);
            if (!wg_tensorfile_is_tensor(f, i)) {
                char *text;
                size_t length;
                assert_string_equal(wg_tensorfile_name(f, i), "config.json");
                WGT_OK(wg_tensorfile_text(f, i, &text, &length, &e), &e);
                assert_int_equal(length, 11);
                assert_string_equal(text, "{\"a\": \"\xC3\xA4\"}");
                wg_free(text);
                continue;
            }
            wg_tensor *t;
            WGT_OK(wg_tensorfile_tensor(f, i, &t, &e), &e);
            same(t, wg_state_tensor(s, wg_tensorfile_name(f, i)));
            wg_tensor_free(t);
        }
        wg_tensorfile_close(f);
    }
    WGT_STATUS(wg_tensorfile_save(io_path("x.npy"), WG_FILE_NPY, s, &e), WG_EINVAL, &e);
    wg_state_free(s);
    WGT_OK(wg_state_new(&s, &e), &e);
    WGT_OK(wg_state_put_tensor(s, "any", numbers(WG_F64, WG_SHAPE(3, 2), 1, 1), &e), &e);
    WGT_OK(wg_tensorfile_save(io_path("one.npy"), WG_FILE_NPY, s, &e), &e);
    wg_tensorfile *f;
    wg_tensor *t;
    WGT_OK(wg_tensorfile_open(io_path("one.npy"), &f, &e), &e);
    assert_string_equal(wg_tensorfile_name(f, 0), "one");
    WGT_OK(wg_tensorfile_tensor(f, 0, &t, &e), &e);
    same(t, wg_state_tensor_at(s, 0));
    wg_tensor_free(t);
    wg_tensorfile_close(f);
    /* Cut anywhere, it is refused. */
    char *bytes;
    size_t size;
    WGT_OK(wg_file_read(io_path("one.npy"), 0, &bytes, &size, &e), &e);
    for (size_t cut = 0; cut < size; cut++) {
        if (wg_tensorfile_open(io_file("cut.npy", bytes, cut), &f, &e) != WG_OK) continue;
        WGT_STATUS(wg_tensorfile_tensor(f, 0, &t, &e), WG_EFORMAT, &e);
        IO_CONTAINS(e, "cut.npy");
        assert_null(t);
        wg_tensorfile_close(f);
    }
    wg_free(bytes);
    wg_state_free(s);
    WGT_STATUS(wg_tensorfile_open(io_text("text", "hello, this is text"), &f, &e), WG_EFORMAT, &e);
    WGT_STATUS(wg_tensorfile_open(io_path("absent"), &f, &e), WG_ENOTFOUND, &e);
    WGT_STATUS(wg_tensorfile_open(io_text("void", ""), &f, &e), WG_EFORMAT, &e);
}

/* A file of a header and `size` bytes of data, in memory that has no byte more. */
static wg_status open_bytes(const char *header, const void *data, size_t size, wg_safetensors **f,
                            char **bytes, wg_error *e)
{
    size_t n = strlen(header);
    *bytes = malloc(8 + n + size);
    for (int i = 0; i < 8; i++) (*bytes)[i] = (char)(n >> 8 * i);
    memcpy(*bytes + 8, header, n);
    if (size) memcpy(*bytes + 8 + n, data, size);
    return wg_safetensors_open_memory("mem", *bytes, 8 + n + size, f, e);
}

static void refused(const char *header, size_t size, const char *part)
{
    static const char zeros[64];
    wg_safetensors *f;
    wg_error e;
    char *bytes;
    wg_status status = open_bytes(header, zeros, size, &f, &bytes, &e);
    if (status != WG_EFORMAT) print_error("%s\n", header);
    WGT_STATUS(status, WG_EFORMAT, &e);
    IO_CONTAINS(e, part);
    IO_CONTAINS(e, "mem");
    assert_null(f);
    free(bytes);
}

static void test_refused(void **state)
{
    (void)state;
#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
    refused("[]", 0, "does not begin with '{'");
    refused("{ x", 0, "not a JSON object");
    refused("{} x", 0, "not a JSON object");
    refused("{" A "}", 7, "outside the file");
    refused("{" A "}", 9, "belong to no tensor");
    refused("{" A "," A "}", 8, "overlaps");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
            0, "stands there twice");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
            "size of its data");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "wrong shape");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}", 8, "wrong shape");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
            "\"data_offsets\":[0,8]}}",
            8, "overflows");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e99]}}", 8, "outside");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "no shape");
    refused("{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no dtype");
    refused("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no dtype");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "outside");
    refused("{\"a\":7}", 0, "no dtype");
    refused("{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "empty");
    refused("{\"\xFF\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "UTF-8");
    refused("{\"__metadata__\":{\"a\":1}}", 0, "no text");
    refused("{\"__metadata__\":[]}", 0, "no object");
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "gap");
#undef A
    wg_safetensors *f;
    wg_error e;
    WGT_STATUS(wg_safetensors_open_memory("mem", "1234567", 7, &f, &e), WG_EFORMAT, &e);
    WGT_STATUS(wg_safetensors_open_memory("mem", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &f, &e),
               WG_EFORMAT, &e);
    /* A header that is too large is told by its size, before it is read. */
    size_t n = (9u << 20) + 8;
    char *large = calloc(1, n);
    large[2] = (char)0x90;
    large[8] = '{';
    WGT_STATUS(wg_safetensors_open_memory("mem", large, n, &f, &e), WG_ELIMIT, &e);
    free(large);
}

static void expect(const char *dtype, const void *data, size_t size, int n, wg_dtype as,
                   const double *wanted)
{
    char header[256], *bytes;
    wg_safetensors *f;
    wg_tensor *t;
    wg_error e;
    snprintf(header, sizeof header,
             "{\"t\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%zu]}}   ", dtype, n,
             size);
    WGT_OK(open_bytes(header, data, size, &f, &bytes, &e), &e);
    assert_string_equal(wg_safetensors_dtype(f, 0), dtype);
    WGT_OK(wg_safetensors_read(f, 0, &t, &e), &e);
    assert_int_equal(wg_tensor_dtype(t), as);
    for (int i = 0; i < n; i++) {
        double x = wg_tensor_get(t, i);
        if (isnan(wanted[i]))
            assert_true(isnan(x));
        else
            assert_true(x == wanted[i] && signbit(x) == signbit(wanted[i]));
    }
    wg_tensor_free(t);
    wg_safetensors_close(f);
    free(bytes);
}

static void test_types(void **state)
{
    (void)state;
    static const unsigned short f16[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x0400, 0x7bff,
                                         0x7c00, 0xfc00, 0x7e00, 0x0000, 0x8000, 0x3555};
    static const double f16_values[] = {1,       -2,    0x1p-24,  -0x3ffp-24,
                                        0x1p-14, 65504, INFINITY, -INFINITY,
                                        NAN,     0.0,   -0.0,     0.333251953125};
    expect("F16", f16, sizeof f16, 12, WG_F32, f16_values);
    static const unsigned short bf16[] = {0x3f80, 0xc049, 0x7f80, 0x0001};
    static const double bf16_values[] = {1, -3.140625, INFINITY, 0x1p-133};
    expect("BF16", bf16, sizeof bf16, 4, WG_F32, bf16_values);
    static const long long i64[] = {-5, 2147483647, -2147483648LL};
    static const double i64_values[] = {-5, 2147483647, -2147483648.0};
    expect("I64", i64, sizeof i64, 3, WG_I32, i64_values);
    static const short i16[] = {-5, 32767};
    expect("I16", i16, sizeof i16, 2, WG_I32, (double[]){-5, 32767});
    expect("U16", i16, sizeof i16, 2, WG_I32, (double[]){65531, 32767});
    expect("I8", "\xff\x7f", 2, 2, WG_I32, (double[]){-1, 127});
    expect("BOOL", "\1\0", 2, 2, WG_U8, (double[]){1, 0});
    expect("U8", "\xff\1", 2, 2, WG_U8, (double[]){255, 1});
    wg_safetensors *f;
    wg_tensor *t;
    wg_error e;
    char *bytes;
    static const long long large[] = {4294967296LL};
    WGT_OK(open_bytes("{\"t\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", large, 8,
                      &f, &bytes, &e),
           &e);
    WGT_STATUS(wg_safetensors_read(f, 0, &t, &e), WG_ELIMIT, &e);
    wg_safetensors_close(f);
    free(bytes);
    WGT_OK(
        open_bytes("{\"t\":{\"dtype\":\"U64\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}",
                   large, 8, &f, &bytes, &e),
        &e);
    WGT_STATUS(wg_safetensors_read(f, 0, &t, &e), WG_EDTYPE, &e);
    assert_int_equal(wg_safetensors_shape(f, 0).rank, WG_MAX_AXES);
    wg_safetensors_close(f);
    free(bytes);
}

/* Each truncation and each flipped bit: an error or tensors, and no byte beyond the end is read. */
static void test_damage(void **state)
{
    (void)state;
    wg_state *s = sample();
    wg_error e;
    char *bytes;
    size_t size;
    WGT_OK(wg_safetensors_save(io_path("d.safetensors"), s, &e), &e);
    wg_state_free(s);
    WGT_OK(wg_file_read(io_path("d.safetensors"), 0, &bytes, &size, &e), &e);
    assert_int_equal(((unsigned char)bytes[0] | (unsigned char)bytes[1] << 8) % 8, 0);
    for (size_t k = 0; k < 8 * size + size; k++) {
        size_t n = k < size ? k : size, bit = k - size;
        char *copy = malloc(n + !n);
        memcpy(copy, bytes, n);
        if (k >= size) copy[bit / 8] ^= (char)(1 << bit % 8);
        wg_safetensors *f;
        if (wg_safetensors_open_memory("mem", copy, n, &f, &e) == WG_OK) {
            assert_int_equal(n, size);
            for (int64_t i = 0; i < wg_safetensors_count(f); i++) {
                wg_tensor *t;
                if (wg_safetensors_read(f, i, &t, &e) == WG_OK) wg_tensor_free(t);
            }
            wg_safetensors_close(f);
        }
        free(copy);
    }
    wg_free(bytes);
}

static void test_summary(void **state)
{
    (void)state;
    static const double v[] = {1, -3, 0, NAN, INFINITY, 5, -INFINITY, -0.0};
    wg_tensor *t = numbers(WG_F64, WG_SHAPE(8), 0, 0);
    for (int i = 0; i < 8; i++) wg_tensor_set(t, i, v[i]);
    wg_summary s;
    wg_tensor_summary(t, &s);
    assert_int_equal(s.count, 8);
    assert_int_equal(s.nan, 1);
    assert_int_equal(s.inf, 2);
    assert_int_equal(s.zeros, 2);
    WGT_NEAR(s.min, -3, 0);
    WGT_NEAR(s.max, 5, 0);
    WGT_NEAR(s.mean, 0.6, 1e-15);
    WGT_NEAR(s.std, sqrt((0.16 + 12.96 + 0.36 + 19.36 + 0.36) / 5), 1e-14);
    int64_t bin[4];
    wg_tensor_histogram(t, &s, 4, bin);
    assert_true(bin[0] == 1 && bin[1] == 2 && bin[2] == 1 && bin[3] == 1);
    wg_tensor_free(t);
    t = numbers(WG_F64, WG_SHAPE(2), -1.7e308, 0); /* the range itself is beyond f64 */
    wg_tensor_set(t, 1, 1.7e308);
    wg_tensor_summary(t, &s);
    wg_tensor_histogram(t, &s, 4, bin);
    assert_true(bin[0] == 1 && bin[3] == 1);
    wg_tensor_free(t);
    t = numbers(WG_F32, WG_SHAPE(0), 0, 0);
    wg_tensor_summary(t, &s);
    assert_true(s.count == 0 && isnan(s.min) && isnan(s.std));
    wg_tensor_histogram(t, &s, 4, bin);
    wg_tensor_free(t);
    t = numbers(WG_I32, WG_SHAPE(3), 7, 0); /* all alike */
    wg_tensor_summary(t, &s);
    wg_tensor_histogram(t, &s, 4, bin);
    assert_true(bin[0] == 3 && s.std == 0);
    wg_tensor_free(t);
}

static wg_status there_and_back(const wg_state *s, const char *path)
{
    wg_tensorfile *f = NULL;
    wg_status status = wg_safetensors_save(path, s, NULL);
    if (status == WG_OK) status = wg_tensorfile_open(path, &f, NULL);
    for (int64_t i = 0; status == WG_OK && i < wg_tensorfile_count(f); i++)
        status = wg_tensorfile_verify(f, i, NULL);
    wg_tensorfile_close(f);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    wg_state *s = sample();
    const char *path = io_path("oom.safetensors");
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(there_and_back(s, path))) break;
    }
    wg_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_types),   cmocka_unit_test(test_damage),
        cmocka_unit_test(test_summary), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
