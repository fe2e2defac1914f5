/* The fuzz targets over seeds and some thousand fixed mutations of each: what can be run anywhere,
 * by any compiler, in a second. */
#define _GNU_SOURCE
#include "io_test.h"

#include <dirent.h>
#include <stdlib.h>

#include <wengert/atomicfile.h>
#include <wengert/rng.h>

#define WGT_FUZZ_CHECKPOINT fuzz_checkpoint
#define WGT_FUZZ_INDEX fuzz_index
#define WGT_FUZZ_NPY fuzz_npy
#define WGT_FUZZ_NPZ fuzz_npz
#define WGT_FUZZ_SAFETENSORS fuzz_safetensors
#define WGT_FUZZ_STREAM fuzz_stream
#define WGT_FUZZ_SUBWORD fuzz_subword
#define WGT_FUZZ_TEXT fuzz_text
#define WGT_FUZZ_TOKENIZE fuzz_tokenize
#define WGT_FUZZ_VOCAB fuzz_vocab
#include "../fuzz/fuzz_checkpoint.c"
#include "../fuzz/fuzz_index.c"
#include "../fuzz/fuzz_npy.c"
#include "../fuzz/fuzz_npz.c"
#include "../fuzz/fuzz_safetensors.c"
#include "../fuzz/fuzz_stream.c"
#include "../fuzz/fuzz_subword.c"
#include "../fuzz/fuzz_text.c"
#include "../fuzz/fuzz_tokenize.c"
#include "../fuzz/fuzz_vocab.c"

typedef int (*target)(const uint8_t *, size_t);

static void mutate(target run, const char *seed, size_t size, int rounds)
{
    assert_int_equal(run((const uint8_t *)seed, size), 0);
    wg_rng rng;
    wg_rng_init(&rng, 1, "tests.fuzz");
    for (int i = 0; i < rounds; i++) {
        size_t n = size + wg_rng_below(&rng, 2) * wg_rng_below(&rng, 20);
        uint8_t *bytes = calloc(1, n + 1);
        memcpy(bytes, seed, size);
        for (uint32_t k = 0; k <= wg_rng_below(&rng, 6); k++) switch (wg_rng_below(&rng, 4)) {
            case 0:
                bytes[wg_rng_below(&rng, (uint32_t)n)] ^= (uint8_t)(1 << wg_rng_below(&rng, 8));
                break;
            case 1: bytes[wg_rng_below(&rng, (uint32_t)n)] = (uint8_t)wg_rng_u32(&rng); break;
            case 2:
                bytes[wg_rng_below(&rng, (uint32_t)n)] = wg_rng_below(&rng, 2) ? 0xff : 0;
                break;
            default: {
                uint32_t to = wg_rng_below(&rng, (uint32_t)n),
                         from = wg_rng_below(&rng, (uint32_t)n);
                size_t most = n - (to > from ? to : from);
                memmove(bytes + to, bytes + from, most < 8 ? most : 8);
            }
            }
        if (wg_rng_below(&rng, 8) == 0) n = wg_rng_below(&rng, (uint32_t)n + 1);
        uint8_t *exact = malloc(n + !n);
        memcpy(exact, bytes, n);
        run(exact, n);
        free(exact);
        free(bytes);
    }
}

/* The seeds of the fuzzers, and what they found: every file of a target's folder. */
static void test_seeds(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        target run;
        int rounds;
    } all[] = {{"tests/fuzz/seeds/checkpoint", fuzz_checkpoint, 50},
               {"tests/fuzz/seeds/index", fuzz_index, 2000},
               {"tests/fuzz/seeds/npy", fuzz_npy, 2000},
               {"tests/fuzz/seeds/npz", fuzz_npz, 1000},
               {"tests/fuzz/seeds/text", fuzz_text, 50},
               {"tests/fuzz/seeds/stream", fuzz_stream, 50},
               {"tests/fuzz/seeds/subword", fuzz_subword, 50},
               {"tests/fuzz/seeds/tokenize", fuzz_tokenize, 50},
               {"tests/fuzz/seeds/vocab", fuzz_vocab, 50},
               {"tests/fuzz/seeds/safetensors", fuzz_safetensors, 50}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char folder[1024], path[2048];
        assert_true(wgt_source_path(folder, all[i].folder));
        DIR *dir = opendir(folder);
        assert_non_null(dir);
        int files = 0;
        for (const struct dirent *e; (e = readdir(dir));) {
            if (e->d_name[0] == '.') continue;
            char *bytes;
            size_t size;
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            WGT_OK(wg_file_read(path, 0, &bytes, &size, NULL), NULL);
            mutate(all[i].run, bytes, size, all[i].rounds);
            wg_free(bytes);
            files++;
        }
        closedir(dir);
        assert_true(files >= 3);
    }
}

static void test_npz(void **state)
{
    (void)state;
    wg_npz_writer *w;
    wg_tensor *t;
    char *bytes;
    size_t size;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(4, 16), &t, NULL), NULL);
    WGT_OK(wg_npz_create(io_path("a"), NULL, &w, NULL), NULL);
    WGT_OK(wg_npz_add_tensor(w, "W", t, NULL), NULL);
    WGT_OK(wg_npz_add_bytes(w, "c.json", "{}", 2, NULL), NULL);
    WGT_OK(wg_npz_finish(w, NULL), NULL);
    WGT_OK(wg_file_read(io_path("a"), 0, &bytes, &size, NULL), NULL);
    mutate(fuzz_npz, bytes, size, 20000);
    wg_free(bytes);
    wg_tensor_free(t);
    assert_int_equal(fuzz_npz((const uint8_t *)"", 0), 0);
}

static void test_text(void **state)
{
    (void)state;
    static const char text[] = "one two\r\n\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80\n\nlast";
    char *bytes;
    size_t size;
    mutate(fuzz_text, text, sizeof text - 1, 3000);
    WGT_OK(wg_file_read(io_gzip("b", text), 0, &bytes, &size, NULL), NULL);
    mutate(fuzz_text, bytes, size, 3000);
    wg_free(bytes);
}

static void test_vocab(void **state)
{
    (void)state;
    static const char text[] = "wengert-vocabulary 1 7\n<pad>\t0\n<unk>\t2\n<s>\t0\n</s>\t0\n"
                               "the\t9\na\\x20b\t2\n\xC3\xA4\t2\n";
    wg_vocab *v;
    WGT_OK(wg_vocab_parse("seed", text, sizeof text - 1, &v, NULL), NULL);
    wg_vocab_free(v);
    mutate(fuzz_vocab, text, sizeof text - 1, 20000);
}

static void test_subword(void **state)
{
    (void)state;
    static const char text[] = "wengert-subwords 1 5 4\n<\n@\na\nb\n\xC3\xA4\n"
                               "a b\n@ @</w>\nab \xC3\xA4\nab\xC3\xA4 a</w>\n"
                               "\nab\xC3\xA4"
                               "a @@ <s> ab\xC3\xA4 \xE2\x82\xAC";
    mutate(fuzz_subword, text, sizeof text - 1, 20000);
    static const char foreign[] = "#version: 0.2\na b\nab b</w>\n\xC3\xA4 ab\n\nabb \xC3\xA4";
    mutate(fuzz_subword, foreign, sizeof foreign - 1, 5000);
}

static void test_safetensors(void **state)
{
    (void)state;
    static const char head[] = "{\"__metadata__\":{\"a\":\"b\"},"
                               "\"x\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
                               "\"y\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[8,16]}}";
    char bytes[8 + sizeof head - 1 + 16] = {(char)(sizeof head - 1)};
    memcpy(bytes + 8, head, sizeof head - 1);
    mutate(fuzz_safetensors, bytes, sizeof bytes, 20000);
}

/* The first two bytes say how the text behind them is read. */
static void test_stream(void **state)
{
    (void)state;
    static const char text[] = "one two\r\n\xC3\xA4 \xE2\x82\xAC ||| e\xCC\x81\n\nlast ||| x\n"
                               "one\n||| \xC3\xA4\n a ||| b\n";
    char bytes[400], *zipped;
    size_t n;
    for (int how = 0; how < 16; how++) {
        bytes[0] = (char)how;
        bytes[1] = (char)(16 * (how % 3) + 7);
        memcpy(bytes + 2, text, sizeof text - 1);
        mutate(fuzz_stream, bytes, sizeof text + 1, 100);
        WGT_OK(wg_file_read(io_gzip("c", text), 0, &zipped, &n, NULL), NULL);
        assert_true(2 * n + 2 < sizeof bytes);
        memcpy(bytes + 2, zipped, n);
        memcpy(bytes + 2 + n, zipped, n);
        bytes[1] = (char)(bytes[1] | 15); /* both in one file, and nothing in the other */
        mutate(fuzz_stream, bytes, 2 + 2 * n, 100);
        wg_free(zipped);
    }
}

static void test_tokenize(void **state)
{
    (void)state;
    for (char way = 0; way < 32; way += 9) {
        char text[] =
            "?Mr. O'Neil's \"dogs\" (3,000) \xE2\x80\x9Ex\xE2\x80\x9C a\xCC\x88 &amp; ... d'un?";
        text[0] = way;
        mutate(fuzz_tokenize, text, sizeof text - 1, 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npz),         cmocka_unit_test(test_text),
        cmocka_unit_test(test_vocab),       cmocka_unit_test(test_subword),
        cmocka_unit_test(test_safetensors), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_tokenize),    cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
