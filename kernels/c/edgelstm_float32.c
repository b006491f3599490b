/* float32, without a mathematical library: relative error of exp below 2e-7. */
#include "edgelstm_exponential.h"

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
