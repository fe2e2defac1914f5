/* wengert score bleu as its users meet it: what it prints, plain and gzipped texts, several
 * references, and what it says about input that cannot be scored. */
#include "tool_test.h"

#include <cjson/cJSON.h>
#include <zlib.h>

#include <wengert/version.h>

static void write_gzip(const char *name, const char *text)
{
    char path[4096];
    gzFile file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

/* The first n bytes of a file. */
static void cut_file(const char *from, const char *to, size_t n)
{
    size_t size;
    char *bytes = slurp(from, &size);
    assert_non_null(bytes);
    assert_true(n <= size);
    write_bytes(to, bytes, n);
    free(bytes);
}

/* Runs "wengert score bleu ARGUMENTS" in the directory of the texts; returns the exit status. */
static int score(const char *arguments)
{
    char command[8000];
    snprintf(command, sizeof command, "$T score bleu %s", arguments);
    return shell(command);
}

static int set_up(void **state)
{
    static const char ref[] = "The cat sat on the mat.\nIt costs 1,000.5 dollars.\n\n";
    int status = set_up_tool(state);
    if (status) return status;
    write_text("ref", ref);
    write_gzip("ref.gz", ref);
    cut_file("ref.gz", "cut.gz", 30);
    write_text("ref2", "A cat sat on a mat.\nIt costs a thousand dollars.\n\n");
    write_text("hyp", "the cat sat on a mat .\nIt costs 1,000.5 dollars .\n\n");
    write_text("crlf", "The cat sat on the mat.\r\nIt costs 1,000.5 dollars.\r\n\r\n");
    write_text("short", "one\ntwo");
    write_text("none", "");
    write_text("bad", "fine\nbro\xFFken\n\n");
    return 0;
}

/* The figures are sacreBLEU 2.6.0's for these texts. */
static void test_text(void **state)
{
    (void)state;
    assert_int_equal(score("ref < hyp"), 0);
    assert_string_equal(
        out,
        "BLEU = 57.19 91.7/70.0/50.0/33.3 (BP = 1.000 ratio = 1.000 hyp_len = 12 ref_len = 12)\n"
        "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:wengert-" WENGERT_VERSION "\n");
    assert_string_equal(err, "");
}

static void test_gzip_and_two_references(void **state)
{
    char plain[sizeof out];

    (void)state;
    assert_int_equal(score("ref ref2 < hyp"), 0);
    memcpy(plain, out, sizeof out);
    assert_non_null(strstr(plain, "nrefs:2|"));
    assert_int_equal(score("ref.gz ref2 < hyp"), 0);
    assert_string_equal(out, plain);
    assert_int_equal(score("--format score ref < ref.gz"), 0);
    assert_string_equal(out, "100.00\n");
    assert_int_equal(score("--format score ref < crlf"), 0);
    assert_string_equal(out, "100.00\n");
}

static void test_json(void **state)
{
    cJSON *json;

    (void)state;
    assert_int_equal(score("--format json --tokenize none --lowercase --smooth floor ref < hyp"),
                     0);
    json = cJSON_Parse(out);
    assert_non_null(json);
    assert_non_null(strstr(cJSON_GetObjectItem(json, "signature")->valuestring,
                           "nrefs:1|case:lc|eff:no|tok:none|smooth:floor[0.10]|"));
    assert_int_equal(cJSON_GetObjectItem(json, "sys_len")->valueint, 12);
    assert_int_equal(cJSON_GetObjectItem(json, "ref_len")->valueint, 10);
    assert_int_equal(cJSON_GetObjectItem(json, "segments")->valueint, 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "counts")), 4);
    cJSON_Delete(json);
}

static void refused(const char *arguments, const char *message)
{
    int status = score(arguments);

    if (status != 2) fail_msg("'%s' gives status %d: %s", arguments, status, out);
    assert_string_equal(out, "");
    if (!strstr(err, message)) fail_msg("\"%s\" is not in: %s", message, err);
}

static void test_refused(void **state)
{
    (void)state;
    refused("ref nowhere < hyp", "nowhere: No such file or directory");
    refused(". < hyp", ".: Is a directory");
    refused("ref < short", "standard input has 2 lines, but ref has 3");
    refused("ref short < hyp", "standard input has 3 lines, but short has 2");
    refused("none < none", "no lines to score");
    refused("ref < bad", "standard input:2: invalid UTF-8 at byte 4");
    refused("bad < ref", "bad:2: invalid UTF-8 at byte 4");
    refused("< hyp", "REF");
    refused("--tokenize intl ref < hyp", "intl");
    refused("--lovercase ref < hyp", "--lowercase");
    refused("cut.gz < hyp", "cut.gz: the gzip file is cut short");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_gzip_and_two_references),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down_tool);
}
