/* What follows the products of a unit of the int8 LSTM, plain C. */
#ifndef EDGELSTM_LSTM_UNIT_H
#define EDGELSTM_LSTM_UNIT_H

#include "edgelstm_arithmetic.h"

EDGELSTM_SMALL int32_t edgelstm_scaled(int32_t v, const edgelstm_scaling *by)
{
    if (by->right > 0) {
        return edgelstm_shifted(edgelstm_high(v, by->multiplier), by->right, by->half);
    }
    return edgelstm_high((int32_t)((uint32_t)v << -by->right), by->multiplier);
}

/* sums: [4], of W x + b; z: [4], what they are in 16 bits. */
EDGELSTM_INLINE void edgelstm_from_x(const edgelstm_lstm *layer, const int32_t *sums, int32_t *z)
{
    for (int gate = 0; gate < 4; gate++) {
        z[gate] = edgelstm_clamp16(edgelstm_scaled(sums[gate], &layer->ih[gate]));
    }
}

/* z: as above; sums: [4], of R h; c: old in, new out. Returns the new h. */
EDGELSTM_INLINE int16_t edgelstm_from_h(const edgelstm_lstm *layer, int32_t *z, const int32_t *sums, int16_t *c)
{
    for (int gate = 0; gate < 4; gate++) {
        z[gate] = edgelstm_clamp16(z[gate] + edgelstm_clamp16(edgelstm_scaled(sums[gate], &layer->hh[gate])));
    }
    const int32_t i = edgelstm_sigmoid(layer->table, z[0], 0), f = edgelstm_sigmoid(layer->table, z[1], 0);
    const int32_t g = edgelstm_tanh(layer->table, z[2], 0), o = edgelstm_sigmoid(layer->table, z[3], 0);
    /* All scales of the cell are powers of two: a multiplier of 2^30 is half of the value. */
    const int32_t kept = edgelstm_clamp16(edgelstm_by_power(f * *c, 14));
    const int32_t added = edgelstm_by_power(i * g, layer->input_right);
    const int32_t cell = edgelstm_clamp(kept + added, layer->cell_low, layer->cell_high);
    *c = (int16_t)cell;
    const int32_t out = edgelstm_scaled(o * edgelstm_tanh(layer->table, cell, layer->cell_shift), &layer->output);
    return (int16_t)edgelstm_clamp(out, layer->low, layer->high);
}

#endif
