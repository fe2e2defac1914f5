/* A recurrent cell from outside the library: the minimal gated unit (Zhou et al. 2016) is
 * registered, its gradients are checked, and it is trained on a small task.
 *
 *     cc -std=c17 -O2 mgu_cell.c $(pkg-config --cflags --libs wengert) -o mgu_cell
 *
 * plugins/mgu.c is the same cell as a plugin of the tool. */
#include <wengert.h>

#include <stdio.h>
#include <stdlib.h>

/* ---- The cell: a function that records one step, and a table ---- */

/* f = s(x Wf + h Uf + bf);  c = tanh(x Wc + (f h) Uc + bc);  h' = (1 - f) h + f c */
static void mgu_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var h = state[0];
    wg_var f =
        wg_sigmoid(wg_add(wg_affine(x, wg_p(s, "Wf"), wg_p(s, "bf")), wg_matmul(h, wg_p(s, "Uf"))));
    wg_var c = wg_tanh(
        wg_add(wg_affine(x, wg_p(s, "Wc"), wg_p(s, "bc")), wg_matmul(wg_mul(f, h), wg_p(s, "Uc"))));
    next[0] = wg_lerp(h, c, f);
}

static const wg_cell_state mgu_states[] = {{"h", "H"}};

static const wg_cell_param mgu_params[] = {
    {.name = "Wf", .shape = "X,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "Uf", .shape = "H,H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1}},
    {.name = "bf", .shape = "H"},
    {.name = "Wc", .shape = "X,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "Uc", .shape = "H,H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1}},
    {.name = "bc", .shape = "H"},
};

static const wg_cell mgu = {.size = sizeof(wg_cell),
                            .name = "mgu",
                            .version = 1,
                            .doc = "Minimal gated unit (Zhou et al. 2016)",
                            .states = mgu_states,
                            .n_states = 1,
                            .params = mgu_params,
                            .n_params = sizeof mgu_params / sizeof mgu_params[0],
                            .step = mgu_step};

static void check(wg_status status, const wg_error *err)
{
    if (status == WG_OK) return;
    fprintf(stderr, "%s: %s\n", wg_status_name(status), err->message);
    exit(2);
}

/* ---- Are the gradients right? Every parameter against central differences, in f64. ---- */

enum { T = 4, B = 3, X = 5, H = 2 }; /* all different, so that no transposition goes unnoticed */

static void check_gradients(void)
{
    wg_error err;
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_tensor *x;
    check(wg_params_new(WG_F64, &params, &err), &err);
    const wg_rnn_config config = {
        .size = sizeof config, .cell = wg_find_cell("mgu"), .input_size = X, .hidden_size = H};
    check(wg_rnn_new(params, "rnn", &config, &rnn, &err), &err);
    check(wg_params_init(params, 1, &err), &err);
    check(wg_tensor_new(WG_F64, WG_SHAPE(T, B, X), &x, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 1, "x");
    for (int64_t i = 0; i < T * B * X; i++) wg_tensor_set(x, i, wg_rng_normal(&rng));

    check(wg_tape_new(&tape, &err), &err);
    wg_var y;
    wg_rnn_run(tape, rnn, NULL, wg_tensor_var(tape, x), &y, NULL);

    const wg_gradcheck_options options = {.size = sizeof options, .order = 2, .name_op = true};
    wg_gradcheck_report report = {.size = sizeof report};
    check(wg_gradcheck(&y, 1, NULL, 0, &options, &report, &err), &err);
    printf("%s\n%s\n", report.text, report.passed ? "gradients are right" : "GRADIENTS ARE WRONG");
    int passed = report.passed;
    wg_gradcheck_report_free(&report);
    wg_tape_free(tape);
    wg_tensor_free(x);
    wg_rnn_free(rnn);
    wg_params_free(params);
    if (!passed) exit(1);
}

/* ---- Does it learn? A sequence of symbols goes in; at its end the first one is asked for. ---- */

enum { STEPS = 8, ROWS = 32, SYMBOLS = 4, HIDDEN = 24, EPOCHS = 300 };

static void draw(wg_rng *rng, wg_tensor *symbols, wg_tensor *first)
{
    for (int64_t t = 0; t < STEPS; t++)
        for (int64_t b = 0; b < ROWS; b++) {
            double symbol = wg_rng_below(rng, SYMBOLS);
            wg_tensor_set(symbols, t * ROWS + b, symbol);
            if (t == 0) wg_tensor_set(first, b, symbol);
        }
}

static void train(void)
{
    wg_error err;
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_optimizer *optimizer;
    wg_tensor *symbols, *first;
    int weights;
    const wg_init init = WG_XAVIER;
    check(wg_params_new(WG_F32, &params, &err), &err);
    const wg_rnn_config config = {.size = sizeof config,
                                  .cell = wg_find_cell("mgu"),
                                  .input_size = SYMBOLS,
                                  .hidden_size = HIDDEN};
    check(wg_rnn_new(params, "rnn", &config, &rnn, &err), &err);
    check(wg_params_add(params, "out", WG_SHAPE(HIDDEN, SYMBOLS), &init, &weights, &err), &err);
    check(wg_params_init(params, 1, &err), &err);
    check(wg_tensor_new(WG_I32, WG_SHAPE(STEPS, ROWS), &symbols, &err), &err);
    check(wg_tensor_new(WG_I32, WG_SHAPE(ROWS), &first, &err), &err);
    wg_optimizer_options adam = WG_OPTIMIZER_OPTIONS_INIT;
    adam.clip_norm = 5;
    check(wg_optimizer_new(params, &adam, &optimizer, &err), &err);

    check(wg_tape_new(&tape, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 1, "symbols");
    int n = wg_params_count(params);
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        draw(&rng, symbols, first);

        /* Record: the loss, and its gradient with respect to every parameter. The list is the same
         * in every epoch, so it is compiled in the first one only. */
        wg_tape_reset(tape);
        wg_var x = wg_one_hot(wg_tensor_var(tape, symbols), SYMBOLS, WG_F32);
        wg_var target = wg_tensor_var(tape, first), last, leaf[16], out[2 + 16];
        wg_rnn_run(tape, rnn, NULL, x, &x, &last);
        wg_var logits = wg_matmul(last, wg_param(tape, params, weights));
        out[0] = wg_mean_all(wg_cross_entropy(logits, target, WG_NONE, 0));
        out[1] = wg_mean_all(wg_cast(wg_eq(wg_argmax(logits, 1), target), WG_F32));
        for (int i = 0; i < n; i++) leaf[i] = wg_param(tape, params, i);
        wg_grad_or_zeros(out, NULL, 1, leaf, n, out + 2);

        /* Run: gradients go straight to where the optimiser reads them. */
        wg_tensor *into[2 + 16] = {NULL, NULL};
        for (int i = 0; i < n; i++) into[2 + i] = wg_params_grad(params, i);
        check(wg_eval(out, 2 + n, into, &err), &err);
        check(wg_optimizer_step(optimizer, 0.02, 1, NULL, &err), &err);
        if (epoch % 50 == 0)
            printf("epoch %3d  loss %.4f  right %3.0f %%\n", epoch,
                   wg_tensor_get(wg_eval_output(tape, 0), 0),
                   100 * wg_tensor_get(wg_eval_output(tape, 1), 0));
    }
    wg_tape_free(tape);
    wg_optimizer_free(optimizer);
    wg_tensor_free(symbols);
    wg_tensor_free(first);
    wg_rnn_free(rnn);
    wg_params_free(params);
}

int main(void)
{
    wg_error err;
    check(wg_register_cell(&mgu, &err), &err); /* before the first tape */
    check_gradients();
    train();
    return 0;
}
