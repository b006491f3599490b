/* The reader in plain C of what edgelstm_dsp_lstm.inc reads in assembly. */
#include "edgelstm_dsp_reader.h"

#if !defined(EDGELSTM_DSP)

static int32_t sigmoid(const edgelstm_dsp_lstm *layer, int32_t z)
{
    return edgelstm_interpolated(layer->sigmoid + 2 * ((z * layer->sigmoid_step) >> 16), z);
}

static int32_t tanh_of(const edgelstm_dsp_lstm *layer, int32_t d)
{
    return edgelstm_interpolated(layer->tanh + 2 * edgelstm_clamp(d >> 8, -256, 255), d);
}

void edgelstm_dsp_read(const int32_t *stream, const int16_t *in, const edgelstm_dsp_lstm *layer,
                       const edgelstm_dsp_sizes *sizes, const int32_t *shifts, int16_t *c, int16_t *h,
                       const int32_t *twice)
{
    const int16_t *from_h = in + (sizes->columns + 3) / 4 * 4;
    const int32_t output_shift = sizes->output_right, zero_point = sizes->zero_point;
    for (int32_t unit = 0; unit < sizes->hidden; unit++) {
        int32_t sums[4], z[4] = {0, 0, 0, 0};
        for (int side = 0; side < 2; side++) {
            for (int gate = 0; gate < 4; gate++) {
                sums[gate] = stream[gate] - twice[side] / 2;
            }
            stream = side == 0 ? edgelstm_dsp_sums(stream + 4, in, sizes->columns, 4, sums)
                               : edgelstm_dsp_sums(stream + 4, from_h, sizes->hidden, 4, sums);
            const int32_t *multipliers = side == 0 ? layer->ih : layer->hh;
            for (int gate = 0; gate < 4; gate++) {
                const int32_t v = edgelstm_requantize(sums[gate], multipliers[gate], shifts[4 * side + gate]);
                z[gate] = side == 0 ? edgelstm_clamp16(v) : edgelstm_clamp16(z[gate] + edgelstm_clamp16(v));
            }
        }
        const int32_t i = sigmoid(layer, z[0]), f = sigmoid(layer, z[1]);
        const int32_t g = tanh_of(layer, 3 * z[2]), o = sigmoid(layer, z[3]);
        const int32_t kept = edgelstm_clamp16(edgelstm_requantize(f * c[unit], 1 << 30, -sizes->forget_right));
        const int32_t cell = edgelstm_clamp16(kept + edgelstm_requantize(i * g, 1 << 30, -sizes->input_right));
        c[unit] = (int16_t)cell;
        const int32_t out = o * tanh_of(layer, edgelstm_tripled(cell, sizes->cell_shift));
        const int32_t next = edgelstm_requantize(out, layer->output, -output_shift) + zero_point;
        h[unit] = (int16_t)(edgelstm_clamp(next, INT8_MIN, INT8_MAX) - zero_point);
    }
}

#endif
