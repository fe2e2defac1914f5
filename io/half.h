/* Sixteen-bit floating point as f32: both forms are exact in it. */
#ifndef WENGERT_IO_HALF_H
#define WENGERT_IO_HALF_H

#include <stdint.h>
#include <string.h>

static inline float wg__from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* bfloat16: the upper half of an f32. */
static inline float wg__from_bf16(uint16_t half)
{
    return wg__from_bits((uint32_t)half << 16);
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static inline float wg__from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31,
             fraction = half & 1023;
    if (exponent == 31) return wg__from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent > 0) return wg__from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float)fraction * 0x1p-24f; /* subnormal or zero */
    return sign ? -value : value;
}

#endif
