/* Everything else that io writes: atomic files, JSON-lines logs, heat maps, SHA-256. */
#include "io_test.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/heatmap.h>
#include <wengert/jsonlog.h>
#include <wengert/npz.h>

#include "buffer.h"
#include "sha256.h"

static int files_in_dir(void)
{
    int n = 0;
    DIR *d = opendir(io_dir);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    return n;
}

static void expect_file(const char *path, const char *wanted)
{
    char *bytes;
    size_t size;
    wg_error e;
    WGT_OK(wg_file_read(path, 0, &bytes, &size, &e), &e);
    assert_int_equal(size, strlen(wanted));
    assert_string_equal(bytes, wanted);
    wg_free(bytes);
}

/* FIPS 180-2 appendix B, and lengths around the block size against pieces of one byte. */
static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[65], other[65];
    wg__sha256 h;
    for (size_t i = 0; i < 3; i++) {
        wg__sha256_init(&h);
        wg__sha256_add(&h, known[i].text, strlen(known[i].text));
        wg__sha256_hex(&h, hex);
        assert_string_equal(hex, known[i].hex);
    }
    char a[1000];
    memset(a, 'a', sizeof a);
    wg__sha256_init(&h);
    for (int i = 0; i < 1000; i++) wg__sha256_add(&h, a, sizeof a);
    wg__sha256_hex(&h, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t n = 0; n < 200; n++) {
        wg__sha256_init(&h);
        wg__sha256_add(&h, a, n);
        wg__sha256_hex(&h, hex);
        wg__sha256_init(&h);
        for (size_t i = 0; i < n; i++) wg__sha256_add(&h, a, 1);
        wg__sha256_hex(&h, other);
        assert_string_equal(hex, other);
    }
}

static void test_atomic(void **state)
{
    (void)state;
    wg_error e;
    const char *path = io_path("f");
    WGT_OK(wg_file_write_atomic(path, "one", 3, &e), &e);
    expect_file(path, "one");
    chmod(path, 0640);
    WGT_OK(wg_file_write_atomic(path, "", 0, &e), &e);
    expect_file(path, "");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    /* Given up: nothing changes and nothing is left. */
    wg_atomic *file;
    WGT_OK(wg_file_write_atomic(path, "old", 3, &e), &e);
    int before = files_in_dir();
    WGT_OK(wg_atomic_open(path, &file, &e), &e);
    WGT_OK(wg_atomic_write(file, "new", 3, &e), &e);
    expect_file(path, "old");
    assert_int_equal(files_in_dir(), before + 1);
    wg_atomic_abort(file);
    assert_int_equal(files_in_dir(), before);
    expect_file(path, "old");
    /* A link is followed. */
    assert_int_equal(symlink(path, io_path("link")), 0);
    WGT_OK(wg_file_write_atomic(io_path("link"), "via", 3, &e), &e);
    expect_file(path, "via");
    assert_int_equal(lstat(io_path("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    WGT_OK(wg_file_write_atomic("/dev/null", "x", 1, &e), &e);
    WGT_STATUS(wg_file_write_atomic(io_dir, "x", 1, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_file_write_atomic(io_path("no/such/dir"), "x", 1, &e), WG_ENOTFOUND, &e);
    IO_CONTAINS(e, "no/such/dir");
    WGT_STATUS(wg_file_write_atomic("", "x", 1, &e), WG_EINVAL, &e);
    char *bytes;
    size_t size;
    WGT_STATUS(wg_file_read(path, 2, &bytes, &size, &e), WG_ELIMIT, &e);
}

static void test_full_disk(void **state)
{
    (void)state;
    wg_error e;
    if (access("/dev/full", W_OK) == 0) {
        WGT_STATUS(wg_file_write_atomic("/dev/full", "x", 1, &e), WG_ENOSPC, &e);
        IO_CONTAINS(e, "/dev/full");
    }
    /* A limit on the size of files behaves like a disk that fills up on the way. */
    struct rlimit old, small;
    char *big = calloc(1, 100000);
    wg_tensor *t;
    wg_npz_writer *w;
    const char *path = io_path("full.npz");
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(40000), &t, NULL), NULL);
    WGT_OK(wg_file_write_atomic(path, "kept", 4, &e), &e);
    int before = files_in_dir();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 50000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    wg_status plain = wg_file_write_atomic(path, big, 100000, &e);
    wg_npz_options o = {.size = sizeof o, .compression = WG_NPZ_STORE};
    wg_status made = wg_npz_create(path, &o, &w, NULL);
    wg_status added = wg_npz_add_tensor(w, "t", t, NULL);
    wg_error f;
    wg_status finished = wg_npz_finish(w, &f);
    setrlimit(RLIMIT_FSIZE, &old);
    WGT_STATUS(plain, WG_ENOSPC, &e);
    WGT_OK(made, NULL);
    WGT_STATUS(added, WG_ENOSPC, NULL);
    WGT_STATUS(finished, WG_ENOSPC, &f);
    IO_CONTAINS(f, "full.npz");
    expect_file(path, "kept");
    assert_int_equal(files_in_dir(), before);
    wg_tensor_free(t);
    free(big);
}

static void test_numbers(void **state)
{
    (void)state;
    /* Whatever the locale's decimal point, where such a locale is installed. */
    static const char *const locale[] = {"C", "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"};
    for (size_t i = 0; i < 4; i++) {
        setlocale(LC_ALL, locale[i]);
        wg__buf buf = {0};
        wg__buf_number(&buf, -1234.5678, 17);
        wg__buf_text(&buf, " ");
        wg__buf_number(&buf, 2.5e-300, 3);
        char *text = wg__buf_take(&buf, NULL);
        setlocale(LC_ALL, "C");
        assert_string_equal(text, "-1234.5678 2.5e-300");
        wg_free(text);
    }
}

static void test_jsonlog(void **state)
{
    (void)state;
    wg_jsonlog *log;
    wg_error e;
    const char *path = io_text("log", "{\"event\": \"cut");
    WGT_OK(wg_jsonlog_open(path, false, &log, &e), &e);
    wg_jsonlog_begin(log, "epoch");
    wg_jsonlog_int(log, "n", INT64_MAX);
    wg_jsonlog_number(log, "loss", 0.125);
    wg_jsonlog_number(log, "nan", NAN);
    wg_jsonlog_bool(log, "best", true);
    wg_jsonlog_string(log, "text", "a\"\\\n\xC3\xA4\x01");
    wg_jsonlog_json(log, "options", "{\"a\":\n[1, 2]}");
    WGT_OK(wg_jsonlog_end(log, &e), &e);
    static const char *const wanted =
        "{\"event\": \"cut\n"
        "{\"event\": \"epoch\", \"n\": 9223372036854775807, \"loss\": 0.125, \"nan\": null, "
        "\"best\": true, \"text\": \"a\\\"\\\\\\u000a\xC3\xA4\\u0001\", \"options\": {\"a\": "
        "[1, 2]}}\n";
    expect_file(path, wanted); /* already there, before closing */
    cJSON *json = cJSON_Parse(strchr(wanted, '\n') + 1);
    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItem(json, "text")->valuestring, "a\"\\\n\xC3\xA4\x01");
    cJSON_Delete(json);
    /* Errors drop the event, not the log. */
    wg_jsonlog_begin(log, "bad");
    wg_jsonlog_string(log, "s", "\xFF");
    WGT_STATUS(wg_jsonlog_end(log, &e), WG_EFORMAT, &e);
    wg_jsonlog_begin(log, "bad");
    wg_jsonlog_json(log, "s", "{} {}");
    WGT_STATUS(wg_jsonlog_end(log, &e), WG_EFORMAT, &e);
    wg_jsonlog_int(log, "stray", 1);
    WGT_STATUS(wg_jsonlog_end(log, &e), WG_ESTATE, &e);
    expect_file(path, wanted);
    wg_jsonlog_begin(log, "dropped");
    WGT_OK(wg_jsonlog_close(log, &e), &e);
    expect_file(path, wanted);
    WGT_OK(wg_jsonlog_open(path, true, &log, &e), &e);
    WGT_OK(wg_jsonlog_close(log, &e), &e);
    expect_file(path, "");
    WGT_STATUS(wg_jsonlog_open(io_path("no/dir"), true, &log, &e), WG_ENOTFOUND, &e);
    if (access("/dev/full", W_OK) == 0) {
        WGT_OK(wg_jsonlog_open("/dev/full", false, &log, &e), &e);
        wg_jsonlog_begin(log, "x");
        WGT_STATUS(wg_jsonlog_end(log, &e), WG_ENOSPC, &e);
        WGT_OK(wg_jsonlog_close(log, &e), &e);
    }
}

/* A log that is taken up again at an event of before. */
static void test_jsonlog_resume(void **state)
{
    (void)state;
    wg_error e;
    wg_jsonlog *log;
    const char *path = io_path("again.jsonl");
    WGT_OK(wg_jsonlog_open(path, true, &log, &e), &e);
    assert_int_equal(wg_jsonlog_tell(log), 0);
    int64_t at[3];
    for (int i = 0; i < 3; i++) {
        wg_jsonlog_begin(log, "report");
        wg_jsonlog_int(log, "n", i);
        WGT_OK(wg_jsonlog_end(log, &e), &e);
        at[i] = wg_jsonlog_tell(log);
    }
    WGT_OK(wg_jsonlog_close(log, &e), &e);
    /* Beyond the end, inside a line, not known: nothing is lost. */
    const int64_t other[] = {at[2] + 100, at[0] + 3, 0, -7};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        WGT_OK(wg_jsonlog_resume(path, other[i], &log, &e), &e);
        assert_int_equal(wg_jsonlog_tell(log), at[2]);
        WGT_OK(wg_jsonlog_close(log, &e), &e);
    }
    WGT_OK(wg_jsonlog_resume(path, at[0], &log, &e), &e);
    assert_int_equal(wg_jsonlog_tell(log), at[0]);
    wg_jsonlog_begin(log, "resume");
    WGT_OK(wg_jsonlog_end(log, &e), &e);
    WGT_OK(wg_jsonlog_close(log, &e), &e);
    char *text;
    size_t size;
    WGT_OK(wg_file_read(path, 0, &text, &size, &e), &e);
    assert_string_equal(text, "{\"event\": \"report\", \"n\": 0}\n{\"event\": \"resume\"}\n");
    wg_free(text);
    WGT_STATUS(wg_jsonlog_resume(io_path("no/dir"), 1, &log, &e), WG_ENOTFOUND, &e);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) n++;
    return n;
}

static void test_heatmap(void **state)
{
    (void)state;
    wg_tensor *t;
    wg_error e;
    char *svg;
    size_t length;
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(2, 3), &t, NULL), NULL);
    wg_tensor_set(t, 0, 1);
    wg_tensor_set(t, 4, 0.123456);
    wg_tensor_set(t, 5, NAN);
    const char *rows[] = {"<b>&\"", "bad\xFF\x01"};
    const char *cols[] = {"ein", "Donaudampfschifffahrtsgesellschaft", ""};
    WGT_OK(wg_heatmap_svg(t, rows, cols, "a < b", &svg, &length, &e), &e);
    assert_int_equal(length, strlen(svg));
    assert_int_equal(count(svg, "<rect x="), 7); /* six cells and the legend */
    assert_int_equal(count(svg, "&lt;b&gt;&amp;&quot;</text>"), 1);
    assert_null(strstr(svg, "<b>"));
    assert_null(strchr(svg, '\x01'));
    assert_non_null(strstr(svg, "bad\xEF\xBF\xBD\xEF\xBF\xBD"));
    assert_non_null(strstr(svg, "Donaudampfschifffahrtsg\xE2\x80\xA6</text>"));
    assert_non_null(strstr(svg, "Donaudampfschifffahrtsgesellschaft: 0</title>"));
    assert_non_null(strstr(svg, ": 0.123</title>"));
    assert_int_equal(count(svg, "url(#nan)"), 1);
    assert_int_equal(count(svg, "fill=\"#08306b\""), 1); /* the cell with 1 */
    assert_int_equal(count(svg, "<g"), count(svg, "</g>"));
    wg_free(svg);
    WGT_OK(wg_heatmap_svg(t, NULL, NULL, NULL, &svg, &length, &e), &e);
    assert_non_null(strstr(svg, ">3</text>"));
    wg_free(svg);
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        wg_status status = wg_heatmap_svg(t, rows, cols, "x", &svg, &length, NULL);
        if (status == WG_OK) wg_free(svg);
        if (!wgt_alloc_ran_out(status)) break;
    }
    wg_tensor_free(t);
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(600, 1), &t, NULL), NULL);
    WGT_STATUS(wg_heatmap_svg(t, NULL, NULL, NULL, &svg, &length, &e), WG_ELIMIT, &e);
    wg_tensor_free(t);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(2, 2), &t, NULL), NULL);
    WGT_STATUS(wg_heatmap_svg(t, NULL, NULL, NULL, &svg, &length, &e), WG_EDTYPE, &e);
    wg_tensor_free(t);
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(2), &t, NULL), NULL);
    WGT_STATUS(wg_heatmap_svg(t, NULL, NULL, NULL, &svg, &length, &e), WG_ESHAPE, &e);
    wg_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),  cmocka_unit_test(test_atomic),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_jsonlog), cmocka_unit_test(test_jsonlog_resume),
        cmocka_unit_test(test_heatmap),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
