/* The yardstick: an LSTM language model's training step as an expert writes it for this one model.
 *
 * The input projection of all steps is one product; a step is one recurrent product and one fused
 * loop over its rows; gates become their gradients in place, stacked over time, so that each weight
 * gradient is one large product; recurrent weights are packed or transposed once a step; of the
 * embedding only rows that occur are touched. */
#include "hand_lstm.h"

#include <math.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/parallel.h>
#include <wengert/rng.h>

#include "hand_pointwise.h"
#include "hand_product.h"

enum { MOST_LAYERS = 8, PARAMS = 3 + 3 * MOST_LAYERS };

typedef struct layer {
    float *gates, *c, *tanh_c, *h; /* [T,B,4H]; [T+1,B,H] with zeros before; [T,B,H]; [T+1,B,H] */
} layer;

struct hand_lstm {
    bench_config k;
    int threads, n;
    const hand_loops *loops;
    float *value[PARAMS], *grad[PARAMS], *arena;
    int64_t size[PARAMS];
    int32_t *x, *y, *rows, n_rows; /* rows of the embedding that occur, each once */
    int64_t *seen;                 /* [V]: the step at which a row was last listed */
    int64_t steps;
    layer layers[MOST_LAYERS];
    float *inputs, *logits, *dx, *dh, *dc; /* [T,B,H], [T,B,V], [T,B,H] twice, [B,H] */
    hand_product *project, *recur, *output, *to_output, *to_inputs, *to_h, *weights_x, *weights_h,
        *weights_out;
    double loss;
};

float *hand_lstm_value(hand_lstm *m, int i)
{
    return i < 0 || i >= m->n ? NULL : m->value[i];
}
float *hand_lstm_grad(hand_lstm *m, int i)
{
    return i < 0 || i >= m->n ? NULL : m->grad[i];
}
int32_t *hand_lstm_x(hand_lstm *m)
{
    return m->x;
}
int32_t *hand_lstm_y(hand_lstm *m)
{
    return m->y;
}
double hand_lstm_loss(const hand_lstm *m)
{
    return m->loss;
}

/* y[j] = sum over rows of x[row,j]; each thread has a piece of the columns. */
static void column_sums(const hand_lstm *m, int64_t rows, int64_t n, const float *x, float *y)
{
    const int64_t width = (n / m->threads + 16) & ~(int64_t)15;
    memset(y, 0, (size_t)n * sizeof *y);
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1)
    for (int64_t at = 0; at < n; at += width)
        for (int64_t r = 0; r < rows; r++)
            m->loops->add(at + width < n ? width : n - at, y + at, x + r * n + at);
}

static void forward_layer(hand_lstm *m, int l, const float *in)
{
    const int64_t T = m->k.T, B = m->k.B, H = m->k.H;
    layer *s = &m->layers[l];
    const float *Wx = m->value[1 + 3 * l], *Wh = m->value[2 + 3 * l], *b = m->value[3 + 3 * l];
    hand_product_prepare(m->project, Wx);
    hand_product_run(m->project, in, Wx, s->gates);
    hand_product_prepare(m->recur, Wh);
    for (int64_t t = 0; t < T; t++) {
        float *gates = s->gates + t * B * 4 * H;
        if (t > 0) hand_product_run(m->recur, s->h + t * B * H, Wh, gates);
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1)
        for (int64_t r = 0; r < B; r++) {
            int64_t at = (t * B + r) * H;
            m->loops->forward(H, gates + r * 4 * H, b, s->c + at, s->c + at + B * H, s->tanh_c + at,
                              s->h + at + B * H);
        }
    }
}

/* dh [T,B,H] is the gradient of the layer's outputs; gives the gradient of its inputs in dx. */
static void backward_layer(hand_lstm *m, int l, const float *in, const float *dh, float *dx)
{
    const int64_t T = m->k.T, B = m->k.B, H = m->k.H;
    layer *s = &m->layers[l];
    float *Wx = m->value[1 + 3 * l], *Wh = m->value[2 + 3 * l];
    float *recurrent = m->logits; /* [B,H] of it: free by now */
    hand_product_prepare(m->to_h, Wh);
    memset(m->dc, 0, (size_t)(B * H) * sizeof *m->dc);
    for (int64_t t = T - 1; t >= 0; t--) {
        float *gates = s->gates + t * B * 4 * H;
        if (t < T - 1) hand_product_run(m->to_h, gates + B * 4 * H, Wh, recurrent);
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1)
        for (int64_t r = 0; r < B; r++) {
            int64_t at = (t * B + r) * H;
            m->loops->backward(H, gates + r * 4 * H, s->c + at, s->tanh_c + at, dh + at,
                               t < T - 1 ? recurrent + r * H : NULL, m->dc + r * H);
        }
    }
    hand_product_run(m->weights_x, in, s->gates, m->grad[1 + 3 * l]);
    if (T > 1)
        hand_product_run(m->weights_h, s->h + B * H, s->gates + B * 4 * H, m->grad[2 + 3 * l]);
    column_sums(m, T * B, 4 * H, s->gates, m->grad[3 + 3 * l]);
    hand_product_prepare(m->to_inputs, Wx);
    hand_product_run(m->to_inputs, s->gates, Wx, dx);
}

/* Lists the rows that occur, and adds up their gradients. */
static void embedding_gradient(hand_lstm *m, const float *dx)
{
    const int64_t H = m->k.H;
    m->n_rows = 0;
    m->steps++;
    for (int64_t i = 0; i < m->k.T * m->k.B; i++) {
        int32_t id = m->x[i];
        float *row = m->grad[0] + id * H;
        if (m->seen[id] != m->steps) {
            m->seen[id] = m->steps;
            m->rows[m->n_rows++] = id;
            memcpy(row, dx + i * H, (size_t)H * sizeof *row);
        } else {
            m->loops->add(H, row, dx + i * H);
        }
    }
}

double hand_lstm_gradient(hand_lstm *m)
{
    const int64_t N = m->k.T * m->k.B, B = m->k.B, H = m->k.H, V = m->k.V;
    const int L = (int)m->k.layers;
    float *W = m->value[m->n - 2], *b = m->value[m->n - 1];
    double loss = 0;
    for (int64_t i = 0; i < N; i++)
        memcpy(m->inputs + i * H, m->value[0] + m->x[i] * H, (size_t)H * sizeof(float));
    for (int l = 0; l < L; l++) forward_layer(m, l, l ? m->layers[l - 1].h + B * H : m->inputs);
    const float *top = m->layers[L - 1].h + B * H;
    hand_product_prepare(m->output, W);
    hand_product_run(m->output, top, W, m->logits);
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1) reduction(+ : loss)
    for (int64_t i = 0; i < N; i++)
        loss += m->loops->softmax(V, m->logits + i * V, b, m->y[i], 1.0F / (float)N);
    hand_product_run(m->weights_out, top, m->logits, m->grad[m->n - 2]);
    column_sums(m, N, V, m->logits, m->grad[m->n - 1]);
    hand_product_prepare(m->to_output, W);
    hand_product_run(m->to_output, m->logits, W, m->dh);
    float *dh = m->dh, *dx = m->dx;
    for (int l = L - 1; l >= 0; l--) {
        backward_layer(m, l, l ? m->layers[l - 1].h + B * H : m->inputs, dh, dx);
        float *other = dh;
        dh = dx;
        dx = other;
    }
    embedding_gradient(m, dh);
    return m->loss = loss / (double)N;
}

wg_status hand_lstm_step(void *model, wg_error *err)
{
    hand_lstm *m = model;
    const int64_t H = m->k.H, piece = 1 << 16;
    double squares = 0;
    (void)err;
    hand_lstm_gradient(m);
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1) reduction(+ : squares)
    for (int32_t i = 0; i < m->n_rows; i++)
        squares += m->loops->squares(H, m->grad[0] + m->rows[i] * H);
    for (int p = 1; p < m->n; p++) {
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1) reduction(+ : squares)
        for (int64_t at = 0; at < m->size[p]; at += piece)
            squares += m->loops->squares(at + piece < m->size[p] ? piece : m->size[p] - at,
                                         m->grad[p] + at);
    }
    double factor = 5 / (sqrt(squares) + 1e-6);
    float rate = factor < 1 ? (float)factor : 1.0F;
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1)
    for (int32_t i = 0; i < m->n_rows; i++)
        m->loops->descend(H, m->value[0] + m->rows[i] * H, m->grad[0] + m->rows[i] * H, rate);
    for (int p = 1; p < m->n; p++) {
#pragma omp parallel for num_threads(m->threads) if (m->threads > 1)
        for (int64_t at = 0; at < m->size[p]; at += piece)
            m->loops->descend(at + piece < m->size[p] ? piece : m->size[p] - at, m->value[p] + at,
                              m->grad[p] + at, rate);
    }
    return WG_OK;
}

/* ---- Making it ---- */

static wg_status products(hand_lstm *m, wg_error *err)
{
    const int64_t T = m->k.T, B = m->k.B, H = m->k.H, V = m->k.V, N = T * B;
    const struct {
        hand_product **to;
        hand_shape shape; /* trans a, trans b, add, m, n, k, uses */
    } want[] = {
        {&m->project, {false, false, false, N, 4 * H, H, 1}},
        {&m->recur, {false, false, true, B, 4 * H, H, T}},
        {&m->output, {false, false, false, N, V, H, 1}},
        {&m->to_output, {false, true, false, N, H, V, 1}},
        {&m->to_h, {false, true, false, B, H, 4 * H, T}},
        {&m->to_inputs, {false, true, false, N, H, 4 * H, 1}},
        {&m->weights_x, {true, false, false, H, 4 * H, N, 1}},
        {&m->weights_h, {true, false, false, H, 4 * H, T > 1 ? N - B : B, 1}},
        {&m->weights_out, {true, false, false, H, V, N, 1}},
    };
    wg_status status = WG_OK;
    for (size_t i = 0; i < sizeof want / sizeof *want && !status; i++)
        status = hand_product_new(&want[i].shape, m->threads, want[i].to, err);
    return status;
}

void hand_lstm_choices(const hand_lstm *m, cJSON *line)
{
    const struct {
        const char *name;
        const hand_product *p;
    } all[] = {{"x Wx", m->project},    {"h Wh", m->recur},      {"h W", m->output},
               {"dl W'", m->to_output}, {"dg Wh'", m->to_h},     {"dg Wx'", m->to_inputs},
               {"x' dg", m->weights_x}, {"h' dg", m->weights_h}, {"h' dl", m->weights_out}};
    cJSON *object = cJSON_AddObjectToObject(line, "products_by");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cJSON_AddStringToObject(object, all[i].name, hand_product_choice(all[i].p));
}

void hand_lstm_free(hand_lstm *m)
{
    if (!m) return;
    hand_product *const all[] = {m->project,   m->recur,     m->output,    m->to_output,  m->to_h,
                                 m->to_inputs, m->weights_x, m->weights_h, m->weights_out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) hand_product_free(all[i]);
    wg_free(m->arena);
    wg_free(m->x);
    wg_free(m->seen);
    wg_free(m);
}

/* Takes n floats, aligned to a line of the cache, from *next; only counts while that is NULL. */
static float *take(float **next, int64_t *total, int64_t n)
{
    float *at = *next;
    n = (n + 15) & ~(int64_t)15;
    *total += n;
    if (at) *next += n;
    return at;
}

/* Lays everything out from `next`, or only says how many floats that takes. */
static int64_t lay_out(hand_lstm *m, float *next)
{
    const int64_t B = m->k.B, H = m->k.H, V = m->k.V, N = m->k.T * B;
    int64_t total = 0;
    for (int i = 0; i < m->n; i++) m->value[i] = take(&next, &total, m->size[i]);
    for (int i = 0; i < m->n; i++) m->grad[i] = take(&next, &total, m->size[i]);
    for (int l = 0; l < m->k.layers; l++) {
        layer *s = &m->layers[l];
        s->gates = take(&next, &total, N * 4 * H);
        s->c = take(&next, &total, (N + B) * H);
        s->h = take(&next, &total, (N + B) * H);
        s->tanh_c = take(&next, &total, N * H);
    }
    m->inputs = take(&next, &total, N * H);
    m->logits = take(&next, &total, N * V > B * H ? N * V : B * H);
    m->dx = take(&next, &total, N * H);
    m->dh = take(&next, &total, N * H);
    m->dc = take(&next, &total, B * H);
    return total;
}

static void fill(hand_lstm *m)
{
    wg_rng rng;
    wg_rng_init(&rng, 1, "hand");
    double width = 1 / sqrt((double)m->k.H);
    for (int p = 0; p < m->n; p++)
        for (int64_t i = 0; i < m->size[p]; i++)
            m->value[p][i] = (float)((2 * wg_rng_uniform(&rng) - 1) * width);
    for (int64_t i = 0; i < 2 * m->k.T * m->k.B; i++)
        m->x[i] = (int32_t)wg_rng_below(&rng, (uint32_t)m->k.V);
}

wg_status hand_lstm_new(const bench_config *config, int threads, hand_lstm **out, wg_error *err)
{
    const int64_t H = config->H, V = config->V, N = config->T * config->B;
    const wg_isa isa = wg_isa_best();
    *out = NULL;
    if (config->layers > MOST_LAYERS) return wg_error_set(err, WG_ELIMIT, "too many layers");
    hand_lstm *m = wg_calloc(1, sizeof *m);
    if (!m) return wg_error_set(err, WG_ENOMEM, "no memory for the model");
    m->k = *config;
    m->threads = threads;
    m->loops = &hand_loops_base;
#ifdef BENCH_HAVE_AVX
    if (isa == WG_ISA_AVX2) m->loops = &hand_loops_avx2;
    if (isa == WG_ISA_AVX512) m->loops = &hand_loops_avx512;
#else
    (void)isa;
#endif
    m->size[m->n++] = V * H;
    for (int l = 0; l < config->layers; l++) {
        m->size[m->n++] = 4 * H * H;
        m->size[m->n++] = 4 * H * H;
        m->size[m->n++] = 4 * H;
    }
    m->size[m->n++] = H * V;
    m->size[m->n++] = V;
    m->arena = wg_calloc((size_t)lay_out(m, NULL), sizeof *m->arena);
    m->x = wg_calloc((size_t)(3 * N), sizeof *m->x);
    m->seen = wg_calloc((size_t)V, sizeof *m->seen);
    wg_status status = WG_OK;
    if (!m->arena || !m->x || !m->seen) status = wg_error_set(err, WG_ENOMEM, "no memory");
    if (!status) {
        m->y = m->x + N;
        m->rows = m->y + N;
        lay_out(m, m->arena);
        fill(m);
        status = products(m, err);
    }
    if (status) {
        hand_lstm_free(m);
        return status;
    }
    *out = m;
    return WG_OK;
}
