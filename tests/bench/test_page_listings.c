/* What docs/how-it-works.md and docs/concepts.md list is what the compiler does: every whole
 * equation of their listings stands in its trace. */
#include "page_test.h"

#include <wengert/cell.h>
#include <wengert/ops.h>
#include <wengert/plugin.h>

WG_PLUGIN_DECLARE(lstm_variants);

#if defined(__GNUC__) && !defined(__clang__)
static const bool made_by_gcc = true;
#else
static const bool made_by_gcc = false;
#endif

static char trace[1 << 20];

static void keep_text(void *user, const char *pass, const char *text)
{
    size_t n = strlen(trace);
    (void)user;
    if (strcmp(pass, "plan") == 0) return;
    assert_true(n + strlen(text) + 1 < sizeof trace);
    memcpy(trace + n, text, strlen(text) + 1);
}

/* Copies "%7", "[3,20]" and commas between them; words that explain are passed over. */
static const char *copy_list(const char *at, const char *end, bool shapes, char **to)
{
    while (at < end) {
        if (*at == '%' || (*at == ',' && at[1] == ' ')) {
            *(*to)++ = *at++;
            while (at < end && *at >= '0' && *at <= '9') *(*to)++ = *at++;
        } else if (*at == '[') {
            for (bool open = true; at < end && open; at++) {
                open = *at != ']';
                if (shapes) *(*to)++ = *at;
            }
        } else {
            at++;
        }
    }
    return end;
}

/* One equation of a line from `at` on, without names: "%7[3,20]=matmul(%0,%6){a^T}", with shapes
 * and attributes where they are wanted. Returns the end of it; NULL where there is none. */
static const char *equation(const char *at, bool shapes, bool attributes, char *to)
{
    at += strspn(at, " ");
    const char *line = at + strcspn(at, "\n"), *equals = strstr(at, " = ");
    if (*at != '%' || !equals || equals >= line) return NULL;
    const char *open = strchr(equals, '('), *close = strchr(equals, ')');
    if (!open || !close || close >= line) return NULL;
    copy_list(at, equals, shapes, &to);
    to += sprintf(to, "=%.*s(", (int)(open - equals - 3), equals + 3);
    at = copy_list(open, close, false, &to) + 1;
    *to++ = ')';
    const char *braces = at + strspn(at, " ");
    if (*braces == '{' && strchr(braces, '}') && strchr(braces, '}') < line) {
        at = strchr(braces, '}') + 1;
        if (attributes && braces[1] != '}') to += sprintf(to, "%.*s", (int)(at - braces), braces);
    }
    *to = '\0';
    return at;
}

static bool is_traced(const char *wanted, bool shapes, bool attributes)
{
    char have[4096];
    for (const char *line = trace; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!*line) break;
        if (equation(line, shapes, attributes, have) && strcmp(have, wanted) == 0) return true;
    }
    return false;
}

/* Every whole equation of the page's listings is in the trace; elisions ("...") are none. */
static void check_listings(const char *name, int at_least)
{
    char path[1024], line[512], wanted[4096];
    bool inside = false;
    int found = 0;
    assert_true(wgt_source_path(path, name));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "```", 3) == 0) inside = strcmp(line, "```text\n") == 0;
        if (!inside || strstr(line, "..")) continue;
        for (const char *at = line, *next; at; at = next) {
            const char *equals = strstr(at, " = ");
            bool shapes = equals && memchr(at, '[', (size_t)(equals - at));
            next = equation(at, shapes, true, wanted);
            if (!next) break;
            bool attributes = strchr(wanted, '{') != NULL;
            if (!is_traced(wanted, shapes, attributes))
                fail_msg("%s: no pass gives '%s', for %s", name, wanted, line);
            found++;
        }
    }
    fclose(file);
    if (found < at_least) fail_msg("%s: %d equations found", name, found);
}

static void listings_of_how_it_works(void **state)
{
    (void)state;
    wg_error err;
    if (!has_avx2() || !made_by_gcc) skip();
    WGT_OK(wengert_plugin_lstm_variants(&err), &err);
    trace[0] = '\0';
    stats_of("separate-gates", 512, false, (wg_compile_options){.trace = keep_text});
    check_listings("docs/how-it-works.md", 55);
}

/* The program of docs/concepts.md, whose output is compared by docs.samples_slow. */
static void listings_of_concepts(void **state)
{
    (void)state;
    if (!has_avx2() || !made_by_gcc) skip();
    enum { T = 7, B = 3, X = 4, H = 5 };
    wg_error err;
    wg_params *all;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_tensor *x;
    wg_program *program;
    wg_rnn_config config = {
        .size = sizeof config, .cell = wg_find_cell("lstm"), .input_size = X, .hidden_size = H};
    WGT_OK(wg_params_new(WG_F32, &all, &err), &err);
    WGT_OK(wg_rnn_new(all, "enc", &config, &rnn, &err), &err);
    WGT_OK(wg_params_init(all, 1, &err), &err);
    WGT_OK(wg_tape_new(&tape, &err), &err);
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(T, B, X), &x, &err), &err);
    wg_var y, weight[3], out[4];
    wg_rnn_run(tape, rnn, NULL, wg_tensor_var(tape, x), &y, NULL);
    for (int i = 0; i < 3; i++) weight[i] = wg_param(tape, all, i);
    out[0] = wg_sum_all(wg_square(y));
    WGT_OK(wg_grad(out, NULL, 1, weight, 3, out + 1), NULL);
    const wg_compile_options o = {
        .size = sizeof o, .threads = 1, .isa = WG_ISA_AVX2 + 1, .trace = keep_text};
    trace[0] = '\0';
    WGT_OK(wg_compile(out, 4, &o, &program, &err), &err);
    wg_program_free(program);
    wg_tape_free(tape);
    wg_rnn_free(rnn);
    wg_params_free(all);
    wg_tensor_free(x);
    check_listings("docs/concepts.md", 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listings_of_how_it_works),
        cmocka_unit_test(listings_of_concepts),
    };
    return cmocka_run_group_tests_name("page_listings", tests, NULL, NULL);
}
