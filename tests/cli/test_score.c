/* wengert score bleu as its users meet it: what it prints, plain and gzipped texts, several
 * references, and what it says about input that cannot be scored. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <zlib.h>

#include <wengert/version.h>

static char tool[4096], dir[3072];
static char out[1 << 14], err[1 << 14];

static void write_text(const char *name, const char *text)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

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

static void read_back(const char *name, char *buf, size_t size)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    buf[fread(buf, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* The first n bytes of a file. */
static void cut_file(const char *from, const char *to, size_t n)
{
    char path[4096], bytes[256];
    FILE *file;

    assert_true(n <= sizeof bytes);
    snprintf(path, sizeof path, "%s/%s", dir, from);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, n, file), n);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s", dir, to);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Runs "wengert score bleu ARGUMENTS" in the directory of the texts; returns the exit status. */
static int score(const char *arguments)
{
    char command[9000];
    int status;

    snprintf(command, sizeof command, "cd '%s' && '%s' score bleu %s > out.txt 2> err.txt", dir,
             tool, arguments);
    status = system(command);
    assert_true(WIFEXITED(status));
    read_back("out.txt", out, sizeof out);
    read_back("err.txt", err, sizeof err);
    return WEXITSTATUS(status);
}

static int set_up(void **state)
{
    static const char ref[] = "The cat sat on the mat.\nIt costs 1,000.5 dollars.\n\n";
    const char *bin = getenv("WENGERT_BIN");

    (void)state;
    snprintf(tool, sizeof tool, "%s/wengert", bin && *bin ? bin : WGT_BUILD_DIR "/bin");
    if (!wgt_temp_dir(dir)) return -1;
    write_text("ref", ref);
    write_gzip("ref.gz", ref);
    cut_file("ref.gz", "cut.gz", 30);
    write_text("ref2", "A cat sat on a mat.\nIt costs a thousand dollars.\n\n");
    write_text("hyp", "the cat sat on a mat .\nIt costs 1,000.5 dollars .\n\n");
    write_text("crlf", "The cat sat on the mat.\r\nIt costs 1,000.5 dollars.\r\n\r\n");
    write_text("short", "one\ntwo");
    write_text("none", "");
    write_text("bad", "fine\nbro\xFFken\n\n");
    return access(tool, X_OK);
}

static int tear_down(void **state)
{
    (void)state;
    wgt_remove_tree(dir);
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

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
