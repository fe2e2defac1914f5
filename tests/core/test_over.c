/* Outputs of loops over sequences that die there: where every place of a step is read for the last
 * time by the kernel that writes it, there is one buffer and not two; where anything reads it
 * later, in the step or after the loop, at another step or in another order, there are two. The
 * values are those of the list run node by node. */
#include "support.h"

#include <math.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/scan.h>

enum { T = 33, B = 8, W = 64, H = W / 2 };

typedef struct form {
    const char *name;
    void (*body)(void *user, wg_scan_step *s);
    int n_outputs;
    wg_var (*before)(wg_tape *tape, wg_var x); /* from the leaf to the sequence; NULL: 1.5 x */
    enum {
        SUMMED,  /* outputs are multiplied and summed */
        SCANNED, /* they are sequences of one more loop */
        AGAIN,   /* and so is the sequence */
        SHIFTED, /* the loop also reads the sequence of one step later */
        TWICE,   /* and it twice */
    } then;
    double most; /* buffers of T B W numbers that are planned, and then some; 0 = not said */
    double least;
} form;

/* ---- bodies: carry[0] is [B,H], x[0] [B,W] ---- */

static void halves(wg_var x, wg_var *half)
{
    wg_split(x, -1, 2, half);
}

static wg_var joined(wg_var a, wg_var b)
{
    const wg_var both[2] = {a, b};
    return wg_concat(both, 2, -1);
}

/* Element over element. */
static void whole(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2], y = wg_tanh(s->x[0]);
    halves(y, half);
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), half[0]);
    s->y[0] = y;
}

/* Each half is computed from both. */
static void mixed(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2];
    halves(s->x[0], half);
    wg_var a = wg_mul(wg_tanh(half[0]), wg_sigmoid(half[1]));
    wg_var b = wg_sub(wg_tanh(wg_add(half[1], s->carry[0])), wg_square(half[0]));
    s->y[0] = joined(a, b);
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), wg_mul(a, b));
}

/* And stands in the other's place. */
static void swapped(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2];
    halves(s->x[0], half);
    wg_var a = wg_tanh(wg_add(half[0], s->carry[0])), b = wg_sigmoid(half[1]);
    s->y[0] = joined(b, a);
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), wg_mul(a, b));
}

/* A product after the kernel reads the sequence again. */
static void read_later(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    wg_var half[2], y = wg_tanh(wg_add(s->x[0], joined(s->carry[0], s->carry[0])));
    halves(wg_mul(wg_matmul(y, *w), s->x[0]), half);
    s->y[0] = y;
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), half[1]);
}

/* A product of what is carried, before the kernel. */
static void after_product(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    wg_var half[2], to = wg_matmul(joined(s->carry[0], s->carry[0]), *w);
    wg_var y = wg_tanh(wg_mul(s->x[0], to));
    halves(y, half);
    s->y[0] = y;
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), half[1]);
}

/* One half is written while a product still wants it, the other is not. */
static void half_later(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    wg_var half[2], more[2];
    halves(s->x[0], half);
    wg_var a = wg_tanh(wg_add(half[0], s->carry[0])), b = wg_sigmoid(half[1]);
    s->y[0] = a;
    s->y[1] = b;
    halves(wg_matmul(joined(half[0], wg_square(b)), *w), more);
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), wg_mul(more[0], half[0]));
}

/* Columns are outputs of their own. */
static void columns(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2];
    halves(s->x[0], half);
    s->y[0] = wg_mul(wg_tanh(half[0]), wg_sigmoid(half[1]));
    s->y[1] = wg_sub(wg_tanh(wg_add(half[1], s->carry[0])), half[0]);
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), wg_mul(s->y[0], s->y[1]));
}

static void one_column(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2];
    halves(s->x[0], half);
    s->y[0] = wg_mul(wg_tanh(half[0]), wg_sigmoid(half[1]));
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), s->y[0]);
}

/* The rows' order, the elements' order: not that of the sequence. */
static void turned(void *user, wg_scan_step *s)
{
    (void)user;
    static const int swap[2] = {1, 0};
    wg_var half[2];
    halves(wg_tanh(s->x[0]), half);
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), half[1]);
    s->y[0] = wg_tanh(wg_reshape(wg_transpose(s->x[0], swap, 2), WG_SHAPE(B, W)));
}

/* A mean of the row is wanted before any of it goes. */
static void normal(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2], y = wg_layer_norm(s->x[0], WG_NONE, WG_NONE, 1e-5);
    halves(y, half);
    s->y[0] = y;
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), half[0]);
}

static void of_two(void *user, wg_scan_step *s)
{
    (void)user;
    wg_var half[2], y = wg_tanh(wg_add(s->x[0], wg_scale(s->x[1], 0.3)));
    halves(y, half);
    s->y[0] = y;
    s->next[0] = wg_add(wg_scale(s->carry[0], 0.5), half[0]);
}

/* ---- what is before the loop ---- */

/* Steps are columns in memory. */
static wg_var transposed(wg_tape *tape, wg_var x)
{
    (void)tape;
    static const int swap[3] = {1, 0, 2};
    return wg_transpose(wg_scale(wg_reshape(x, WG_SHAPE(B, T, W)), 1.5), swap, 3);
}

static const form forms[] = {
    {"whole", whole, 1, NULL, SUMMED, 1.3, 0},
    {"mixed", mixed, 1, NULL, SUMMED, 1.3, 0},
    {"swapped", swapped, 1, NULL, SUMMED, 1.3, 0},
    {"after a product", after_product, 1, NULL, SUMMED, 1.5, 0},
    {"normal", normal, 1, NULL, SUMMED, 1.3, 0},
    {"read later", read_later, 1, NULL, SUMMED, 0, 1.9},
    {"columns, then a loop", columns, 2, NULL, SCANNED, 1.8, 0},
    {"half later, then a loop", half_later, 2, NULL, SCANNED, 0, 1.9},
    {"columns, then sums", columns, 2, NULL, SUMMED, 0, 1.9},
    {"one column, then a loop", one_column, 1, NULL, SCANNED, 0, 1.4},
    {"read after the loop", whole, 1, NULL, AGAIN, 0, 1.9},
    {"read after the loop, in halves", mixed, 1, NULL, AGAIN, 0, 1.9},
    {"the next step's too", of_two, 1, NULL, SHIFTED, 0, 1.8},
    {"two slots", of_two, 1, NULL, TWICE, 1.3, 0},
    {"turned", turned, 1, NULL, SUMMED, 0, 1.9},
    {"transposed", whole, 1, transposed, SUMMED, 0, 1.9},
    {"transposed, mixed", mixed, 1, transposed, SUMMED, 0, 1.9},
};

static void last(void *user, wg_scan_step *s)
{
    const int *n = user;
    wg_var z = wg_tanh(wg_add(s->carry[0], s->x[0]));
    if (*n > 1) z = wg_mul(z, wg_sigmoid(s->x[1]));
    s->next[0] = s->y[0] = z;
}

static wg_tensor *numbers(wg_dtype dtype, wg_shape shape, double phase)
{
    wg_tensor *t;
    wg_error err;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, 0.8 * sin(0.37 * (double)i + phase));
    return t;
}

typedef struct given {
    wg_tensor *x, *w, *c, *state, *lengths;
    bool reverse, masked, gradient;
    int64_t remat;
} given;

static int record(wg_tape *tape, const form *f, const given *g, wg_var *out)
{
    wg_var leaf = wg_tensor_var(tape, g->x), w = wg_tensor_var(tape, g->w), y[2], final;
    wg_var x[2] = {f->before ? f->before(tape, leaf) : wg_scale(leaf, 1.5), WG_NONE};
    wg_var c = wg_tensor_var(tape, g->c), init = wg_tensor_var(tape, g->state);
    int n_seq = 1, two = f->n_outputs;
    wg_var whole_x = x[0];
    if (f->then == TWICE) x[n_seq++] = x[0];
    if (f->then == SHIFTED) {
        x[1] = wg_slice(whole_x, 0, 1, T - 1);
        x[0] = wg_slice(whole_x, 0, 0, T - 1);
        n_seq = 2;
        c = wg_slice(c, 0, 0, T - 1);
    }
    wg_scan_def def = {.size = sizeof def,
                       .body = f->body,
                       .user = &w,
                       .sequences = x,
                       .n_sequences = n_seq,
                       .init = &init,
                       .n_carries = 1,
                       .n_outputs = f->n_outputs,
                       .reverse = g->reverse,
                       .remat = g->remat,
                       .name = "first"};
    def.lengths = g->masked ? wg_tensor_var(tape, g->lengths) : WG_NONE;
    wg_scan(tape, &def, &final, y, NULL);
    wg_var loss = wg_sum_all(final);
    if (f->then == SCANNED) {
        wg_scan_def more = {.size = sizeof more,
                            .body = last,
                            .user = &two,
                            .sequences = y,
                            .n_sequences = f->n_outputs,
                            .init = &init,
                            .n_carries = 1,
                            .n_outputs = 1,
                            .name = "second"};
        wg_var z;
        wg_scan(tape, &more, &final, &z, NULL);
        loss = wg_add(loss, wg_sum_all(wg_mul(z, wg_slice(c, -1, 0, H))));
    } else {
        for (int i = 0; i < f->n_outputs; i++) {
            wg_var by = f->n_outputs == 1 ? c : wg_slice(c, -1, i * H, H);
            loss = wg_add(loss, wg_sum_all(wg_mul(y[i], by)));
        }
        if (f->then == AGAIN) loss = wg_add(loss, wg_sum_all(wg_mul(whole_x, y[0])));
    }
    int n = 0;
    out[n++] = loss;
    out[n++] = final;
    if (!g->gradient) return n;
    wg_var leaves[4] = {leaf, w, c, init};
    wg_grad_or_zeros(&loss, NULL, 1, leaves, 4, out + n);
    n += 4;
    wg_var norm = wg_sum_all(wg_square(out[2]));
    wg_grad_or_zeros(&norm, NULL, 1, leaves, 2, out + n);
    return n + 2;
}

static void check(const form *f, given *g, int threads)
{
    wg_error err;
    wg_tape *tape;
    wg_var out[16];
    WGT_OK(wg_tape_new(&tape, &err), &err);
    int n = record(tape, f, g, out);
    WGT_OK(wg_tape_status(tape, &err), &err);
    wg_program *p[2];
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .threads = threads, .node_by_node = plain};
        WGT_OK(wg_compile(out, n, &o, &p[plain], &err), &err);
        for (int run = 0; run < 2; run++) WGT_OK(wg_program_run(p[plain], &err), &err);
    }
    bool narrow = wg_tensor_dtype(g->x) == WG_F32;
    for (int i = 0; i < n; i++) {
        const wg_tensor *a = wg_program_output(p[0], i), *b = wg_program_output(p[1], i);
        double most = 1;
        for (int64_t k = 0; k < wg_tensor_count(a); k++)
            most = fmax(most, fabs(wg_tensor_get(b, k)));
        for (int64_t k = 0; k < wg_tensor_count(a); k++) {
            double x = wg_tensor_get(a, k), y = wg_tensor_get(b, k);
            if (!(fabs(x - y) <= (narrow ? 2e-3 : 1e-10) * most))
                fail_msg("%s (reverse %d, lengths %d, remat %d, threads %d): output %d[%d]: %g and "
                         "%g",
                         f->name, g->reverse, g->masked, (int)g->remat, threads, i, (int)k, x, y);
        }
    }
    wg_program_stats stats = {.size = sizeof stats};
    wg_program_get_stats(p[0], &stats);
    double unit = (double)wg_tensor_bytes(g->x), held = (double)stats.bytes_planned / unit;
    if (narrow && !g->gradient && !g->masked && !g->remat &&
        (held < f->least || (f->most > 0 && held > f->most)))
        fail_msg("%s (reverse %d): %.3f buffers planned", f->name, g->reverse, held);
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    wg_tape_free(tape);
}

static void every_form(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        wg_dtype dtype = wide ? WG_F64 : WG_F32;
        wg_error err;
        given g = {.x = numbers(dtype, WG_SHAPE(T, B, W), 0),
                   .w = numbers(dtype, WG_SHAPE(W, W), 1),
                   .c = numbers(dtype, WG_SHAPE(T, B, W), 2),
                   .state = numbers(dtype, WG_SHAPE(B, H), 3)};
        WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(B), &g.lengths, &err), &err);
        for (int64_t i = 0; i < B; i++) wg_tensor_set(g.lengths, i, (double)(5 + 3 * i));
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
            for (int how = 0; how < 16; how++) {
                g.reverse = how & 1;
                g.masked = (how & 2) != 0 && forms[i].then != SHIFTED;
                g.gradient = (how & 4) != 0;
                g.remat = how & 8 ? 6 : 0;
                check(&forms[i], &g, how & 1 ? 2 : 1);
            }
        wg_tensor_free(g.x);
        wg_tensor_free(g.w);
        wg_tensor_free(g.c);
        wg_tensor_free(g.state);
        wg_tensor_free(g.lengths);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
    };
    return cmocka_run_group_tests_name("over", tests, NULL, NULL);
}
