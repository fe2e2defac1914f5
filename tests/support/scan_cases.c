/* Scans of every form: nested loops, lengths in inner and outer ones, states passed through or
 * swapped, results that are slots, outer values or constants, integer and mask slots, random bits,
 * a gradient inside a body, products of every kind. */
#include "scan_cases.h"

/* 1. Swapped, held and doubled states; results that are slots. */
static void body_swap(void *user, wg_scan_step *s)
{
    (void)user;
    s->next[0] = s->carry[1];
    s->next[1] = s->carry[0];
    s->next[2] = s->carry[2];
    s->next[3] = wg_mul(s->carry[3], s->carry[0]);
    s->y[0] = s->carry[0];
    s->y[1] = s->x[0];
    s->y[2] = s->next[3];
    s->y[3] = s->next[3];
    s->sum[0] = s->next[3];
    s->sum[1] = s->carry[1];
    s->sum[2] = s->x[0];
}

static int swap(wgt_given *g, wg_var *out, bool lengths)
{
    wg_var init[4] = {g->leaf[1], g->leaf[2], g->leaf[1], wg_tanh(g->leaf[2])};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_swap,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = init,
                     .n_carries = 4,
                     .n_outputs = 4,
                     .n_sums = 3,
                     .lengths = lengths ? g->lengths : WG_NONE,
                     .reverse = lengths};
    g->scan(g->tape, &d, out, out + 4, out + 8);
    return 11;
}

int wgt_case_swap(wgt_given *g, wg_var *out)
{
    return swap(g, out, false);
}

int wgt_case_swap_lengths(wgt_given *g, wg_var *out)
{
    return swap(g, out, true);
}

/* 2. Outer values and constants as results, rank 1 and integer states, masks as sequences. */
static void body_mixed(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    wg_tape *t = s->tape;
    wg_var on = wg_cast(s->x[1], WG_F64), count = wg_cast(s->carry[1], WG_F64);
    s->next[0] =
        wg_add(s->carry[0], wg_mul(on, wg_sum_axis(wg_mul(s->x[0], g->leaf[4]), 1, false)));
    s->next[1] = wg_add(s->carry[1], s->x[2]);
    s->next[2] = s->x[1];
    s->y[0] = g->leaf[3];
    s->y[1] = wg_const(t, WG_F64, WG_SHAPE(g->b, 2), 2.5);
    s->y[2] = s->carry[1];
    s->y[3] = s->carry[2];
    s->y[4] = wg_mul(wg_mul(count, wg_cast(s->time, WG_F64)), s->carry[0]);
    s->sum[0] = wg_mul(count, s->next[0]);
    s->sum[1] = g->leaf[4];
}

static int case_mixed(wgt_given *g, wg_var *out)
{
    wg_tape *t = g->tape;
    wg_var zero = wg_const(t, WG_F64, WG_SCALAR, 0.1);
    wg_var mask = wg_gt(wg_slice(g->leaf[0], 2, 1, 1), zero);
    mask = wg_squeeze(mask, 2);
    wg_var ints = wg_cast(wg_scale(wg_squeeze(wg_slice(g->leaf[0], 2, 0, 1), 2), 3), WG_I32);
    wg_var seq[3] = {g->leaf[0], mask, ints};
    wg_var init[3] = {g->leaf[5], wg_const(t, WG_I32, WG_SHAPE(g->b), 1),
                      wg_const(t, WG_U8, WG_SHAPE(g->b), 1)};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_mixed,
                     .user = g,
                     .sequences = seq,
                     .n_sequences = 3,
                     .init = init,
                     .n_carries = 3,
                     .n_outputs = 5,
                     .n_sums = 2};
    g->scan(t, &d, out, out + 3, out + 8);
    return 10;
}

/* 3. Nested: the inner loop runs over features, its weights and a value of the middle level are
 * captured through two levels; the inner and the outer have lengths where asked for. */
typedef struct nest {
    wgt_given *g;
    wg_scan_step *outer;
    wg_var mid;
} nest;

static void body_inner(void *user, wg_scan_step *s)
{
    nest *n = user;
    wg_var w = n->g->leaf[3]; /* of the root */
    wg_var h = wg_tanh(wg_add(wg_matmul(s->carry[0], w), wg_mul(s->x[0], n->mid)));
    s->next[0] = h;
    s->y[0] = wg_mul(h, n->outer->carry[0]);
    s->sum[0] = wg_mul(wg_sum_axis(h, 0, false), n->g->leaf[4]);
}

static wg_scan_def inner_loop(nest *n)
{
    return (wg_scan_def){.size = sizeof(wg_scan_def),
                         .body = body_inner,
                         .user = n,
                         .sequences = &n->g->leaf[0],
                         .n_sequences = 1,
                         .init = n->outer->carry,
                         .n_carries = 1,
                         .n_outputs = 1,
                         .n_sums = 1,
                         .name = "inner"};
}

static void body_outer(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    nest n = {g, s, wg_sigmoid(wg_mul(s->x[0], g->leaf[4]))};
    wg_var final, y, sum;
    wg_scan_def d = inner_loop(&n);
    d.lengths = g->inner_lengths;
    d.reverse = true;
    g->scan(s->tape, &d, &final, &y, &sum);
    s->next[0] = wg_mul(final, wg_add_scalar(s->x[0], 0.5));
    s->y[0] = wg_sum_axis(y, 0, false);
    s->y[1] = wg_add(final, sum);
    s->sum[0] = sum;
}

static int nested(wgt_given *g, wg_var *out, bool inner, bool outer)
{
    if (!inner) g->inner_lengths = WG_NONE;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_outer,
                     .user = g,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 2,
                     .n_sums = 1,
                     .name = "outer"};
    if (outer) d.lengths = g->lengths;
    g->scan(g->tape, &d, out, out + 1, out + 3);
    return 4;
}

static int case_nested(wgt_given *g, wg_var *out)
{
    return nested(g, out, false, false);
}
static int case_nested_inner(wgt_given *g, wg_var *out)
{
    return nested(g, out, true, false);
}
int wgt_case_nested_both(wgt_given *g, wg_var *out)
{
    return nested(g, out, true, true);
}

/* 4. A gradient taken inside the body, of an inner loop: its augmented scan lives in the body. */
static void body_descend(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    nest n = {g, s, g->leaf[2]};
    wg_var final, y, sum, grad;
    const wg_scan_def d = inner_loop(&n);
    g->scan(s->tape, &d, &final, &y, &sum);
    wg_var energy = wg_sum_all(wg_square(y));
    wg_grad(&energy, NULL, 1, s->carry, 1, &grad);
    s->next[0] = wg_sub(s->carry[0], wg_scale(grad, 0.1));
    s->y[0] = energy;
}

static int case_descend(wgt_given *g, wg_var *out)
{
    wg_scan_def d = {.size = sizeof d,
                     .body = body_descend,
                     .user = g,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .steps = 2};
    g->scan(g->tape, &d, out, out + 1, NULL);
    return 2;
}

/* 5. Random bits in the body, dropout on states and inputs, both directions. */
static void body_dropout(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    wg_var x = wg_dropout(s->x[0], 0.4, g->key, "x", s->time, -1);
    wg_var h = wg_dropout(s->carry[0], 0.3, g->key, "h", s->time, -1);
    s->next[0] = wg_tanh(wg_add(wg_matmul(x, g->leaf[3]), wg_mul(h, g->leaf[4])));
    s->y[0] = wg_mul(s->next[0], wg_exp(wg_scale(wg_cast(s->time, WG_F64), -0.5)));
}

static int case_dropout(wgt_given *g, wg_var *out)
{
    int n = 0;
    for (int reverse = 0; reverse < 2; reverse++) {
        wg_scan_def d = {.size = sizeof d,
                         .body = body_dropout,
                         .user = g,
                         .sequences = g->leaf,
                         .n_sequences = 1,
                         .init = g->leaf + 1,
                         .n_carries = 1,
                         .n_outputs = 1,
                         .lengths = reverse ? g->lengths : WG_NONE,
                         .reverse = reverse};
        g->scan(g->tape, &d, &out[n], &out[n + 1], NULL);
        n += 2;
    }
    return n;
}

/* 6. Values that depend on constants alone, shared cheap chains, several ranks, no carries. */
static void body_wide(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    wg_var w = wg_matmul(g->leaf[3], g->leaf[3]), v = s->x[0];
    for (int k = 0; k < 30; k++) v = wg_scale(wg_add(v, v), 0.5); /* one value, used twice */
    s->y[0] = wg_tanh(wg_matmul(v, w));
    s->y[1] = wg_mul(wg_mul(v, v), wg_expand_dims(s->x[1], 1));
    s->y[2] = wg_outer(s->x[1], g->leaf[4]);
    s->sum[0] = wg_mul(s->x[2], wg_sum_all(w));
}

static int case_wide(wgt_given *g, wg_var *out)
{
    wg_var row = wg_sum_axis(g->leaf[0], 2, false);
    wg_var seq[3] = {g->leaf[0], row, wg_sum_axis(row, 1, false)};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_wide,
                     .user = g,
                     .sequences = seq,
                     .n_sequences = 3,
                     .n_outputs = 3,
                     .n_sums = 1};
    g->scan(g->tape, &d, NULL, out, out + 3);
    return 4;
}

/* 7. Only the last state is used; sequences are views of several strides. */
static void body_final(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    wg_var z = wg_concat((wg_var[]){s->x[0], s->x[1]}, 2, 1);
    s->next[0] = wg_tanh(wg_add(wg_matmul(z, g->leaf[3]), s->carry[0]));
    s->y[0] = wg_softmax(z);
    s->sum[0] = wg_sum_axis(z, 0, false);
}

static int case_final(wgt_given *g, wg_var *out)
{
    wg_var seq[2], y, sum;
    wg_split(g->leaf[0], 2, 2, seq);
    seq[1] = wg_broadcast_to(wg_slice(seq[1], 0, g->t - 1, 1), WG_SHAPE(g->t, g->b, 2));
    wg_scan_def d = {.size = sizeof d,
                     .body = body_final,
                     .user = g,
                     .sequences = seq,
                     .n_sequences = 2,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .n_sums = 1};
    g->scan(g->tape, &d, out, &y, &sum);
    return 1;
}

/* 8. Products of every kind that leaves the loop, or looks as if it could. */
static void body_products(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    wg_var w = g->leaf[3], x = s->x[0], h = s->carry[0];
    s->y[0] = wg_matmul(x, w);
    s->y[1] = wg_matmul_t(x, w, false, true);
    s->y[2] = wg_matmul(wg_tanh(x), w);
    s->y[3] = wg_matmul(h, w);
    s->y[4] = s->y[0];
    s->y[5] = wg_matmul(wg_const(s->tape, WG_F64, WG_SHAPE(2, 4), 0.5), w);
    s->next[0] = wg_tanh(wg_add(s->y[0], h));
    s->sum[0] = wg_matmul_t(x, h, true, false);
    s->sum[1] = wg_matmul_t(x, x, true, false);
    s->sum[2] = wg_sum_axis(h, 0, false);
    s->sum[3] = wg_sum_axis(x, 0, false);
    s->sum[4] = wg_matmul_t(h, s->next[0], true, false);
}

static int case_products(wgt_given *g, wg_var *out)
{
    wg_scan_def d = {.size = sizeof d,
                     .body = body_products,
                     .user = g,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 6,
                     .n_sums = 5,
                     .reverse = g->t == 4};
    g->scan(g->tape, &d, out, out + 1, out + 7);
    return 12;
}

const wgt_scan_case wgt_scan_cases[] = {
    {"swap", wgt_case_swap},
    {"swap, lengths", wgt_case_swap_lengths},
    {"mixed", case_mixed},
    {"nested", case_nested},
    {"nested, inner lengths", case_nested_inner},
    {"nested, lengths", wgt_case_nested_both},
    {"descend", case_descend},
    {"dropout", case_dropout},
    {"wide", case_wide},
    {"final", case_final},
    {"products", case_products},
};
const size_t wgt_n_scan_cases = sizeof wgt_scan_cases / sizeof *wgt_scan_cases;
