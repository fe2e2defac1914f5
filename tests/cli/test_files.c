/* wengert inspect and wengert convert as their users meet them. */
#include "translate_test.h"

#include <math.h>

#include <cjson/cJSON.h>
#include <wengert/npz.h>
#include <wengert/statefile.h>

static void learn_once(void)
{
    if (exists("model")) return;
    assert_int_equal(shell("$T translate train " TOY "--no-valid-bleu --epochs 1 --out model"), 0);
}

static void runs(const char *command)
{
    int status = shell(command);
    if (status) print_error("%s\n  gave status %d: %s", command, status, err);
    assert_int_equal(status, 0);
}

static wg_state *load(const char *name)
{
    wg_state *s;
    wg_error e;
    char path[4096];
    path_of(path, sizeof path, name);
    WGT_OK(wg_state_load(path, &s, &e), &e);
    return s;
}

/* All of `a` is in `b`, bit by bit. */
static int same_as(const wg_state *a, const wg_state *b)
{
    int tensors = 0;
    for (int i = 0; i < wg_state_count(a); i++) {
        const wg_tensor *x = wg_state_tensor_at(a, i), *y = wg_state_tensor(b, wg_state_name(a, i));
        size_t n, m;
        const char *text = wg_state_text_at(a, i, &n);
        if (text) {
            assert_non_null(wg_state_text(b, wg_state_name(a, i), &m));
            assert_int_equal(n, m);
            assert_memory_equal(text, wg_state_text(b, wg_state_name(a, i), &m), n);
            continue;
        }
        if (!y) fail_msg("no '%s'", wg_state_name(a, i));
        wg_shape p = wg_tensor_shape(x), q = wg_tensor_shape(y);
        assert_true(wg_shape_equal(&p, &q));
        assert_int_equal(wg_tensor_dtype(x), wg_tensor_dtype(y));
        assert_memory_equal(wg_tensor_cdata(x), wg_tensor_cdata(y), wg_tensor_bytes(x));
        tensors++;
    }
    return tensors;
}

static void test_inspect(void **state)
{
    (void)state;
    learn_once();
    runs("$T inspect model/model.npz");
    assert_non_null(strstr(out, "name"));
    assert_non_null(strstr(out, "model/enc.l0.fw.Wx"));
    assert_non_null(strstr(out, "config.json"));
    assert_null(strstr(out, "format_version"));
    runs("$T inspect --texts --names config.json model/model.npz");
    assert_non_null(strstr(out, "\"format_version\""));
    assert_null(strstr(out, "enc.l0"));
    runs("$T inspect --histogram --bins 5 --names 'model/enc.l0.*.Wh' model/model.npz");
    assert_non_null(strstr(out, "model/enc.l0.bw.Wh"));
    assert_null(strstr(out, "Wx"));
    assert_non_null(strstr(out, "#####"));
    assert_int_equal(shell("$T inspect --names 'nothing*' model/model.npz"), 2);
    assert_int_equal(shell("$T inspect missing.npz"), 2);
    assert_non_null(strstr(err, "missing.npz"));
    assert_int_equal(shell("$T inspect s"), 2);
    assert_non_null(strstr(err, "neither .npz nor .npy nor safetensors"));
}

static void test_inspect_json(void **state)
{
    (void)state;
    learn_once();
    runs("$T inspect --json --bins 7 model/model.npz");
    cJSON *root = cJSON_Parse(out);
    assert_non_null(root);
    assert_string_equal(cJSON_GetObjectItem(root, "format")->valuestring, "npz");
    wg_state *s = load("model/model.npz");
    int tensors = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "tensors"))
    {
        const wg_tensor *t = wg_state_tensor(s, cJSON_GetObjectItem(item, "name")->valuestring);
        assert_non_null(t);
        double sum = 0, bins = 0;
        for (int64_t i = 0; i < wg_tensor_count(t); i++) sum += wg_tensor_get(t, i);
        WGT_CLOSE(cJSON_GetObjectItem(item, "mean")->valuedouble, sum / (double)wg_tensor_count(t),
                  1e-9, 1e-12);
        const cJSON *bin, *list = cJSON_GetObjectItem(item, "histogram");
        assert_int_equal(cJSON_GetArraySize(list), 7);
        cJSON_ArrayForEach(bin, list) bins += bin->valuedouble;
        assert_true(bins == (double)wg_tensor_count(t));
        tensors++;
    }
    assert_true(tensors > 10);
    const cJSON *config = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "texts"), "config.json");
    assert_true(cJSON_IsObject(config));
    cJSON_Delete(root);
    wg_state_free(s);
}

/* Bits flipped all over a file: never a crash; where a tensor is hit, status 1 and its name. */
static void test_verify(void **state)
{
    (void)state;
    learn_once();
    runs("$T inspect --verify model/model.npz model/last.npz");
    assert_non_null(strstr(out, "model/model.npz: good"));
    size_t size;
    char *bytes = slurp("model/model.npz", &size);
    int damaged = 0;
    for (size_t i = 0; i < 24; i++) {
        size_t at = size / 24 * i + 11;
        bytes[at] ^= 16;
        write_bytes("flipped.npz", bytes, size);
        bytes[at] ^= 16;
        int status = shell("$T inspect --verify flipped.npz");
        assert_true(status == 1 || status == 0);
        damaged += status;
        if (status) assert_non_null(strstr(out, "flipped.npz"));
    }
    assert_true(damaged > 12);
    write_bytes("cut.npz", bytes, size - 30);
    assert_int_equal(shell("$T inspect --verify model/model.npz cut.npz"), 1);
    assert_non_null(strstr(out, "model/model.npz: good"));
    assert_non_null(strstr(out, "cut.npz"));
    assert_int_equal(shell("$T inspect --verify nowhere.npz model/model.npz"), 2);
    free(bytes);
}

static void test_formats(void **state)
{
    (void)state;
    learn_once();
    runs("$T convert model/model.npz m.safetensors && $T convert m.safetensors again.npz && "
         "$T inspect --verify m.safetensors again.npz");
    wg_state *a = load("model/model.npz"), *b = load("again.npz");
    assert_int_equal(wg_state_count(a), wg_state_count(b));
    assert_true(same_as(a, b) > 10);
    wg_state_free(b);
    /* What came back translates as before. */
    runs("head -5 s > five; $T translate run --model model/model.npz < five > one; "
         "$T translate run --model again.npz < five > two; cmp one two");
    runs("$T convert --names 'model/out.b' --dtype f64 model/model.npz b.npy && "
         "$T inspect b.npy && $T convert --map b=model/out.b --dtype f32 b.npy b.npz");
    b = load("b.npz");
    assert_int_equal(same_as(b, a), 1);
    wg_state_free(a);
    wg_state_free(b);
    assert_int_equal(shell("$T convert model/model.npz all.npy"), 2);
    assert_non_null(strstr(err, "holds one tensor"));
    assert_int_equal(shell("$T convert model/model.npz all.pt"), 2);
    assert_int_equal(shell("$T convert --names 'x*' model/model.npz x.npz"), 2);
    assert_int_equal(shell("$T convert --map =twice --names '*.fw.Wx' --names '*.fw.Wh' "
                           "--map model/enc.l0.fw.Wx=a --map model/enc.l0.fw.Wh=a "
                           "model/model.npz x.npz"),
                     2);
    assert_false(exists("x.npz"));
}

static void golden(char *command, size_t size, const char *name, const char *text)
{
    char path[4096];
    assert_true(wgt_source_path(path, name));
    snprintf(command, size, text, path);
}

/* Every type, against the values that PyTorch gave. */
static void test_types(void **state)
{
    (void)state;
    char command[8000];
    golden(command, sizeof command, "tests/golden/types.npz", "cp '%s' want.npz");
    runs(command);
    golden(command, sizeof command, "tests/golden/types.safetensors",
           "cp '%s' types.safetensors; $T convert types.safetensors types.npz && "
           "$T inspect types.safetensors");
    runs(command);
    assert_non_null(strstr(out, "BF16"));
    wg_state *a = load("want.npz"), *b = load("types.npz");
    size_t n;
    assert_int_equal(same_as(a, b), 7);
    assert_string_equal(wg_state_text(b, "note", &n), "\xC3\xA4 \"quoted\"");
    wg_state_free(a);
    wg_state_free(b);
}

/* A stack as PyTorch wrote it becomes ours and goes back. */
static void test_pytorch(void **state)
{
    (void)state;
    char command[8000];
    golden(command, sizeof command, "tests/golden/rnn_full.npz",
           "cp '%s' torch.npz; $T convert --from pytorch --names 'bilstm2.full/weight_*' "
           "--names 'bilstm2.full/bias_*' --map bilstm2.full/=model/enc. torch.npz ours.npz");
    runs(command);
    assert_non_null(strstr(err, "4 recurrent layers converted, 0 other tensors"));
    runs("$T convert --to pytorch --map model/enc.=rnn. ours.npz theirs.safetensors && "
         "$T convert --from pytorch --map rnn.=model/enc. theirs.safetensors again.npz");
    wg_state *a = load("ours.npz"), *b = load("again.npz");
    assert_non_null(wg_state_tensor(a, "model/enc.l1.bw.Wx"));
    assert_int_equal(same_as(a, b), 12);
    wg_state_free(a);
    wg_state_free(b);
    runs("$T inspect theirs.safetensors");
    assert_non_null(strstr(out, "rnn.bias_hh_l1_reverse"));
    assert_int_equal(shell("$T convert --from pytorch --names 'lstm1.full/weight_hh*' torch.npz "
                           "x.npz"),
                     2);
    assert_non_null(strstr(err, "'lstm1.full/weight_ih_l0' is missing"));
    assert_int_equal(shell("$T convert --from pytorch --lstm-gates ifgg torch.npz x.npz"), 2);
    assert_int_equal(shell("$T convert --from keras torch.npz x.npz"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect), cmocka_unit_test(test_inspect_json),
        cmocka_unit_test(test_verify),  cmocka_unit_test(test_formats),
        cmocka_unit_test(test_types),   cmocka_unit_test(test_pytorch),
    };
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
