/* Fixed-point steps of the integer kernels. Signed overflow never happens: sums that wrap do so in uint32_t; negative
 * values are shifted to the right alone, where every compiler of these cores keeps the sign. */
#ifndef EDGELSTM_ARITHMETIC_H
#define EDGELSTM_ARITHMETIC_H

#include "edgelstm_kernels.h"

static inline int32_t edgelstm_clamp(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

static inline int16_t edgelstm_clamp16(int32_t v)
{
    return (int16_t)edgelstm_clamp(v, INT16_MIN, INT16_MAX);
}

/* (v * multiplier + 2^30) >> 31 */
EDGELSTM_INLINE int32_t edgelstm_high(int32_t v, int32_t multiplier)
{
#if defined(EDGELSTM_ARMV6M)
    /* No long product there: four short ones, by twice the multiplier, so that a half rounds the upper word. */
    const uint32_t twice = (uint32_t)multiplier << 1, lower = (uint32_t)v & 0xFFFFU, low = twice & 0xFFFFU;
    const int32_t upper = v >> 16, high = (int32_t)(twice >> 16);
    const int32_t second = upper * (int32_t)low + (int32_t)((lower * low) >> 16);
    const uint32_t third = lower * (uint32_t)high + ((uint32_t)second & 0xFFFFU);
    return upper * high + (second >> 16) + (int32_t)(((third >> 15) + 1U) >> 1);
#elif defined(EDGELSTM_RV32)
    /* By twice the multiplier: one instruction gives the upper word, the lower word's first bit rounds it. */
    const int64_t product = (int64_t)v * (int64_t)(uint64_t)((uint32_t)multiplier << 1);
    return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#else
    return (int32_t)(((int64_t)v * multiplier + (1 << 30)) >> 31);
#endif
}

/* v 2^-right, half away from zero; the sum stays within 32 bits. */
EDGELSTM_INLINE int32_t edgelstm_shifted(int32_t v, int32_t right, int32_t half)
{
    return (v + half + (v >> 31)) >> right;
}

/* Rounded twice, as below, by 2^(-right - 1): first up, then half away from zero. right: 1 or more */
EDGELSTM_INLINE int32_t edgelstm_by_power(int32_t v, int32_t right)
{
    return (v + (1 << right) + 1 + 2 * (v >> 31)) >> (right + 1);
}

/* Rounded twice: to 32 bits, then half away from zero; without a sum that could overflow. */
EDGELSTM_SMALL int32_t edgelstm_requantize(int32_t v, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? (int32_t)((uint32_t)v << shift) : v;
    const int32_t high = edgelstm_high(left, multiplier);
    if (shift >= 0) {
        return high;
    }
    const int32_t mask = (int32_t)((1U << -shift) - 1U), half = (mask >> 1) + (high < 0);
    return (high >> -shift) + ((high & mask) > half);
}

static inline int16_t edgelstm_rescaled(int32_t v, const edgelstm_rescale *by)
{
    return (int16_t)edgelstm_clamp(edgelstm_requantize(v, by->multiplier, by->shift), by->low, by->high);
}

/* Rounded once, a multiplier of 16 bits. */
static inline int16_t edgelstm_rescaled64(int64_t v, const edgelstm_rescale *by)
{
    const int32_t right = 15 - by->shift;
    const int64_t rounded = (v * by->multiplier + ((int64_t)1 << (right - 1))) >> right;
    return (int16_t)(rounded < by->low ? by->low : rounded > by->high ? by->high : rounded);
}

/* 3 v in steps of 2^-12, of v in steps of 2^(shift - 12) */
static inline int32_t edgelstm_tripled(int32_t v, int32_t shift)
{
    return shift >= 0 ? 3 * v * (1 << shift) : (3 * v + (1 << (-shift - 1))) >> -shift;
}

/* value * slope + offset of its interval, wrapped; the result is the upper halfword */
EDGELSTM_INLINE int32_t edgelstm_interpolated(const int32_t *entry, int32_t value)
{
    return (int32_t)((uint32_t)entry[0] * (uint32_t)value + (uint32_t)entry[1]) >> 16;
}

/* pairs: [512] of (slope, offset), entry 256 for 0 <= d < 2^bits; bits: 9 of a sigmoid, 8 of a tanh */
EDGELSTM_INLINE int32_t edgelstm_by_pairs(const int32_t *pairs, int32_t d, int32_t bits)
{
    return edgelstm_interpolated(pairs + 512 + 2 * edgelstm_clamp(d >> bits, -256, 255), d);
}

static inline uint32_t edgelstm_magnitude(int32_t v)
{
    return v < 0 ? 0U - (uint32_t)v : (uint32_t)v;
}

static inline int16_t edgelstm_sigmoid(const uint16_t *table, int32_t v, int32_t shift)
{
    const int32_t d = edgelstm_tripled(v, shift);
    const uint32_t a = edgelstm_magnitude(d), u = a >> 9;
    uint32_t r = 0x7FFFU << 10;
    if (u < 255U) {
        const uint32_t low = table[u];
        r = (low << 9) + (a & 511U) * (table[u + 1U] - low);
    }
    return (int16_t)((d >= 0 ? r + 512U : (1U << 25) - r + 511U) >> 10);
}

/* tanh(v) = 2 sigmoid(2 v) - 1 */
static inline int16_t edgelstm_tanh(const uint16_t *table, int32_t v, int32_t shift)
{
    const int32_t d = edgelstm_tripled(v, shift);
    const uint32_t a = edgelstm_magnitude(d), u = a >> 8;
    uint32_t r = 0xFFFFU << 8;
    if (u < 255U) {
        const uint32_t low = table[u];
        r = (low << 8) + (a & 255U) * (table[u + 1U] - low);
    }
    const int32_t centred = (int32_t)r - (1 << 23);
    return (int16_t)((d >= 0 ? centred + 128 : 127 - centred) >> 8);
}

#endif
