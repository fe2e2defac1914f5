/* wg_print and wg_dot: what they show, scans inside, escaping, bad outputs, no memory. */
#include "support.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/scan.h>

static wg_tape *new_tape(void)
{
    wg_error err;
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    return tape;
}

static char *print(wg_tape *tape, const wg_var *out, int n)
{
    wg_error err;
    char *text;
    WGT_OK(wg_print(tape, out, n, &text, &err), &err);
    return text;
}

static char *draw(wg_tape *tape, const wg_var *out, int n)
{
    wg_error err;
    char *text;
    WGT_OK(wg_dot(tape, out, n, &text, &err), &err);
    return text;
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' is not in:\n%s", part, text);
}

static void expect_not(const char *text, const char *part)
{
    if (strstr(text, part)) fail_msg("'%s' is in:\n%s", part, text);
}

static void equations_are_lines(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var x = wg_input(tape, "x", WG_F64, WG_SHAPE(3, 5));
    wg_push_scope(tape, "enc");
    wg_push_scope(tape, "0");
    wg_var y = wg_name(wg_sigmoid(wg_scale(x, 0.5)), "gate");
    wg_pop_scope(tape);
    wg_pop_scope(tape);
    wg_watch(wg_sum_all(y), "loss");
    wg_exp(x); /* %4: nobody asks for it */
    char *all = print(tape, NULL, 0);
    assert_string_equal(all, "%0 = input(\"x\")  f64[3,5]\n"
                             "%1 = scale(%0; 0.5)  f64[3,5]  @enc.0\n"
                             "%2 \"gate\" = sigmoid(%1)  f64[3,5]  @enc.0\n"
                             "%3 = sum(%2; axes=0,1)  f64[]  watch \"loss\"\n"
                             "%4 = exp(%0)  f64[3,5]\n");
    wg_free(all);
    char *some = print(tape, &y, 1);
    expect(some, "sigmoid(");
    expect_not(some, "exp(");
    expect_not(some, "sum(");
    wg_free(some);
    wg_tape_free(tape);
}

/* The LSTM of any text book, gates packed in one product. */
typedef struct lstm {
    wg_var w, u, b;
} lstm;

static void lstm_step(void *user, wg_scan_step *s)
{
    const lstm *l = user;
    wg_var gate[4];
    wg_push_scope(s->tape, "gates");
    wg_var all = wg_add(wg_affine(s->x[0], l->w, l->b), wg_matmul(s->carry[0], l->u));
    wg_pop_scope(s->tape);
    wg_split(all, 1, 4, gate);
    wg_var i = wg_sigmoid(gate[0]), f = wg_sigmoid(gate[1]), g = wg_tanh(gate[2]);
    wg_var o = wg_sigmoid(gate[3]);
    s->next[1] = wg_add(wg_mul(f, s->carry[1]), wg_mul(i, g));
    s->next[0] = wg_mul(o, wg_tanh(s->next[1]));
    s->y[0] = s->next[0];
}

typedef struct model {
    wg_tape *tape;
    wg_tensor *tensor[4];
    wg_var loss;
} model;

static wg_var weight(model *m, int i, const char *name, wg_shape shape)
{
    WGT_OK(wg_tensor_new(WG_F32, shape, &m->tensor[i], NULL), NULL);
    return wg_name(wg_tensor_var(m->tape, m->tensor[i]), name);
}

static model make_lstm(bool lengths)
{
    model m = {.tape = new_tape()};
    wg_var x = wg_input(m.tape, "x", WG_F32, WG_SHAPE(7, 2, 3));
    lstm l = {weight(&m, 0, "enc.W", WG_SHAPE(3, 20)), weight(&m, 1, "enc.U", WG_SHAPE(5, 20)),
              weight(&m, 2, "enc.b", WG_SHAPE(20))};
    wg_push_scope(m.tape, "encoder");
    wg_var zero = wg_const(m.tape, WG_F32, WG_SHAPE(2, 5), 0), init[2] = {zero, zero};
    const wg_scan_def def = {.size = sizeof def,
                             .body = lstm_step,
                             .user = &l,
                             .sequences = &x,
                             .n_sequences = 1,
                             .init = init,
                             .n_carries = 2,
                             .n_outputs = 1,
                             .lengths = lengths ? wg_input(m.tape, "lengths", WG_I32, WG_SHAPE(2))
                                                : WG_NONE,
                             .name = "lstm"};
    wg_var last[2], y;
    WGT_OK(wg_scan(m.tape, &def, last, &y, NULL), NULL);
    wg_pop_scope(m.tape);
    wg_push_scope(m.tape, "output");
    wg_var v = weight(&m, 3, "out.V", WG_SHAPE(5, 4));
    m.loss = wg_mean_all(wg_square(wg_matmul(y, v)));
    wg_pop_scope(m.tape);
    return m;
}

static void drop(model *m)
{
    wg_tape_free(m->tape);
    for (int i = 0; i < 4; i++) wg_tensor_free(m->tensor[i]);
}

static void scans_are_indented(void **state)
{
    (void)state;
    model m = make_lstm(false);
    char *text = print(m.tape, &m.loss, 1);
    expect(text, "= scan(x %0; init %");
    expect(text, "steps=7)  f32[2,5], f32[2,5], f32[7,2,5]  @encoder\n");
    expect(text, "\n    body:  x %0 f32[2,3]  carry %1 f32[2,5], %2 f32[2,5]  const %");
    expect(text, "\"enc.W\" f32[3,20]");
    expect(text, "    %");
    expect(text, "@encoder.lstm.gates\n");
    expect(text, "\n    end:  next %");
    expect(text, "= matmul(%7, %");
    wg_free(text);
    drop(&m);
}

/* Braces and quotes of a DOT text match; every edge ends in identifiers that are declared. */
static void check_dot(const char *text)
{
    int depth = 0;
    bool quoted = false;
    for (const char *p = text; *p; p++) {
        assert_true((unsigned char)*p >= 0x20 || *p == '\n');
        if (quoted && *p == '\\') {
            p++;
            continue;
        }
        if (*p == '"') quoted = !quoted;
        if (quoted) continue;
        if (*p == '{') depth++;
        if (*p == '}') depth--;
        assert_true(depth >= 0);
    }
    assert_false(quoted);
    assert_int_equal(depth, 0);
    int edges = 0;
    for (const char *p = text; (p = strstr(p, " -> ")); p += 4) {
        const char *from = p;
        while (from > text && from[-1] != ' ' && from[-1] != '\n') from--;
        size_t n_from = (size_t)(p - from), n_to = strcspn(p + 4, " ;");
        char declared[64];
        snprintf(declared, sizeof declared, " %.*s [label=", (int)n_from, from);
        expect(text, declared);
        snprintf(declared, sizeof declared, " %.*s [label=", (int)n_to, p + 4);
        expect(text, declared);
        edges++;
    }
    assert_true(edges > 0);
}

static void graphs_are_well_formed(void **state)
{
    (void)state;
    for (int lengths = 0; lengths < 2; lengths++) {
        model m = make_lstm(lengths);
        char *text = draw(m.tape, &m.loss, 1);
        check_dot(text);
        expect(text, "digraph wengert {");
        expect(text, "label=\"encoder\"");
        expect(text, "label=\"scan: 7 steps\"");
        expect(text, "enc.W\\nf32[3,20]");
        expect(text, "label=\"lstm.gates\"");
        expect(text, "matmul");
        expect(text, "style=dashed, constraint=false"); /* the way back of a state */
        const char *file = getenv("WGT_DOT_FILE");      /* for looking at the drawing */
        FILE *out = file && lengths == 0 ? fopen(file, "w") : NULL;
        if (out) {
            fputs(text, out);
            fclose(out);
        }
        wg_free(text);
        /* The backward scan too. */
        wg_var x[2] = {wg_tensor_var(m.tape, m.tensor[0]), wg_tensor_var(m.tape, m.tensor[1])},
               g[2];
        WGT_OK(wg_grad(&m.loss, NULL, 1, x, 2, g), NULL);
        text = draw(m.tape, g, 2);
        check_dot(text);
        expect(text, "last to first");
        wg_free(text);
        text = draw(m.tape, NULL, 0);
        check_dot(text);
        wg_free(text);
        drop(&m);
    }
}

static void outer_step(void *user, wg_scan_step *s)
{
    const wg_scan_def def = {.size = sizeof def,
                             .body = lstm_step,
                             .user = user,
                             .sequences = s->x,
                             .n_sequences = 1,
                             .init = s->carry,
                             .n_carries = 2,
                             .n_outputs = 1};
    wg_scan(s->tape, &def, s->next, s->y, NULL);
}

static void scans_in_scans_are_drawn(void **state)
{
    (void)state;
    model m = {.tape = new_tape()};
    wg_var x = wg_input(m.tape, "x", WG_F32, WG_SHAPE(4, 7, 2, 3));
    lstm l = {weight(&m, 0, "enc.W", WG_SHAPE(3, 20)), weight(&m, 1, "enc.U", WG_SHAPE(5, 20)),
              weight(&m, 2, "enc.b", WG_SHAPE(20))};
    wg_var zero = wg_const(m.tape, WG_F32, WG_SHAPE(2, 5), 0), init[2] = {zero, zero};
    const wg_scan_def def = {.size = sizeof def,
                             .body = outer_step,
                             .user = &l,
                             .sequences = &x,
                             .n_sequences = 1,
                             .init = init,
                             .n_carries = 2,
                             .n_outputs = 1};
    wg_var last[2], y;
    WGT_OK(wg_scan(m.tape, &def, last, &y, NULL), NULL);
    char *text = draw(m.tape, &y, 1);
    check_dot(text);
    expect(text, "scan: 4 steps");
    expect(text, "scan: 7 steps");
    wg_free(text);
    text = print(m.tape, &y, 1);
    expect(text, "\n        body:");
    wg_free(text);
    drop(&m);
}

static void scopes_nest(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var x = wg_input(tape, "x", WG_F32, WG_SHAPE(2));
    static const char *const path[][3] = {{"enc", "0", "cell"},
                                          {"enc", "1", NULL},
                                          {"enc", NULL, NULL},
                                          {"encore", NULL, NULL},
                                          {"enc", "0", "cell"}};
    for (size_t i = 0; i < sizeof path / sizeof path[0]; i++) {
        int depth = 0;
        for (; depth < 3 && path[i][depth]; depth++) wg_push_scope(tape, path[i][depth]);
        x = wg_neg(x);
        for (; depth > 0; depth--) wg_pop_scope(tape);
    }
    char *text = draw(tape, &x, 1);
    check_dot(text);
    /* Every scope is one cluster, though its nodes are apart in the list. */
    static const char *const labels[] = {"label=\"enc\"", "label=\"enc.0\"", "label=\"enc.0.cell\"",
                                         "label=\"enc.1\"", "label=\"encore\""};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        char *first = strstr(text, labels[i]);
        assert_non_null(first);
        assert_null(strstr(first + 1, labels[i]));
    }
    wg_free(text);
    wg_tape_free(tape);
}

static void names_are_escaped(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var x = wg_input(tape, "x\"]; evil [\\\n\x1b[31m\xff\xC3\xA9", WG_F32, WG_SHAPE(2));
    wg_push_scope(tape, "s\"}");
    wg_var y = wg_watch(wg_name(wg_neg(x), "n\"\x07"), "w\\");
    wg_pop_scope(tape);
    char *text = draw(tape, &y, 1);
    check_dot(text);
    expect(text, "x\\\"]; evil [\\\\  [31m?\xC3\xA9");
    expect(text, "s\\\"}");
    wg_free(text);
    text = print(tape, &y, 1);
    expect_not(text, "\x1b");
    expect_not(text, "\x07");
    expect(text, "\xC3\xA9");
    wg_free(text);
    wg_tape_free(tape);
}

static void numbers_do_not_depend_on_the_locale(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const char *got = NULL;
    for (size_t i = 0; i < sizeof locales / sizeof locales[0] && !got; i++)
        got = setlocale(LC_ALL, locales[i]);
    if (!got) skip(); /* no locale with a decimal comma on this machine */
    wg_tape *tape = new_tape();
    wg_var y = wg_scale(wg_input(tape, "x", WG_F32, WG_SHAPE(2)), 0.25);
    char *text = print(tape, &y, 1);
    expect(text, "0.25");
    wg_free(text);
    char here[16];
    snprintf(here, sizeof here, "%.2f", 0.25);
    assert_string_equal(here, "0,25"); /* the host's own locale came back */
    setlocale(LC_ALL, "C");
    wg_tape_free(tape);
}

static void bad_outputs_are_refused(void **state)
{
    (void)state;
    wg_tape *tape = new_tape(), *other = new_tape();
    wg_var x = wg_input(other, "x", WG_F32, WG_SHAPE(2)), none = WG_NONE;
    wg_error err;
    char *text = (char *)&err;
    WGT_STATUS(wg_print(tape, &x, 1, &text, &err), WG_ESTALE, &err);
    assert_null(text);
    WGT_STATUS(wg_dot(tape, &none, 1, &text, &err), WG_ESTALE, &err);
    WGT_STATUS(wg_print(NULL, NULL, 0, &text, &err), WG_EINVAL, &err);
    wg_var bad = wg_add(x, wg_input(other, "y", WG_F32, WG_SHAPE(3)));
    WGT_STATUS(wg_dot(other, &bad, 1, &text, &err), WG_ESHAPE, &err); /* why it is poisoned */
    text = print(tape, NULL, 0);
    assert_string_equal(text, "");
    wg_free(text);
    wg_tape_free(tape);
    wg_tape_free(other);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(0);
        model m = make_lstm(true);
        size_t before = wgt_alloc_count();
        wgt_alloc_restore();
        drop(&m);
        wgt_fail_alloc_at(before + n);
        m = make_lstm(true);
        char *text, *graph;
        wg_status a = wg_print(m.tape, &m.loss, 1, &text, NULL);
        wg_status b = wg_dot(m.tape, &m.loss, 1, &graph, NULL);
        bool reached = wgt_alloc_count() >= before + n;
        wg_free(text);
        wg_free(graph);
        drop(&m);
        size_t live = wgt_alloc_live();
        wgt_alloc_restore();
        assert_int_equal(live, 0);
        if (!reached) break;
        assert_true((a == WG_ENOMEM) != (b == WG_ENOMEM));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equations_are_lines),
        cmocka_unit_test(scans_are_indented),
        cmocka_unit_test(graphs_are_well_formed),
        cmocka_unit_test(scans_in_scans_are_drawn),
        cmocka_unit_test(scopes_nest),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(numbers_do_not_depend_on_the_locale),
        cmocka_unit_test(bad_outputs_are_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
