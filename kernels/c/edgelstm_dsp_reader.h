/* Reads in plain C what edgelstm_dsp_lstm.inc reads in assembly: the same layout, tables and constants, the same bits. */
#ifndef EDGELSTM_DSP_READER_H
#define EDGELSTM_DSP_READER_H

#include "edgelstm_dsp_products.h"

typedef struct {
    int32_t columns, hidden, forget_right, input_right, output_right, cell_shift, zero_point;
} edgelstm_dsp_sizes;

void edgelstm_dsp_read(const int32_t *stream, const int16_t *in, const edgelstm_dsp_lstm *layer,
                       const edgelstm_dsp_sizes *sizes, const int32_t *shifts, int16_t *c, int16_t *h,
                       const int32_t *twice);

#endif
