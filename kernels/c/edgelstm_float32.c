/* float32, without a mathematical library: relative error of exp below 2e-7. */
#include "edgelstm_kernels.h"

void edgelstm_affine_f32(const edgelstm_affine_float *layer, const float *x, float *y)
{
    const float *w = layer->weight;
    for (int32_t row = 0; row < layer->rows; row++) {
        float sum = layer->bias != 0 ? layer->bias[row] : 0.0F;
        for (int32_t k = 0; k < layer->columns; k++) {
            sum += w[k] * x[k];
        }
        w += layer->columns;
        y[row] = sum;
    }
}

void edgelstm_add_f32(const float *a, const float *b, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = a[k] + b[k];
    }
}

void edgelstm_sub_f32(const float *a, const float *b, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = a[k] - b[k];
    }
}

void edgelstm_mul_f32(const float *a, const float *b, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = a[k] * b[k];
    }
}

void edgelstm_complement_f32(const float *v, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = 1.0F - v[k];
    }
}

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

void edgelstm_sigmoid_f32(const float *v, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = 1.0F / (1.0F + exponential(-v[k]));
    }
}

/* Near 0 the first terms of its series: the difference from 1 would lose digits. */
void edgelstm_tanh_f32(const float *v, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        const float a = v[k] < 0.0F ? -v[k] : v[k], s = a * a;
        const float near = a * (1.0F + s * (-0.333333333F + s * (0.133333333F - s * 0.0539682540F)));
        const float t = a < 0.125F ? near : 1.0F - 2.0F / (1.0F + exponential(2.0F * a));
        y[k] = v[k] < 0.0F ? -t : v[k] != v[k] ? v[k] : t;
    }
}

void edgelstm_relu_f32(const float *v, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] < 0.0F ? 0.0F : v[k];
    }
}

void edgelstm_softmax_f32(const float *v, int32_t n, float *y)
{
    float largest = v[0], sum = 0.0F;
    for (int32_t k = 1; k < n; k++) {
        largest = v[k] > largest ? v[k] : largest;
    }
    for (int32_t k = 0; k < n; k++) {
        y[k] = exponential(v[k] - largest);
        sum += y[k];
    }
    for (int32_t k = 0; k < n; k++) {
        y[k] /= sum;
    }
}

void edgelstm_clip_f32(const float *v, int32_t n, float limit, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] > limit ? limit : v[k] < -limit ? -limit : v[k];
    }
}

void edgelstm_copy_f32(const float *v, int32_t n, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k];
    }
}
