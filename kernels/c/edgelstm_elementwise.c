/* Element by element, in integers. */
#include "edgelstm_arithmetic.h"

void edgelstm_add_s16(const int16_t *a, const int16_t *b, int32_t n, int32_t low, int32_t high, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = (int16_t)edgelstm_clamp(a[k] + b[k], low, high);
    }
}

static int32_t scaled(int32_t v, const edgelstm_rescale *by)
{
    return edgelstm_requantize(v * (1 << 15), by->multiplier, by->shift);
}

void edgelstm_sum_s16(const edgelstm_sum *sum, const int16_t *a, const int16_t *b, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        const int32_t v = scaled(a[k], &sum->left) + sum->sign * scaled(b[k], &sum->right);
        y[k] = edgelstm_rescaled(v, &sum->rescale);
    }
}

void edgelstm_mul_s16(const edgelstm_rescale *by, const int16_t *a, const int16_t *b, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = edgelstm_rescaled(a[k] * b[k], by);
    }
}

void edgelstm_rescale_s16(const edgelstm_rescale *by, const int16_t *v, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = edgelstm_rescaled(v[k], by);
    }
}

void edgelstm_clip_s16(const int16_t *v, int32_t n, int32_t low, int32_t high, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = (int16_t)edgelstm_clamp(v[k], low, high);
    }
}

void edgelstm_copy_s16(const int16_t *v, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k];
    }
}

void edgelstm_lookup_s16(const int16_t *table, int32_t offset, const int16_t *v, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = table[v[k] + offset];
    }
}

void edgelstm_sigmoid_s16(const uint16_t *table, int32_t shift, const int16_t *v, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = edgelstm_sigmoid(table, v[k], shift);
    }
}

void edgelstm_tanh_s16(const uint16_t *table, int32_t shift, const int16_t *v, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = edgelstm_tanh(table, v[k], shift);
    }
}
