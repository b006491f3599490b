/* What follows the products of a unit of the int8 LSTM, plain C. */
#ifndef EDGELSTM_LSTM_UNIT_H
#define EDGELSTM_LSTM_UNIT_H

#include "edgelstm_arithmetic.h"

/* sums_x, sums_h: [4], of W x + b and of R h; c: old in, new out. Returns the new h. */
static inline int16_t edgelstm_lstm_unit(const edgelstm_lstm *layer, const int32_t *sums_x, const int32_t *sums_h,
                                         int16_t *c)
{
    int32_t z[4];
    for (int gate = 0; gate < 4; gate++) {
        z[gate] = edgelstm_clamp16(edgelstm_rescaled(sums_x[gate], &layer->ih[gate]) +
                                   edgelstm_rescaled(sums_h[gate], &layer->hh[gate]));
    }
    const int32_t i = edgelstm_sigmoid(layer->table, z[0], 0), f = edgelstm_sigmoid(layer->table, z[1], 0);
    const int32_t g = edgelstm_tanh(layer->table, z[2], 0), o = edgelstm_sigmoid(layer->table, z[3], 0);
    const int32_t kept = edgelstm_rescaled(f * *c, &layer->forget), added = edgelstm_rescaled(i * g, &layer->input);
    const int32_t cell = edgelstm_clamp(edgelstm_clamp16(kept + added), -layer->cell_limit - (layer->cell_limit == INT16_MAX),
                                        layer->cell_limit);
    *c = (int16_t)cell;
    return edgelstm_rescaled(o * edgelstm_tanh(layer->table, cell, layer->cell_shift), &layer->output);
}

#endif
