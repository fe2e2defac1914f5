/* wengert-bench ops: single ops as programs of their own. Products of the shapes that recurrent
 * models have, in each form, in GFLOP/s; elementwise functions, softmax, losses, layer norm,
 * gradients of embeddings and optimiser updates in G elements/s, once with operands that stay in
 * the second cache and once from memory. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/optimizer.h>
#include <wengert/program.h>
#include <wengert/rng.h>

enum { INPUTS = 3, OUTPUTS = 2 };

/* One program under measurement: records from a[] into out[], and returns how many. */
typedef struct single {
    wg_tensor *tensor[INPUTS];
    wg_tape *tape;
    wg_program *program;
} single;

static void drop(single *s)
{
    wg_program_free(s->program);
    wg_tape_free(s->tape);
    for (int i = 0; i < INPUTS; i++) wg_tensor_free(s->tensor[i]);
}

static wg_status run(void *user, wg_error *err)
{
    const single *s = user;
    return wg_program_run(s->program, err);
}

static wg_status reals(wg_tensor **out, wg_shape shape, wg_error *err)
{
    wg_status status = wg_tensor_new(WG_F32, shape, out, err);
    if (status) return status;
    wg_rng rng;
    wg_rng_init(&rng, 1, "ops");
    float *x = wg_tensor_data(*out);
    for (int64_t i = 0; i < wg_tensor_count(*out); i++)
        x[i] = (float)(4 * wg_rng_uniform(&rng) - 2);
    return WG_OK;
}

static wg_status ids(wg_tensor **out, wg_shape shape, int64_t below, wg_error *err)
{
    wg_status status = wg_tensor_new(WG_I32, shape, out, err);
    if (status) return status;
    wg_rng rng;
    wg_rng_init(&rng, 1, "ids");
    int32_t *x = wg_tensor_data(*out);
    for (int64_t i = 0; i < wg_tensor_count(*out); i++)
        x[i] = (int32_t)wg_rng_below(&rng, (uint32_t)below);
    return WG_OK;
}

static wg_status measure(single *s, const wg_var *out, int n, const bench_options *o,
                         double *seconds, wg_error *err)
{
    const wg_compile_options how = {.size = sizeof how, .threads = o->threads};
    wg_status status = wg_compile(out, n, &how, &s->program, err);
    return status ? status : bench_time_short(o->steps, run, s, seconds, err);
}

/* ---- Products ---- */

static wg_status product(int64_t m, int64_t n, int64_t k, bool ta, bool tb, const bench_options *o,
                         wg_error *err)
{
    single s = {{NULL}, NULL, NULL};
    char text[80];
    double seconds;
    wg_status status = reals(&s.tensor[0], ta ? WG_SHAPE(k, m) : WG_SHAPE(m, k), err);
    if (!status) status = reals(&s.tensor[1], tb ? WG_SHAPE(n, k) : WG_SHAPE(k, n), err);
    if (!status) status = wg_tape_new(&s.tape, err);
    if (!status) {
        wg_var y = wg_matmul_t(wg_tensor_var(s.tape, s.tensor[0]),
                               wg_tensor_var(s.tape, s.tensor[1]), ta, tb);
        status = measure(&s, &y, 1, o, &seconds, err);
    }
    if (!status) {
        snprintf(text, sizeof text, "%lldx%lldx%lld", (long long)m, (long long)n, (long long)k);
        cJSON *line = bench_line(NULL, "ops", o->threads);
        cJSON_AddStringToObject(line, "op", "product");
        cJSON_AddStringToObject(line, "shape", text);
        cJSON_AddStringToObject(line, "form", ta ? "TN" : tb ? "NT" : "NN");
        bench_number(line, "us", seconds * 1e6, 2);
        bench_flops(line, 2.0 * (double)m * (double)n * (double)k, seconds, o->threads);
        bench_bytes(line, 4.0 * (double)(m * k + k * n + m * n), seconds, o->threads);
        status = bench_print(line, err);
    }
    drop(&s);
    return status;
}

static wg_status products(const bench_options *o, wg_error *err)
{
    static const int64_t shapes[][3] = {{20, 800, 200},    {50, 2048, 512}, {64, 2048, 512},
                                        {64, 1024, 256},   {64, 256, 1024}, {50, 512, 2048},
                                        {2240, 2048, 512}, {1, 2048, 512}};
    wg_status status = WG_OK;
    if (o->tiny) return product(3, 5, 4, false, false, o, err);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int form = 0; form < 3 && !status; form++)
            status =
                product(shapes[i][0], shapes[i][1], shapes[i][2], form == 2, form == 1, o, err);
    return status;
}

/* ---- Elements ---- */

/* Records from x [rows,1024] and targets or ids [rows]; returns the number of outputs. */
typedef int (*record_fn)(wg_var x, wg_var id, wg_var *out);

static int record_exp(wg_var x, wg_var id, wg_var *out)
{
    (void)id;
    out[0] = wg_exp(x);
    return 1;
}
static int record_log(wg_var x, wg_var id, wg_var *out)
{
    (void)id;
    out[0] = wg_log(x);
    return 1;
}
static int record_sigmoid(wg_var x, wg_var id, wg_var *out)
{
    (void)id;
    out[0] = wg_sigmoid(x);
    return 1;
}
static int record_tanh(wg_var x, wg_var id, wg_var *out)
{
    (void)id;
    out[0] = wg_tanh(x);
    return 1;
}
static int record_softmax(wg_var x, wg_var id, wg_var *out)
{
    (void)id;
    out[0] = wg_softmax(x);
    return 1;
}
static int record_layer_norm(wg_var x, wg_var id, wg_var *out)
{
    (void)id;
    out[0] = wg_layer_norm(x, WG_NONE, WG_NONE, 1e-5);
    return 1;
}
static int record_cross_entropy(wg_var x, wg_var id, wg_var *out)
{
    out[0] = wg_sum_all(wg_cross_entropy(x, id, WG_NONE, 0));
    return 1;
}
static int record_cross_entropy_gradient(wg_var x, wg_var id, wg_var *out)
{
    record_cross_entropy(x, id, out);
    wg_grad(out, NULL, 1, &x, 1, out + 1);
    return 2;
}
/* Rows of x added up at their ids, in a table as large as x. */
static int record_embedding_gradient(wg_var x, wg_var id, wg_var *out)
{
    out[0] = wg_scatter_rows(x, id, wg_dim(x, 0));
    return 1;
}

static const struct elements {
    const char *name;
    record_fn record;
    double passes; /* elements read and written, for each of x, at least */
} elements[] = {
    {"exp", record_exp, 2},
    {"log", record_log, 2},
    {"sigmoid", record_sigmoid, 2},
    {"tanh", record_tanh, 2},
    {"softmax", record_softmax, 2},
    {"layer_norm", record_layer_norm, 2},
    {"cross_entropy", record_cross_entropy, 1},
    {"cross_entropy and gradient", record_cross_entropy_gradient, 2},
    {"embedding gradient", record_embedding_gradient, 2},
};

static wg_status element(const struct elements *e, int64_t rows, int64_t columns, const char *where,
                         const bench_options *o, wg_error *err)
{
    single s = {{NULL}, NULL, NULL};
    double seconds;
    wg_status status = reals(&s.tensor[0], WG_SHAPE(rows, columns), err);
    int64_t below = e->record == record_embedding_gradient ? rows : columns;
    if (!status) status = ids(&s.tensor[1], WG_SHAPE(rows), below, err);
    if (!status) status = wg_tape_new(&s.tape, err);
    if (!status) {
        wg_var out[OUTPUTS];
        int n =
            e->record(wg_tensor_var(s.tape, s.tensor[0]), wg_tensor_var(s.tape, s.tensor[1]), out);
        status = measure(&s, out, n, o, &seconds, err);
    }
    if (!status) {
        double count = (double)(rows * columns);
        cJSON *line = bench_line(NULL, "ops", o->threads);
        cJSON_AddStringToObject(line, "op", e->name);
        cJSON_AddStringToObject(line, "operands", where);
        bench_number(line, "elements", count, 0);
        bench_number(line, "us", seconds * 1e6, 2);
        bench_number(line, "gelements_per_s", count / seconds * 1e-9, 3);
        bench_bytes(line, 4 * e->passes * count, seconds, o->threads);
        status = bench_print(line, err);
    }
    drop(&s);
    return status;
}

/* ---- Optimiser: norm, clipping and update over all parameters ---- */

static wg_status update(void *user, wg_error *err)
{
    return wg_optimizer_step(user, 1e-3, 1, NULL, err);
}

static wg_status optimizer(wg_optimizer_kind kind, int64_t n, const bench_options *o, wg_error *err)
{
    wg_params *params = NULL;
    wg_optimizer *optimizer = NULL;
    wg_optimizer_options how = WG_OPTIMIZER_OPTIONS_INIT;
    const wg_init init = {.kind = WG_INIT_UNIFORM, .a = -1, .b = 1};
    double seconds;
    how.kind = kind;
    how.clip_norm = 5;
    how.threads = o->threads;
    wg_status status = wg_params_new(WG_F32, &params, err);
    if (!status) status = wg_params_add(params, "w", WG_SHAPE(n), &init, NULL, err);
    if (!status) status = wg_params_init(params, 1, err);
    if (!status) status = wg_optimizer_new(params, &how, &optimizer, err);
    if (!status) wg_tensor_fill(wg_params_grads(params), 1e-3);
    if (!status) status = bench_time_short(o->steps, update, optimizer, &seconds, err);
    if (!status) {
        char name[80];
        /* Norm and update each read the gradient; weights, and states where there are, are read and
         * written. */
        double passes = kind == WG_OPTIMIZER_ADAM ? 8 : 4;
        snprintf(name, sizeof name, "clip and %s", wg_optimizer_name(kind));
        cJSON *line = bench_line(NULL, "ops", o->threads);
        cJSON_AddStringToObject(line, "op", name);
        cJSON_AddStringToObject(line, "operands", "memory");
        bench_number(line, "elements", (double)n, 0);
        bench_number(line, "us", seconds * 1e6, 2);
        bench_number(line, "gelements_per_s", (double)n / seconds * 1e-9, 3);
        bench_bytes(line, 4 * passes * (double)n, seconds, o->threads);
        status = bench_print(line, err);
    }
    wg_optimizer_free(optimizer);
    wg_params_free(params);
    return status;
}

wg_status bench_ops(const bench_options *o, wg_error *err)
{
    const int64_t columns = o->tiny ? 8 : 1024;
    wg_status status = products(o, err);
    for (size_t i = 0; i < sizeof elements / sizeof *elements && !status; i++) {
        status = element(&elements[i], o->tiny ? 2 : 64, columns, "cache", o, err);
        if (!status && !o->tiny) status = element(&elements[i], 8192, columns, "memory", o, err);
    }
    if (!status) status = optimizer(WG_OPTIMIZER_SGD, o->tiny ? 100 : 16 << 20, o, err);
    if (!status) status = optimizer(WG_OPTIMIZER_ADAM, o->tiny ? 100 : 16 << 20, o, err);
    return status;
}
