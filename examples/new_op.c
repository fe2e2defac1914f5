/* An op from outside the library: running sums, with a kernel and a VJP rule of their own, checked
 * and used inside the body of a scan.
 *
 *     cc -std=c17 -O2 new_op.c $(pkg-config --cflags --libs wengert) -o new_op
 *
 * An op is one constant table. The built-in ones are made of nothing else; the compiler's passes
 * know an op by the traits in its table and never by name. docs/howto/new-op.md goes through it;
 * plugins/swish_op.c is an elementwise op, which is simpler, as a plugin. */
#include <wengert.h>

#include <stdio.h>
#include <stdlib.h>

/* ---- The op: y[.., j] = x[.., 0] + ... + x[.., j], or from the other end ---- */

/* Attributes are compared byte by byte: members of one size, and no pointers. */
typedef struct running_sum_attr {
    uint32_t backwards;
} running_sum_attr;

/* Shape rule: looked at when the op is recorded, before anything is computed. */
static wg_status running_sum_infer(wg_infer *c)
{
    const wg_type *x = &c->in[0];
    if (x->dtype != WG_F32 && x->dtype != WG_F64)
        return wg_infer_fail(c, WG_EDTYPE, "takes f32 or f64, not %s", wg_dtype_name(x->dtype));
    if (x->shape.rank == 0) return wg_infer_fail(c, WG_ESHAPE, "takes at least one axis");
    c->out[0] = *x;
    return WG_OK;
}

/* Rows [begin, end) of one kernel call; the same text for both dtypes. */
#define SUM_ROWS(type)                                       \
    for (int64_t row = begin; row < end; row++) {            \
        const type *x = (const type *)in->data + row * n;    \
        type *y = (type *)k->out[0].data + row * n, sum = 0; \
        for (int64_t j = 0; j < n; j++) {                    \
            int64_t at = backwards ? n - 1 - j : j;          \
            sum += x[at];                                    \
            y[at] = sum;                                     \
        }                                                    \
    }
static void sum_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const wg_kernel *k = user;
    const wg_view *in = &k->in[0];
    const running_sum_attr *attr = k->attr;
    int64_t n = in->shape.dim[in->shape.rank - 1];
    int backwards = attr->backwards != 0;
    (void)worker;
    if (in->dtype == WG_F32) {
        SUM_ROWS(float)
    } else {
        SUM_ROWS(double)
    }
}

/* Kernel: inputs are contiguous, and it allocates nothing. */
static wg_status running_sum_kernel(wg_kernel *k)
{
    wg_shape rows = k->in[0].shape;
    int64_t n = rows.dim[rows.rank - 1];
    rows.dim[rows.rank - 1] = 1;
    if (n > 0) wg_parallel_for(k->threads, wg_shape_count(&rows), 1 + 16384 / n, sum_rows, k);
    return WG_OK;
}

static const wg_op running_sum_op;

static wg_var running_sum(wg_var x, int backwards)
{
    running_sum_attr attr = {backwards != 0};
    return wg_record(&running_sum_op, &x, 1, &attr, sizeof attr);
}

/* VJP rule: dx[k] is the sum of gy[j] over j >= k, a running sum from the other end. As the rule
 * is written with ops, the gradient has a gradient in its turn. */
static void running_sum_vjp(wg_vjp *c)
{
    const running_sum_attr *attr = wg_vjp_attr(c);
    int backwards = attr->backwards != 0; /* recording may move what attr points at */
    wg_vjp_add(c, 0, running_sum(wg_vjp_grad(c, 0), !backwards));
}

/* How wg_print and wg_dot show the attributes. */
static void running_sum_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const running_sum_attr *a = attr;
    (void)attr_size;
    snprintf(buf, size, "%s", a->backwards ? "backwards" : "");
}

static const wg_op running_sum_op = {
    .size = sizeof(wg_op),
    .name = "example.running_sum",
    .version = 1,
    .traits = WG_OP_OPAQUE,
    .n_in = 1,
    .n_out = 1,
    .infer = running_sum_infer,
    .vjp = running_sum_vjp,
    .kernel = {running_sum_kernel},
    .format = running_sum_format,
    .doc = "y[j] = x[0] + ... + x[j] over the last axis",
};

/* ---- A recurrence that uses it ---- */

static void body(void *user, wg_scan_step *s)
{
    wg_var h = s->carry[0];
    (void)user;
    s->next[0] = wg_tanh(wg_add(s->x[0], wg_scale(running_sum(h, 0), 0.5)));
    s->y[0] = s->next[0];
}

static void check(wg_status status, const wg_error *err)
{
    if (status == WG_OK) return;
    fprintf(stderr, "%s: %s\n", wg_status_name(status), err->message);
    exit(2);
}

static wg_tensor *random_tensor(wg_shape shape, const char *stream)
{
    wg_error err;
    wg_tensor *tensor;
    wg_rng rng;
    check(wg_tensor_new(WG_F64, shape, &tensor, &err), &err);
    wg_rng_init(&rng, 1, stream);
    for (int64_t i = 0; i < wg_tensor_count(tensor); i++)
        wg_tensor_set(tensor, i, wg_rng_normal(&rng));
    return tensor;
}

int main(void)
{
    enum { T = 5, B = 2, N = 3 };
    wg_error err;
    wg_tape *tape;
    check(wg_register_op(&running_sum_op, &err), &err); /* makes it known by name */
    wg_tensor *x = random_tensor(WG_SHAPE(T, B, N), "x");
    wg_tensor *h = random_tensor(WG_SHAPE(B, N), "h");

    check(wg_tape_new(&tape, &err), &err);
    wg_var sequence = wg_tensor_var(tape, x), init = wg_tensor_var(tape, h), y;
    const wg_scan_def def = {.size = sizeof def,
                             .body = body,
                             .sequences = &sequence,
                             .n_sequences = 1,
                             .init = &init,
                             .n_carries = 1,
                             .n_outputs = 1,
                             .name = "sums"};
    wg_var final;
    wg_scan(tape, &def, &final, &y, NULL);

    /* Gradients of first and second order against central differences. */
    const wg_gradcheck_options options = {.size = sizeof options, .order = 2, .name_op = true};
    wg_gradcheck_report report = {.size = sizeof report};
    check(wg_gradcheck(&y, 1, NULL, 0, &options, &report, &err), &err);
    printf("%s\n", report.text);

    check(wg_eval(&final, 1, NULL, &err), &err);
    printf("final state:");
    for (int64_t i = 0; i < B * N; i++) printf(" %.6f", wg_tensor_get(wg_eval_output(tape, 0), i));
    printf("\n");

    int passed = report.passed;
    wg_gradcheck_report_free(&report);
    wg_tape_free(tape);
    wg_tensor_free(x);
    wg_tensor_free(h);
    return passed ? 0 : 1;
}
