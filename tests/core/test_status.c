/* Status codes: names, texts, filling and cutting of messages. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static void every_code_has_its_own_text(void **state)
{
    (void)state;
    static const struct {
        wg_status status;
        int number;
        const char *name;
        const char *text;
    } codes[] = {
#define ENTRY(name, code, text) {WG_##name, code, "WG_" #name, text},
        WG_STATUS_MAP(ENTRY)
#undef ENTRY
    };
    size_t count = sizeof codes / sizeof codes[0];
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(codes[i].status, codes[i].number);
        assert_true(codes[i].status <= 0);
        assert_string_equal(wg_status_name(codes[i].status), codes[i].name);
        assert_string_equal(wg_strerror(codes[i].status), codes[i].text);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i].status, codes[j].status);
            assert_string_not_equal(codes[i].text, codes[j].text);
        }
    }
    assert_int_equal(WG_OK, 0);
    assert_string_equal(wg_strerror(WG_ESHAPE), "shapes do not fit");
}

static void other_numbers_are_unknown(void **state)
{
    (void)state;
    static const int numbers[] = {1, -1000, 1 << 20};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_string_equal(wg_strerror((wg_status)numbers[i]), "unknown status");
        assert_string_equal(wg_status_name((wg_status)numbers[i]), "WG_UNKNOWN");
    }
}

static void set_fills_and_returns(void **state)
{
    (void)state;
    wg_error err;
    memset(&err, 'x', sizeof err);
    assert_int_equal(wg_error_set(&err, WG_EFORMAT, "%s:%zu: bad %s", "a.txt", (size_t)7, "line"),
                     WG_EFORMAT);
    assert_int_equal(err.status, WG_EFORMAT);
    assert_string_equal(err.message, "a.txt:7: bad line");
}

static void a_null_error_is_fine(void **state)
{
    (void)state;
    assert_int_equal(wg_error_set(NULL, WG_EIO, "%d", 1), WG_EIO);
}

static void newlines_at_the_end_go(void **state)
{
    (void)state;
    wg_error err;
    wg_error_set(&err, WG_EIO, "two\nlines\n\n");
    assert_string_equal(err.message, "two\nlines");
    wg_error_set(&err, WG_EIO, "%s", "\n");
    assert_string_equal(err.message, "");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    wg_error err;
    wg_error_set(&err, WG_EINVAL, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_memory_equal(err.message, text, sizeof err.message - 1);
    text[sizeof err.message - 1] = '\0'; /* exactly fits: nothing is cut */
    wg_error_set(&err, WG_EINVAL, "%s", text);
    assert_string_equal(err.message, text);
}

/* A character of `width` bytes, `inside` of which lie before the cut. */
static void check_cut(const char *character, size_t inside)
{
    wg_error err;
    size_t room = sizeof err.message - 1;
    size_t width = strlen(character);
    char text[2048];
    size_t lead = room - inside;
    memset(text, 'a', lead);
    memcpy(text + lead, character, width);
    memset(text + lead + width, 'b', 100);
    text[lead + width + 100] = '\0';
    wg_error_set(&err, WG_EINVAL, "%s", text);
    size_t wanted = inside == width ? room : lead;
    assert_int_equal(strlen(err.message), wanted);
    assert_memory_equal(err.message, text, wanted);
}

static void cut_messages_stay_utf8(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < 3; i++)
        for (size_t inside = 0; inside <= strlen(characters[i]); inside++)
            check_cut(characters[i], inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_text), cmocka_unit_test(other_numbers_are_unknown),
        cmocka_unit_test(set_fills_and_returns),       cmocka_unit_test(a_null_error_is_fine),
        cmocka_unit_test(newlines_at_the_end_go),      cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(cut_messages_stay_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
