/* Real values to integers and back, in float32 alone. */
#include "edgelstm_arithmetic.h"

#define LARGEST 3.40282347e38F
#define BEYOND 70000.0F /* steps: further out than any int16_t, zero point included */

/* Nearest multiple of the scale, ties to even. The quotient is off by one at most; the remainder is exact, as a scale
 * of 12 bits times 8 bits of the quotient has 20. */
static int32_t nearest(float v, float scale)
{
    const float quotient = v / scale;
    if (quotient > BEYOND || quotient < -BEYOND) {
        return quotient > 0.0F ? (int32_t)BEYOND : -(int32_t)BEYOND;
    }
    int32_t q = (int32_t)(quotient + (quotient < 0.0F ? -0.5F : 0.5F));
    const int32_t upper = q / 256, lower = q - 256 * upper;
    const float coarse = v - (float)(256 * upper) * scale;
    const float rest = coarse - (float)lower * scale, half = 0.5F * scale;
    const int32_t odd = q & 1;
    if (rest > half || (rest == half && odd != 0)) {
        q++;
    } else if (rest < -half || (rest == -half && odd != 0)) {
        q--;
    }
    return q;
}

static int32_t quantized(float v, float scale, int32_t zero_point, int32_t low, int32_t high, int32_t *strange)
{
    if (v != v) {
        ++*strange;
        return zero_point;
    }
    if (v > LARGEST || v < -LARGEST) {
        ++*strange;
        return v > 0.0F ? high : low;
    }
    return edgelstm_clamp(nearest(v, scale) + zero_point, low, high);
}

int32_t edgelstm_quantize_s8(const float *v, int32_t n, float scale, int32_t zero_point, int8_t *x)
{
    int32_t strange = 0;
    for (int32_t k = 0; k < n; k++) {
        x[k] = (int8_t)quantized(v[k], scale, zero_point, INT8_MIN, INT8_MAX, &strange);
    }
    return strange;
}

int32_t edgelstm_quantize_s16(const float *v, int32_t n, float scale, int32_t zero_point, int16_t *x)
{
    int32_t strange = 0;
    for (int32_t k = 0; k < n; k++) {
        x[k] = (int16_t)quantized(v[k], scale, zero_point, INT16_MIN, INT16_MAX, &strange);
    }
    return strange;
}

void edgelstm_dequantize_s8(const int8_t *y, int32_t n, float scale, int32_t zero_point, float *v)
{
    for (int32_t k = 0; k < n; k++) {
        v[k] = (float)(y[k] - zero_point) * scale;
    }
}

void edgelstm_dequantize_s16(const int16_t *y, int32_t n, float scale, int32_t zero_point, float *v)
{
    for (int32_t k = 0; k < n; k++) {
        v[k] = (float)(y[k] - zero_point) * scale;
    }
}
