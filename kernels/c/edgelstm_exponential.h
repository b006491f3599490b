/* e^v of float32, without a mathematical library: relative error below 2e-7. */
#ifndef EDGELSTM_EXPONENTIAL_H
#define EDGELSTM_EXPONENTIAL_H

#include "edgelstm_kernels.h"

/* exp(v) = 2^k exp(r), |r| <= ln 2 / 2; v is cut to where the result is a normal number */
static float exponential(float v)
{
    if (v != v) {
        return v;
    }
    const float cut = v > 88.0F ? 88.0F : v < -87.0F ? -87.0F : v;
    const float turns = cut * 1.44269504F;
    const int32_t k = (int32_t)(turns + (turns < 0.0F ? -0.5F : 0.5F));
    const float r = (cut - (float)k * 0.693359375F) + (float)k * 2.12194440e-4F; /* ln 2 in two parts */
    float p = 1.38888889e-3F;
    p = p * r + 8.33333333e-3F;
    p = p * r + 4.16666667e-2F;
    p = p * r + 1.66666667e-1F;
    p = p * r + 0.5F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    union {
        uint32_t bits;
        float value;
    } power;
    power.bits = (uint32_t)(k + 127) << 23;
    return p * power.value;
}

#endif
