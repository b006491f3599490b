/* What stands around recurrent layers, of integers: a row of a table, the largest and the mean of the steps. */
#include "edgelstm_arithmetic.h"

void edgelstm_row_s8(const int8_t *table, int32_t rows, int32_t n, int32_t zero_point, int32_t index, int16_t *v)
{
    const int8_t *row = table + edgelstm_clamp(index, 0, rows - 1) * n;
    for (int32_t k = 0; k < n; k++) {
        v[k] = (int16_t)(row[k] - zero_point);
    }
}

void edgelstm_row_s16(const int16_t *table, int32_t rows, int32_t n, int32_t zero_point, int32_t index, int16_t *v)
{
    const int16_t *row = table + edgelstm_clamp(index, 0, rows - 1) * n;
    for (int32_t k = 0; k < n; k++) {
        v[k] = (int16_t)(row[k] - zero_point);
    }
}

void edgelstm_largest_s16(const int16_t *v, int32_t n, int16_t *largest)
{
    for (int32_t k = 0; k < n; k++) {
        largest[k] = v[k] > largest[k] ? v[k] : largest[k];
    }
}

/* Sums of more than 65,536 steps do not fit 32 bits: each has two words, the second what is below 65,536. */
void edgelstm_sum_s16(const int16_t *v, int32_t n, int32_t *sums)
{
    for (int32_t k = 0; k < n; k++) {
        const int32_t low = sums[2 * k + 1] + v[k];
        sums[2 * k] += low >> 16;
        sums[2 * k + 1] = (int32_t)((uint32_t)low & 0xFFFFU);
    }
}

/* sum * 127 * whole 2^-right, where whole is the next odd number of 15 bits above 2^right / (127 steps), by long
 * division; 127 leaves a remainder. */
void edgelstm_mean_s16(const int32_t *sums, int32_t n, int32_t steps, int16_t *y)
{
    const uint64_t weights = 127U * (uint64_t)steps;
    uint64_t rest = 1;
    int32_t right = 14;
    while (rest < weights) {
        rest <<= 1;
        right++;
    }
    int32_t whole = 0;
    for (int bit = 0; bit < 15; bit++) {
        const int fits = rest >= weights;
        rest = (fits ? rest - weights : rest) << 1;
        whole = 2 * whole + fits;
    }
    whole = (whole + 1) | 1;
    if (whole >= 1 << 15) {
        whole = (1 << 14) + 1;
        right--;
    }
    for (int32_t k = 0; k < n; k++) {
        const int64_t sum = (int64_t)sums[2 * k] * 65536 + sums[2 * k + 1];
        const int64_t mean = (sum * 127 * (int64_t)whole + ((int64_t)1 << (right - 1))) >> right;
        y[k] = steps == 1 ? (int16_t)sum : (int16_t)(mean < INT16_MIN ? INT16_MIN : mean > INT16_MAX ? INT16_MAX : mean);
    }
}
