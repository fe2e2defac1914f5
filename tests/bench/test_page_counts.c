/* What docs/how-it-works.md and docs/concepts.md count is what programs do: products, kernels and
 * buffers of their examples after each pass, and of cells written in other forms. */
#include "page_test.h"

#include <stdlib.h>

#include <wengert/cell.h>
#include <wengert/ops.h>
#include <wengert/plugin.h>

WG_PLUGIN_DECLARE(lstm_variants);

/* ---- the page, with every run of white space as one blank ---- */

static char page[1 << 16];

static void says(const char *text)
{
    if (!strstr(page, text)) fail_msg("docs/how-it-works.md does not say '%s'", text);
}

/* ---- LSTMs in other forms ---- */

static void recurrence(wg_step *s, wg_var x, wg_var h, bool watched, const wg_var *state,
                       wg_var *next)
{
    wg_var gate[4];
    wg_var all = wg_add(wg_affine(x, wg_p(s, "Wx"), wg_p(s, "b")), wg_matmul(h, wg_p(s, "Wh")));
    wg_split(all, -1, 4, gate);
    wg_var f = wg_sigmoid(gate[1]);
    if (watched) f = wg_watch(f, "f");
    next[1] = wg_add(wg_mul(f, state[1]), wg_mul(wg_sigmoid(gate[0]), wg_tanh(gate[2])));
    next[0] = wg_mul(wg_sigmoid(gate[3]), wg_tanh(next[1]));
}

static void function_of_state(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    recurrence(s, x, wg_mul(wg_sigmoid(state[1]), state[0]), false, state, next);
}

static void function_of_x(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    recurrence(s, wg_tanh(x), state[0], false, state, next);
}

static void watched_gate(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    recurrence(s, x, state[0], true, state, next);
}

static const wg_cell_state states[] = {{.name = "h", .shape = "H"}, {.name = "c", .shape = "H"}};
static const wg_cell_param params[] = {
    {.name = "Wx", .shape = "X,4H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "Wh", .shape = "H,4H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "b", .shape = "4H"},
};
#define CELL(step_of, name_of)                                                                   \
    {                                                                                            \
        .size = sizeof(wg_cell), .name = name_of, .version = 1, .states = states, .n_states = 2, \
        .params = params, .n_params = 3, .step = step_of, .doc = "a test"                        \
    }
static const wg_cell cells[] = {CELL(function_of_state, "test.function-of-state"),
                                CELL(function_of_x, "test.function-of-x"),
                                CELL(watched_gate, "test.watched")};

static int set_up(void **state)
{
    char path[1024], *text = page;
    wg_error err;
    (void)state;
    if (wg_isa_best() < WG_ISA_AVX2) return 0;
    if (wengert_plugin_lstm_variants(&err)) return -1;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        if (wg_register_cell(&cells[i], &err)) return -1;
    if (!wgt_source_path(path, "docs/how-it-works.md")) return -1;
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    bool blank = false;
    for (int c; (c = getc(file)) != EOF && text < page + sizeof page - 2;) {
        bool is_blank = c == ' ' || c == '\n';
        if (blank && !is_blank) *text++ = ' ';
        if (!is_blank) *text++ = (char)c;
        blank = is_blank;
    }
    return fclose(file);
}

/* ---- counting ---- */

typedef struct pass_names {
    char text[2000]; /* "|merge scans|dead code|" ... */
} pass_names;

static void note_pass(void *user, const char *pass, const char *text)
{
    char *names = ((pass_names *)user)->text;
    (void)text;
    size_t n = strlen(names);
    snprintf(names + n, sizeof((pass_names *)user)->text - n, "%s|", pass);
}

enum { SMALL = 96 };

static void counts(const char *cell, wg_compile_options o, int *products, int *kernels)
{
    wg_program_stats s = stats_of(cell, SMALL, true, o);
    *products = (int)s.products_a_run;
    *kernels = (int)s.kernels_a_run;
}

/* ---- the table of passes ---- */

/* Programs of a row are made without the passes that rows below it name. */
static void the_table_of_passes(void **state)
{
    (void)state;
    if (!has_avx2()) skip();
    static const char head[] =
        "| after the pass | products a run | kernels a run | |---|---:|---:|";
    pass_names passes = {"|"};
    int products, kernels, rows = 0;
    counts("separate-gates", (wg_compile_options){.trace = note_pass, .trace_user = &passes},
           &products, &kernels);
    const char *at = strstr(page, head);
    assert_non_null(at);
    for (at += sizeof head - 1; at[0] == ' ' && at[1] == '|'; rows++) {
        char label[80], left_out[2000] = "", name[80];
        int wanted[2];
        if (sscanf(at, " | %79[^|]| %*[*]%d%*[*] | %*[*]%d", label, &wanted[0], &wanted[1]) != 3 &&
            sscanf(at, " | %79[^|]| %d | %d", label, &wanted[0], &wanted[1]) != 3)
            fail_msg("no row: %.80s", at);
        for (int bars = 0; bars < 4; at++) bars += *at == '|';
        /* What is left of the table. */
        const char *end = strstr(at, " The built-in LSTM");
        assert_non_null(end);
        for (const char *p = passes.text + 1; *p; p += strlen(name) + 1) {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "|"), p);
            const char *named = strstr(at, name);
            char entry[82];
            snprintf(entry, sizeof entry, "-%s", name);
            if (!named || named >= end || strstr(left_out, entry)) continue;
            size_t n = strlen(left_out);
            snprintf(left_out + n, sizeof left_out - n, "%s%s", n ? "," : "", entry);
        }
        counts("separate-gates",
               (wg_compile_options){.node_by_node = rows == 0, .passes = rows ? left_out : NULL},
               &products, &kernels);
        if (products != wanted[0] || kernels != wanted[1])
            fail_msg("%s: %d products, %d kernels; the page says %d, %d (without %s)", label,
                     products, kernels, wanted[0], wanted[1], left_out);
    }
    assert_int_equal(rows, 11);
}

/* docs/concepts.md has them all, in their order. */
static void the_list_of_passes(void **state)
{
    (void)state;
    if (!has_avx2()) skip();
    pass_names passes = {"|"};
    char path[1024], line[512], listed[2000] = "|recorded|";
    int products, kernels;
    counts("lstm", (wg_compile_options){.trace = note_pass, .trace_user = &passes}, &products,
           &kernels);
    assert_true(wgt_source_path(path, "docs/concepts.md"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool inside = false;
    while (fgets(line, sizeof line, file)) {
        if (strcmp(line, "| pass | what it does |\n") == 0) inside = true;
        if (*line != '|') inside = false;
        if (!inside || strncmp(line, "|---", 4) == 0 || strncmp(line, "| pass |", 8) == 0) continue;
        size_t n = strlen(listed);
        *strstr(line, " | ") = '\0';
        snprintf(listed + n, sizeof listed - n, "%s|", line + 2);
    }
    fclose(file);
    strcat(listed, "plan|");
    assert_string_equal(listed, passes.text);
}

static void the_cell_written_by_hand(void **state)
{
    (void)state;
    if (!has_avx2()) skip();
    int products[2], kernels[2], own, ours;
    char text[200];
    for (int plain = 0; plain < 2; plain++)
        counts("lstm", (wg_compile_options){.node_by_node = plain}, &products[plain],
               &kernels[plain]);
    snprintf(text, sizeof text, "starts at %d products and %d kernels and ends at %d and %d.",
             products[1], kernels[1], products[0], kernels[0]);
    says(text);
    counts("separate-gates", (wg_compile_options){0}, &own, &ours);
    assert_int_equal(ours - kernels[0], 9);
    says("The nine more kernels");
}

/* ---- other figures ---- */

static void its_buffers(void **state)
{
    (void)state;
    if (!has_avx2()) skip();
    char text[200];
    wg_program_stats s = stats_of("separate-gates", 512, false, (wg_compile_options){0});
    snprintf(text, sizeof text,
             "The program above holds %.1f MB where a buffer a value would take %.1f.",
             1e-6 * (double)s.bytes_planned, 1e-6 * (double)s.bytes_unplanned);
    says(text);
}

static void other_forms(void **state)
{
    (void)state;
    if (!has_avx2()) skip();
    static const struct {
        const char *cell, *row; /* up to its counts */
    } forms[] = {
        {"peephole", "| peepholes | "},
        {"test.function-of-state", "| a product over a *state's* function, `(s(c) h) Wh` | "},
        {"test.function-of-x", "| a product over x changed in the step, `tanh(x) Wx` | "},
        {"gru-reset-before", "| `gru-reset-before`: `(r h) Uc` after `r = s(... h Ur)` | "},
    };
    char text[200];
    int products[2], kernels[2];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        counts(forms[i].cell, (wg_compile_options){0}, &products[0], &kernels[0]);
        snprintf(text, sizeof text, "%s%d, %d |", forms[i].row, products[0], kernels[0]);
        says(text);
    }
    counts("lstm", (wg_compile_options){0}, &products[0], &kernels[0]);
    counts("separate-gates", (wg_compile_options){0}, &products[1], &kernels[1]);
    assert_int_equal(products[0], products[1]);
    snprintf(text, sizeof text, "x and h apart or joined | %d, %d to %d |", products[0], kernels[0],
             kernels[1]);
    says(text);
    counts("test.watched", (wg_compile_options){0}, &products[1], &kernels[1]);
    snprintf(text, sizeof text, "(%d to %d kernels here)", kernels[0], kernels[1]);
    says(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_passes),
        cmocka_unit_test(the_list_of_passes),
        cmocka_unit_test(the_cell_written_by_hand),
        cmocka_unit_test(its_buffers),
        cmocka_unit_test(other_forms),
    };
    return cmocka_run_group_tests_name("page_counts", tests, set_up, NULL);
}
