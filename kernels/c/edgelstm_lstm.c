/* int8 LSTM for any core: of each input value the four gates of a unit. */
#include "edgelstm_lstm_unit.h"

/* Adds n columns to the four sums; returns the weights behind them. */
static const int8_t *products(const int8_t *w, const int16_t *v, int32_t n, int32_t *sums)
{
    int32_t i = sums[0], f = sums[1], g = sums[2], o = sums[3];
    for (int32_t k = 0; k < n; k++) {
        const int32_t value = v[k];
        i += value * w[0];
        f += value * w[1];
        g += value * w[2];
        o += value * w[3];
        w += 4;
    }
    sums[0] = i;
    sums[1] = f;
    sums[2] = g;
    sums[3] = o;
    return w;
}

void edgelstm_lstm_s8(const edgelstm_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int16_t *work)
{
    const int8_t *w = layer->weight;
    const int32_t *bias = layer->bias;
    edgelstm_copy_s16(h, layer->units, work);
    for (int32_t unit = 0; unit < layer->units; unit++) {
        int32_t sums_x[4] = {bias[0], bias[1], bias[2], bias[3]}, sums_h[4] = {0, 0, 0, 0};
        w = products(w, x, layer->inputs, sums_x);
        w = products(w, work, layer->units, sums_h);
        h[unit] = edgelstm_unit(layer, sums_x, sums_h, &c[unit]);
        bias += 4;
    }
}
