/* What stands around recurrent layers, of float32: functions with numbers of their own, norms, and what is read of
 * the steps. Root and logarithm are within 3e-7. */
#include "edgelstm_exponential.h"

typedef union {
    uint32_t bits;
    float value;
} word;

/* Newton's steps from half of the exponent; 0 of what is not above 0. */
static float root(float v)
{
    word guess;
    if (!(v > 0.0F)) {
        return v < 0.0F ? 0.0F : v;
    }
    guess.value = v;
    guess.bits = (guess.bits >> 1) + 0x1FBD1DF5U;
    for (int step = 0; step < 4; step++) {
        guess.value = 0.5F * (guess.value + v / guess.value);
    }
    return guess.value;
}

/* Of 1 or more: k ln 2 + 2 artanh((m - 1) / (m + 1)), m from 0.7 to 1.4 */
static float logarithm(float v)
{
    word mantissa;
    mantissa.value = v;
    int32_t k = (int32_t)(mantissa.bits >> 23) - 127;
    mantissa.bits = (mantissa.bits & 0x007FFFFFU) | 0x3F800000U;
    if (mantissa.value > 1.41421356F) {
        mantissa.value *= 0.5F;
        k++;
    }
    const float s = (mantissa.value - 1.0F) / (mantissa.value + 1.0F), t = s * s;
    const float series = 1.0F + t * (0.333333333F + t * (0.2F + t * (0.142857143F + t * 0.111111111F)));
    return (float)k * 0.693147181F + 2.0F * s * series;
}

void edgelstm_leaky_relu_f32(const float *v, int32_t n, float slope, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] > 0.0F ? v[k] : slope * v[k];
    }
}

void edgelstm_clamp_f32(const float *v, int32_t n, float low, float high, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] > high ? high : v[k] < low ? low : v[k];
    }
}

void edgelstm_hard_sigmoid_f32(const float *v, int32_t n, float slope, float middle, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        const float sum = slope * v[k] + middle;
        y[k] = sum > 1.0F ? 1.0F : sum < 0.0F ? 0.0F : sum;
    }
}

void edgelstm_log_softmax_f32(const float *v, int32_t n, float *y)
{
    float largest = v[0], sum = 0.0F;
    for (int32_t k = 1; k < n; k++) {
        largest = v[k] > largest ? v[k] : largest;
    }
    for (int32_t k = 0; k < n; k++) {
        sum += exponential(v[k] - largest);
    }
    const float taken = largest + logarithm(sum);
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] - taken;
    }
}

void edgelstm_elu_f32(const float *v, int32_t n, float alpha, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] > 0.0F ? v[k] : alpha * (exponential(v[k]) - 1.0F);
    }
}

void edgelstm_l2_norm_f32(const float *v, int32_t n, float least, float *y)
{
    float sum = 0.0F;
    for (int32_t k = 0; k < n; k++) {
        sum += v[k] * v[k];
    }
    const float norm = root(sum), by = norm < least ? least : norm;
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k] / by;
    }
}

void edgelstm_layer_norm_f32(const float *v, int32_t n, const float *numbers, float *y)
{
    const float *weight = numbers + 1, *bias = weight + n;
    float mean = 0.0F, variance = 0.0F;
    for (int32_t k = 0; k < n; k++) {
        mean += v[k];
    }
    mean /= (float)n;
    for (int32_t k = 0; k < n; k++) {
        variance += (v[k] - mean) * (v[k] - mean);
    }
    const float by = root(variance / (float)n + numbers[0]);
    for (int32_t k = 0; k < n; k++) {
        y[k] = (v[k] - mean) / by * weight[k] + bias[k];
    }
}

void edgelstm_normalize_f32(const float *v, int32_t n, const float *mean, const float *std, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = (v[k] - mean[k]) / std[k];
    }
}

void edgelstm_row_f32(const float *table, int32_t rows, int32_t n, int32_t index, float *v)
{
    const float *row = table + (index < 0 ? 0 : index < rows ? index : rows - 1) * n;
    for (int32_t k = 0; k < n; k++) {
        v[k] = row[k];
    }
}

/* What is no number stays so. */
void edgelstm_largest_f32(const float *v, int32_t n, float *largest)
{
    for (int32_t k = 0; k < n; k++) {
        largest[k] = v[k] > largest[k] || v[k] != v[k] ? v[k] : largest[k];
    }
}

void edgelstm_mean_f32(const float *sums, int32_t n, int32_t steps, float *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = sums[k] / (float)steps;
    }
}
