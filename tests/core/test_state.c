/* The state tree: order, lookup, names that are refused, ownership, many entries, no memory. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include <wengert/state.h>

static wg_tensor *number(double value)
{
    wg_tensor *t;
    WGT_OK(wg_tensor_new(WG_F32, WG_SCALAR, &t, NULL), NULL);
    wg_tensor_set(t, 0, value);
    return t;
}

static void entries_keep_their_order(void **state)
{
    (void)state;
    wg_error err;
    wg_state *s;
    WGT_OK(wg_state_new(&s, &err), &err);
    assert_int_equal(wg_state_count(s), 0);
    assert_null(wg_state_tensor(s, "x"));
    WGT_OK(wg_state_put_tensor(s, "optim/m/enc.0.W", number(1), &err), &err);
    WGT_OK(wg_state_put_text(s, "config.json", "{\"a\":\0 1}", 8, &err), &err);
    WGT_OK(wg_state_put_tensor(s, "\xC3\xA9t\xC3\xA9", number(2), &err), &err);
    WGT_OK(wg_state_put_text(s, "empty", NULL, 0, &err), &err);
    assert_int_equal(wg_state_count(s), 4);
    assert_string_equal(wg_state_name(s, 0), "optim/m/enc.0.W");
    assert_string_equal(wg_state_name(s, 1), "config.json");
    assert_null(wg_state_name(s, 4));
    assert_null(wg_state_name(s, -1));
    assert_true(wg_tensor_get(wg_state_tensor_at(s, 0), 0) == 1);
    assert_null(wg_state_tensor_at(s, 1));
    assert_null(wg_state_tensor_at(s, 9));
    size_t length = 99;
    const char *text = wg_state_text_at(s, 1, &length);
    assert_int_equal(length, 8);
    assert_memory_equal(text, "{\"a\":\0 1", 9); /* a NUL is put after the bytes */
    assert_null(wg_state_text_at(s, 0, &length));
    assert_int_equal(length, 0);
    assert_string_equal(wg_state_text(s, "empty", NULL), "");
    assert_true(wg_tensor_get(wg_state_tensor(s, "\xC3\xA9t\xC3\xA9"), 0) == 2);
    assert_null(wg_state_text(s, "config", &length));
    assert_null(wg_state_tensor(s, NULL));
    wg_state_free(s);
    wg_state_free(NULL);
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    wg_error err;
    wg_state *s;
    WGT_OK(wg_state_new(&s, &err), &err);
    char longest[258];
    memset(longest, 'a', sizeof longest);
    longest[256] = '\0';
    static const char *const bad[] = {"",     "/etc/passwd",  "a/../b",  "..",   "a\\b",
                                      "a\nb", "a\x7f",        "\xff",    "\xC3", "\xC2\x85",
                                      "a\tb", "\xED\xA0\x80", "\xC0\xAF"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        WGT_STATUS(wg_state_put_text(s, bad[i], "x", 1, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_state_put_text(s, NULL, "x", 1, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_state_put_text(s, longest, "x", 1, &err), WG_EINVAL, &err);
    longest[255] = '\0';
    WGT_OK(wg_state_put_text(s, longest, "x", 1, &err), &err);
    WGT_OK(wg_state_put_text(s, "a.b/c d", "x", 1, &err), &err);
    WGT_STATUS(wg_state_put_tensor(s, "t", NULL, &err), WG_EINVAL, &err);
    assert_int_equal(wg_state_count(s), 2);
    wg_state_free(s);
}

static void a_name_is_taken_once(void **state)
{
    (void)state;
    wg_error err;
    wg_state *s;
    WGT_OK(wg_state_new(&s, &err), &err);
    wg_tensor *mine = number(3);
    WGT_OK(wg_state_ref_tensor(s, "w", mine, &err), &err);
    WGT_STATUS(wg_state_put_tensor(s, "w", mine, &err), WG_EEXIST, &err);
    assert_non_null(strstr(err.message, "'w'"));
    WGT_STATUS(wg_state_put_text(s, "w", "x", 1, &err), WG_EEXIST, &err);
    assert_ptr_equal(wg_state_tensor(s, "w"), mine);
    wg_state_free(s);
    assert_true(wg_tensor_get(mine, 0) == 3); /* a reference only */
    wg_tensor_free(mine);
}

static void many_entries_are_found(void **state)
{
    (void)state;
    wg_state *s;
    WGT_OK(wg_state_new(&s, NULL), NULL);
    char name[32], text[32];
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "entry/%d", i);
        WGT_OK(wg_state_put_text(s, name, name, strlen(name), NULL), NULL);
    }
    assert_int_equal(wg_state_count(s), N);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "entry/%d", i);
        snprintf(text, sizeof text, "%s", wg_state_text(s, name, NULL));
        assert_string_equal(text, name);
        assert_string_equal(wg_state_name(s, i), name);
    }
    assert_null(wg_state_text(s, "entry/20000", NULL));
    wg_state_free(s);
}

static wg_status build(void)
{
    wg_state *s;
    wg_status status = wg_state_new(&s, NULL);
    if (status) return status;
    char name[16];
    for (int i = 0; i < 20 && !status; i++) {
        snprintf(name, sizeof name, "t%d", i);
        if (i % 2) {
            status = wg_state_put_text(s, name, "text", 4, NULL);
            continue;
        }
        wg_tensor *t;
        status = wg_tensor_new(WG_F32, WG_SHAPE(2), &t, NULL);
        if (status) break;
        status = wg_state_put_tensor(s, name, t, NULL);
        if (status) wg_tensor_free(t); /* still the caller's */
    }
    wg_state_free(s);
    return status;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(build())) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_keep_their_order), cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(a_name_is_taken_once),     cmocka_unit_test(many_entries_are_found),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
