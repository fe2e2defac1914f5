/* Normalisation form C: of the lines that a reader hands out, and of lines in memory. */
#include "io_test.h"

#include <wengert/textfile.h>

static void test_reader(void **state)
{
    (void)state;
    const char *path = io_text("nfc", "e\xCC\x81t\xC3\xA9\nplain\n\xE1\x84\x80\xE1\x85\xA1\n");
    wg_reader_options o = {.size = sizeof o, .nfc = true, .ahead = 1};
    wg_reader *r;
    wg_error e;
    const char *text;
    size_t length;
    WGT_OK(wg_reader_open(path, &o, &r, &e), &e);
    static const char *const wanted[] = {"\xC3\xA9t\xC3\xA9", "plain", "\xEA\xB0\x80"};
    for (int i = 0; i < 3; i++) {
        WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
        assert_string_equal(text, wanted[i]);
        assert_int_equal(length, strlen(wanted[i]));
    }
    WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
    assert_int_equal(wg_reader_get_stats(r).normalized, 2);
    wg_reader_close(r);
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *wanted;
    } known[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"},
        {"e\xCC\x81t\xC3\xA9", "\xC3\xA9t\xC3\xA9"},
        {"\xE2\x84\xAB", "\xC3\x85"}, /* ANGSTROM SIGN, a letter by another name */
        {"a\xFF"
         "e\xCC\x81\xC3",
         "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char *text;
        wg_error e;
        WGT_OK(wg_line_nfc(known[i].line, strlen(known[i].line), &text, &e), &e);
        assert_string_equal(text, known[i].wanted);
        wg_free(text);
    }
}

static void test_line_out_of_memory(void **state)
{
    (void)state;
    const char line[] = "bad \xFF and e\xCC\x81";
    for (size_t n = 1;; n++) {
        char *text;
        wgt_fail_alloc_at(n);
        wg_status status = wg_line_nfc(line, sizeof line - 1, &text, NULL);
        wg_free(text);
        if (!wgt_alloc_ran_out(status)) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_line_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
