/* The pass "pair gradients" in a language model's step: how many kernels run, and over how many
 * buffers of the logits' shape. */
#include "pair_support.h"

#include <wengert/scan.h>

static char text[20000];

static void rnn_step(void *user, wg_scan_step *s)
{
    const wg_var *recurrent = user;
    s->next[0] = wg_tanh(wg_add(s->x[0], wg_matmul(s->carry[0], *recurrent)));
    s->y[0] = s->next[0];
}

/* The output layer of a training step is products and one kernel over one buffer of logits. */
static void one_kernel_over_one_buffer(void **state)
{
    (void)state;
    enum { T = 10, B = 8, H = 16, V = 3000 };
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 3, "lm");
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    const int64_t seq[] = {T, B, H};
    wg_tensor *t[6] = {
        uniform(WG_F32, wg_shape_of(3, seq), &rng), uniform(WG_F32, WG_SHAPE(H, H), &rng),
        uniform(WG_F32, WG_SHAPE(H, V), &rng),      uniform(WG_F32, WG_SHAPE(V), &rng),
        new_tensor(WG_I32, WG_SHAPE(T, B)),         uniform(WG_F32, WG_SHAPE(B, H), &rng)};
    wg_tensor_fill(t[4], 17);
    wg_var v[6], h, final, out[5];
    for (int i = 0; i < 6; i++) v[i] = wg_tensor_var(tape, t[i]);
    wg_scan_def d = {.size = sizeof d,
                     .body = rnn_step,
                     .user = v + 1,
                     .sequences = v,
                     .n_sequences = 1,
                     .init = v + 5,
                     .n_carries = 1,
                     .n_outputs = 1};
    WGT_OK(wg_scan(tape, &d, &final, &h, NULL), NULL);
    out[0] = wg_mean_all(wg_cross_entropy(wg_affine(h, v[2], v[3]), v[4], WG_NONE, 0));
    WGT_OK(wg_grad(out, NULL, 1, v, 4, out + 1), NULL);
    wg_program *p[2];
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(out, 5, o, &p[0], text, sizeof text), 1);
    o.passes = "-pair gradients";
    char other[sizeof text];
    assert_int_equal(compiled(out, 5, o, &p[1], other, sizeof other), 0);
    /* Of the logits' shape: the product, and the gradient in its place. */
    assert_int_equal(occurrences(text, " f32[10,8,3000] ="), 1);
    assert_int_equal(occurrences(text, " f32[10,8,3000],"), 1);
    assert_int_equal(occurrences(other, " f32[10,8,3000] ="), 3);
    wg_program_stats s[2] = {{.size = sizeof s[0]}, {.size = sizeof s[1]}};
    for (int i = 0; i < 2; i++) wg_program_get_stats(p[i], &s[i]);
    /* bias, loss, gradient, sum: one kernel of four */
    assert_int_equal(s[0].kernels_a_run + 3, s[1].kernels_a_run);
    assert_int_equal(s[0].products_a_run, s[1].products_a_run);
    for (int i = 0; i < 5; i++) {
        int64_t at = 0;
        assert_true(same_bits(wg_program_output(p[0], i), wg_program_output(p[1], i), &at));
    }
    for (int i = 0; i < 2; i++) wg_program_free(p[i]);
    wg_tape_free(tape);
    for (int i = 0; i < 6; i++) wg_tensor_free(t[i]);
}

/* Without the gradient of h, whose product asks for room to pack its operands in. */
static void buffers_of_logits_planned(void **state)
{
    (void)state;
    enum { N = 256, H = 4, V = 2000 };
    const int64_t bytes = (int64_t)N * V * 4;
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 3, "lm");
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *t[4] = {uniform(WG_F32, WG_SHAPE(N, H), &rng), uniform(WG_F32, WG_SHAPE(H, V), &rng),
                       uniform(WG_F32, WG_SHAPE(V), &rng), new_tensor(WG_I32, WG_SHAPE(N))};
    wg_var v[4], out[3];
    for (int i = 0; i < 4; i++) v[i] = wg_tensor_var(tape, t[i]);
    out[0] = wg_mean_all(wg_cross_entropy(wg_affine(v[0], v[1], v[2]), v[3], WG_NONE, 0));
    WGT_OK(wg_grad(out, NULL, 1, v + 1, 2, out + 1), NULL);
    wg_program *p;
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(out, 3, o, &p, NULL, 0), 1);
    wg_program_stats s = {.size = sizeof s};
    wg_program_get_stats(p, &s);
    if (s.bytes_planned >= bytes * 3 / 2) fail_msg("%lld bytes", (long long)s.bytes_planned);
    wg_program_free(p);
    wg_tape_free(tape);
    for (int i = 0; i < 4; i++) wg_tensor_free(t[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_kernel_over_one_buffer),
        cmocka_unit_test(buffers_of_logits_planned),
    };
    return cmocka_run_group_tests_name("pair_step", tests, NULL, NULL);
}
