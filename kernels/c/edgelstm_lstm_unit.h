/* What follows the products of a unit of the int8 LSTM, plain C. */
#ifndef EDGELSTM_LSTM_UNIT_H
#define EDGELSTM_LSTM_UNIT_H

#include "edgelstm_arithmetic.h"

EDGELSTM_INLINE int32_t edgelstm_scaled(int32_t v, const edgelstm_scaling *by)
{
    if (by->right > 0) {
        return edgelstm_shifted(edgelstm_high(v, by->multiplier), by->right, by->half);
    }
    return edgelstm_high((int32_t)((uint32_t)v << -by->right), by->multiplier);
}

/* sums: [4], in and out: rescaled and in 16 bits; by: [4]. A call for four gates where registers are few. */
#if defined(EDGELSTM_ARMV6M)
static __attribute__((noinline))
#else
EDGELSTM_INLINE
#endif
void edgelstm_scaled4(const edgelstm_scaling *by, int32_t *sums)
{
    const int32_t *end = sums + 4;
    while (sums != end) {
        *sums = edgelstm_clamp16(edgelstm_scaled(*sums, by));
        sums++;
        by++;
    }
}

/* from_x, from_h: [4], sums of W x + b and of R h, both overwritten; c: old in, new out. Returns the new h. */
EDGELSTM_INLINE int16_t edgelstm_unit(const edgelstm_lstm *layer, int32_t *from_x, int32_t *from_h, int16_t *c)
{
    int32_t z[4];
    edgelstm_scaled4(layer->ih, from_x);
    edgelstm_scaled4(layer->hh, from_h);
    for (int gate = 0; gate < 4; gate++) {
        z[gate] = edgelstm_clamp16(from_x[gate] + from_h[gate]);
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
