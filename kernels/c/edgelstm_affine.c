/* Matrix times vector in integers, rows in order. */
#include "edgelstm_arithmetic.h"

void edgelstm_affine_s16(const edgelstm_affine *layer, const int16_t *x, int16_t *y)
{
    const int8_t *w = layer->weight;
    for (int32_t row = 0; row < layer->rows; row++) {
        int32_t sum = layer->bias != 0 ? layer->bias[row] : 0;
        for (int32_t k = 0; k < layer->columns; k++) {
            sum += w[k] * x[k];
        }
        w += layer->columns;
        y[row] = edgelstm_rescaled(sum, &layer->rescale);
    }
}

/* So many products of int8 and int16 stay within 32 bits. */
#define BLOCK 256

void edgelstm_affine64_s16(const edgelstm_affine64 *layer, const int16_t *x, int16_t *y)
{
    const int8_t *w = layer->weight;
    for (int32_t row = 0; row < layer->rows; row++) {
        int64_t sum = layer->bias != 0 ? layer->bias[row] : 0;
        for (int32_t first = 0; first < layer->columns; first += BLOCK) {
            const int32_t left = layer->columns - first, n = left < BLOCK ? left : BLOCK;
            int32_t part = 0;
            for (int32_t k = first; k < first + n; k++) {
                part += w[k] * x[k];
            }
            sum += part;
        }
        w += layer->columns;
        y[row] = edgelstm_rescaled64(sum, &layer->rescale);
    }
}
