/* Looking inside: values while a program runs, the recorded equations, and a picture of them.
 *
 *     cc -std=c17 -O2 watch.c $(pkg-config --cflags --libs wengert) -o watch
 *     ./watch graph.dot && dot -Tsvg graph.dot >graph.svg
 *
 * The computation is an exponential moving average of a sequence, h' = (1 - a) h + a x, written as
 * a scan, and its gradient with respect to a. */
#include <wengert.h>

#include <stdio.h>
#include <stdlib.h>

static void check(wg_status status, const wg_error *err)
{
    if (status == WG_OK) return;
    fprintf(stderr, "%s: %s\n", wg_status_name(status), err->message);
    exit(2);
}

static void body(void *user, wg_scan_step *s)
{
    wg_var rate = *(const wg_var *)user; /* a value from outside: becomes a constant of the scan */
    /* wg_watch hands the value to the callback at every step, and returns it. */
    s->next[0] = wg_watch(wg_lerp(s->carry[0], s->x[0], rate), "average");
}

/* Called while the program runs. `time` is the step inside a scan, -1 outside. */
static void on_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    (void)user;
    if (time >= 0)
        printf("  %s[%d] =", name, (int)time);
    else
        printf("  %s =", name);
    for (int64_t i = 0; i < wg_tensor_count(value); i++) printf(" %g", wg_tensor_get(value, i));
    printf("\n");
}

int main(int argc, char **argv)
{
    enum { T = 4, N = 2 };
    wg_error err;
    wg_tape *tape;
    wg_tensor *x, *a;
    check(wg_tensor_new(WG_F64, WG_SHAPE(T, N), &x, &err), &err);
    check(wg_tensor_new(WG_F64, WG_SCALAR, &a, &err), &err);
    for (int i = 0; i < T * N; i++) wg_tensor_set(x, i, i);
    wg_tensor_set(a, 0, 0.5);

    check(wg_tape_new(&tape, &err), &err);
    wg_tape_on_watch(tape, on_watch, NULL);
    wg_push_scope(tape, "ema"); /* names what follows in messages, prints and pictures */
    wg_var sequence = wg_name(wg_tensor_var(tape, x), "x");
    wg_var rate = wg_name(wg_tensor_var(tape, a), "a");
    wg_var zero = wg_const(tape, WG_F64, WG_SHAPE(N), 0), final, out[2];
    const wg_scan_def def = {.size = sizeof def,
                             .body = body,
                             .user = &rate,
                             .sequences = &sequence,
                             .n_sequences = 1,
                             .init = &zero,
                             .n_carries = 1,
                             .name = "ema"};
    wg_scan(tape, &def, &final, NULL, NULL);
    wg_pop_scope(tape);
    out[0] = wg_name(wg_sum_all(final), "total");
    wg_grad(out, NULL, 1, &rate, 1, &out[1]);
    wg_watch(out[1], "gradient of a");

    char *text;
    check(wg_print(tape, out, 1, &text, &err), &err);
    printf("What was recorded for the total:\n%s\n", text);
    wg_free(text);

    printf("What is computed on the way:\n");
    check(wg_eval(out, 2, NULL, &err), &err);
    printf("total %g\n", wg_tensor_get(wg_eval_output(tape, 0), 0));

    if (argc > 1) {
        FILE *file = fopen(argv[1], "w");
        check(wg_dot(tape, out, 2, &text, &err), &err);
        if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
            perror(argv[1]);
            return 2;
        }
        wg_free(text);
    }
    wg_tape_free(tape);
    wg_tensor_free(x);
    wg_tensor_free(a);
    return 0;
}
