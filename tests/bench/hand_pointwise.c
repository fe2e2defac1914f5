/* The loops of the hand-written step between its products, in plain C that the compiler vectorises.
 */
#include "hand_pointwise.h"

#include <math.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* e^x to 1e-7 relative: 2^n by the exponent's bits, a polynomial for the rest. */
static inline float fast_exp(float x)
{
    const float magic = 0x1.8p23F;
    x = x > 88 ? 88 : x;
    x = x < -87 ? -87 : x;
    float t = x * 1.44269504F + magic, n = t - magic;
    float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1;
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 127) << 23; /* the low bits of t hold n */
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static inline float fast_sigmoid(float x)
{
    return 1 / (1 + fast_exp(-x));
}

static inline float fast_tanh(float x)
{
    return 2 / (1 + fast_exp(-2 * x)) - 1;
}

static void forward(int64_t H, float *restrict gates, const float *restrict bias,
                    const float *restrict c, float *restrict new_c, float *restrict tanh_c,
                    float *restrict h)
{
#pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float i = fast_sigmoid(gates[j] + bias[j]);
        float f = fast_sigmoid(gates[H + j] + bias[H + j]);
        float g = fast_tanh(gates[2 * H + j] + bias[2 * H + j]);
        float o = fast_sigmoid(gates[3 * H + j] + bias[3 * H + j]);
        float m = f * c[j] + i * g, t = fast_tanh(m);
        gates[j] = i;
        gates[H + j] = f;
        gates[2 * H + j] = g;
        gates[3 * H + j] = o;
        new_c[j] = m;
        tanh_c[j] = t;
        h[j] = o * t;
    }
}

static void backward(int64_t H, float *restrict gates, const float *restrict c,
                     const float *restrict tanh_c, const float *restrict dh,
                     const float *restrict recurrent, float *restrict dc)
{
    const float none = recurrent ? 1 : 0;
    if (!recurrent) recurrent = dh;
#pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float i = gates[j], f = gates[H + j], g = gates[2 * H + j], o = gates[3 * H + j];
        float d = dh[j] + none * recurrent[j], t = tanh_c[j];
        float m = dc[j] + d * o * (1 - t * t);
        gates[j] = m * g * i * (1 - i);
        gates[H + j] = m * c[j] * f * (1 - f);
        gates[2 * H + j] = m * i * (1 - g * g);
        gates[3 * H + j] = d * t * o * (1 - o);
        dc[j] = m * f;
    }
}

static double softmax(int64_t V, float *restrict logits, const float *restrict bias, int32_t target,
                      float scale)
{
    enum { LANES = 32 }; /* maxima side by side, as no compiler may reorder one of floats */
    float lane[LANES], most, sum = 0;
    int64_t v = 0;
    for (int i = 0; i < LANES; i++) lane[i] = -INFINITY;
    for (; v + LANES <= V; v += LANES) {
        for (int i = 0; i < LANES; i++) {
            float x = logits[v + i] + bias[v + i];
            logits[v + i] = x;
            lane[i] = x > lane[i] ? x : lane[i];
        }
    }
    most = lane[0];
    for (int i = 1; i < LANES; i++) most = lane[i] > most ? lane[i] : most;
    for (; v < V; v++) {
        logits[v] += bias[v];
        most = logits[v] > most ? logits[v] : most;
    }
    float wanted = logits[target] - most;
#pragma omp simd reduction(+ : sum)
    for (v = 0; v < V; v++) {
        float e = fast_exp(logits[v] - most);
        logits[v] = e;
        sum += e;
    }
    float share = scale / sum;
#pragma omp simd
    for (v = 0; v < V; v++) logits[v] *= share;
    logits[target] -= scale;
    return log((double)sum) - (double)wanted;
}

static void add(int64_t n, float *restrict to, const float *restrict from)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* In pieces, so that f32 sums stay short. */
static double squares(int64_t n, const float *restrict x)
{
    double total = 0;
    for (int64_t at = 0; at < n; at += 4096) {
        int64_t end = at + 4096 < n ? at + 4096 : n;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = at; i < end; i++) sum += x[i] * x[i];
        total += (double)sum;
    }
    return total;
}

static void descend(int64_t n, float *restrict w, const float *restrict g, float rate)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) w[i] -= rate * g[i];
}

const hand_loops JOIN(hand_loops_, HAND_ISA) = {forward, backward, softmax, add, squares, descend};
