/* int8 LSTM for aarch64 (Cortex-A53, A72, A76): four units at a time, whose four gates are the lanes of a register.
 *
 * Products as edgelstm_a64_products.h says, a stream for each unit, its gates the rows: four biases, W, four biases, R.
 * Requantisation: SQRDMULH multiplies and rounds, SRSHL shifts and rounds a half up; what SSHL makes of the sign, -1 or nothing, is
 * added before, so that a half goes away from zero. Activations: of d = 3 z, (slope, offset) of the interval that d is in. */
#include "edgelstm_a64_products.h"

/* in: bytes of x, then of h, each with zeros up to a multiple of 4; stream: of 4 blocks units; c, h: [4 blocks] */
void edgelstm_a64_units(const edgelstm_a64_lstm *layer, const int32_t *stream, const int8_t *in, int16_t *c, int16_t *h,
                        int32_t blocks);

#if defined(EDGELSTM_A64)
/* v4 to v7: the fields of a scaling; v0 is changed. */
#define SCALE(A)                                                                                             \
    "sshl " A ".4s," A ".4s,v4.4s\n sqrdmulh " A ".4s," A ".4s,v5.4s\n sshl v0.4s," A ".4s,v6.4s\n"          \
    "add " A ".4s," A ".4s,v0.4s\n srshl " A ".4s," A ".4s,v7.4s\n"
#define SCALE4 "ld1 {v4.4s-v7.4s},[x16]\n" SCALE("v16") SCALE("v17") SCALE("v18") SCALE("v19")
/* The 16 bits of four units in A and B. */
#define CUT(A, B)                                                                                            \
    "sqxtn " A ".4h,v16.4s\n sqxtn2 " A ".8h,v17.4s\n sqxtn " B ".4h,v18.4s\n sqxtn2 " B ".8h,v19.4s\n"
/* D: d, I: intervals; gives slope d + offset in v20. T: registers of the tables of each lane */
#define LOOK_UP(D, I, T0, T1, T2, T3)                                                                        \
    "umov w12," I ".s[0]\n umov w13," I ".s[1]\n umov w15," I ".s[2]\n umov w16," I ".s[3]\n"                \
    "ldr d20,[" T0 ",w12,sxtw #3]\n ldr d21,[" T1 ",w13,sxtw #3]\n ldr d22,[" T2 ",w15,sxtw #3]\n"           \
    "ldr d23,[" T3 ",w16,sxtw #3]\n zip1 v20.4s,v20.4s,v21.4s\n zip1 v22.4s,v22.4s,v23.4s\n"                 \
    "zip1 v21.2d,v20.2d,v22.2d\n zip2 v20.2d,v20.2d,v22.2d\n mla v20.4s,v21.4s," D ".4s\n"
/* TRIPLE makes d in v16 of a unit's gates; v2: shifts that put d's interval into the upper nine bits, and saturate it */
#define ACTIVATE(TRIPLE, NARROW)                                                                             \
    TRIPLE "sqshl v4.4s,v16.4s,v2.4s\n sshr v4.4s,v4.4s,#23\n" LOOK_UP("v16", "v4", "x6", "x6", "x7", "x6") NARROW
/* A product of two values of 15 bits behind the point: halved, its sign added, before it is shifted. */
#define HALVE(A) "srshr " A ".4s," A ".4s,#1\n ssra " A ".4s," A ".4s,#31\n"

__asm__(
    ".pushsection .text.edgelstm_a64_units,\"ax\",%progbits\n .balign 16\n .global edgelstm_a64_units\n"
    ".type edgelstm_a64_units,%function\n"
    /* x6, x7: tables, at d = 0; w8, w9 and w10, w11: columns of x and h as EDGELSTM_A64_SUMS takes them; x17: bytes of a unit */
    "edgelstm_a64_units: ldp w9,w11,[x0,#168]\n ldp x6,x7,[x0,#176]\n add x6,x6,#2048\n add x7,x7,#2048\n"
    "add w9,w9,#3\n lsr w9,w9,#2\n"
    "add w11,w11,#3\n lsr w11,w11,#2\n add w17,w9,w11\n add w17,w17,#2\n lsl w17,w17,#4\n"
    "lsr w8,w9,#2\n and w9,w9,#3\n lsr w10,w11,#2\n and w11,w11,#3\n"
    EDGELSTM_PART("edgelstm_a64_products_x", "edgelstm_a64_units")
    "1: add x12,x1,x17\n add x13,x12,x17\n add x14,x13,x17\n mov x15,x2\n" EDGELSTM_A64_SUMS("w8", "w9")
    EDGELSTM_PART("edgelstm_a64_requantize_x", "edgelstm_a64_products_x")
    "mov x16,x0\n" SCALE4 CUT("v28", "v29")
    EDGELSTM_PART("edgelstm_a64_products_h", "edgelstm_a64_requantize_x") EDGELSTM_A64_SUMS("w10", "w11")
    EDGELSTM_PART("edgelstm_a64_requantize_h", "edgelstm_a64_products_h")
    "add x16,x0,#64\n" SCALE4 CUT("v0", "v1") "sqadd v28.8h,v28.8h,v0.8h\n sqadd v29.8h,v29.8h,v1.8h\n"
    EDGELSTM_PART("edgelstm_a64_cell", "edgelstm_a64_requantize_h")
    "mov x1,x14\n movi v3.8h,#3\n add x16,x0,#128\n ld1 {v2.4s},[x16]\n"
    ACTIVATE("smull v16.4s,v28.4h,v3.4h\n", "shrn v24.4h,v20.4s,#16\n")
    ACTIVATE("smull2 v16.4s,v28.8h,v3.8h\n", "shrn2 v24.8h,v20.4s,#16\n")
    ACTIVATE("smull v16.4s,v29.4h,v3.4h\n", "shrn v25.4h,v20.4s,#16\n")
    ACTIVATE("smull2 v16.4s,v29.8h,v3.8h\n", "shrn2 v25.8h,v20.4s,#16\n")
    /* v4 to v7: i, g, f, o of four units; v16: c; v28 to v31 and v24 to v27: what stands behind `interval` */
    "uzp1 v0.8h,v24.8h,v25.8h\n uzp2 v1.8h,v24.8h,v25.8h\n uzp1 v4.8h,v0.8h,v0.8h\n uzp2 v5.8h,v0.8h,v0.8h\n"
    "uzp1 v6.8h,v1.8h,v1.8h\n uzp2 v7.8h,v1.8h,v1.8h\n"
    "add x16,x0,#144\n ld4r {v28.4s-v31.4s},[x16],#16\n ld4r {v24.4h-v27.4h},[x16]\n ld1 {v16.4h},[x3]\n"
    "smull v17.4s,v6.4h,v16.4h\n" HALVE("v17") "sqrshrn v17.4h,v17.4s,#14\n"
    "smull v18.4s,v4.4h,v5.4h\n" HALVE("v18") "srshl v18.4s,v18.4s,v28.4s\n sqxtn v18.4h,v18.4s\n"
    "sqadd v16.4h,v17.4h,v18.4h\n smax v16.4h,v16.4h,v24.4h\n smin v16.4h,v16.4h,v25.4h\n st1 {v16.4h},[x3],#8\n"
    "smull v17.4s,v16.4h,v3.4h\n srshl v17.4s,v17.4s,v29.4s\n sqshl v18.4s,v17.4s,#15\n sshr v18.4s,v18.4s,#23\n"
    LOOK_UP("v17", "v18", "x7", "x7", "x7", "x7")
    "shrn v20.4h,v20.4s,#16\n smull v17.4s,v7.4h,v20.4h\n sqrdmulh v17.4s,v17.4s,v30.4s\n ssra v17.4s,v17.4s,#31\n"
    "srshl v17.4s,v17.4s,v31.4s\n sqxtn v17.4h,v17.4s\n smax v17.4h,v17.4h,v26.4h\n smin v17.4h,v17.4h,v27.4h\n"
    "st1 {v17.4h},[x4],#8\n subs w5,w5,#1\n b.ne 1b\n ret\n"
    ".size edgelstm_a64_cell,.-edgelstm_a64_cell\n .popsection\n");

#else

static void scaled(const int32_t *sums, const edgelstm_a64_scaling *by, int32_t *z)
{
    for (int gate = 0; gate < 4; gate++) {
        const int32_t v = edgelstm_requantize(sums[gate], by->multiplier[gate], by->left[gate] + by->right[gate]);
        z[gate] = edgelstm_clamp16(z[gate] + edgelstm_clamp16(v));
    }
}

void edgelstm_a64_units(const edgelstm_a64_lstm *layer, const int32_t *stream, const int8_t *in, int16_t *c, int16_t *h,
                        int32_t blocks)
{
    const int32_t of_x = (layer->inputs + 3) / 4, of_h = (layer->units + 3) / 4;
    for (int32_t unit = 0; unit < 4 * blocks; unit++) {
        int32_t z[4] = {0, 0, 0, 0};
        for (int side = 0; side < 2; side++) {
            /* The sum without its bias, which holds a zero point's part too, stays within 32 bits. */
            const int32_t *bias = stream;
            int32_t sums[4] = {0, 0, 0, 0};
            stream = edgelstm_a64_sums(stream + 4, side == 0 ? in : in + 4 * of_x, side == 0 ? of_x : of_h, sums);
            for (int gate = 0; gate < 4; gate++) {
                sums[gate] += bias[gate];
            }
            scaled(sums, side == 0 ? &layer->ih : &layer->hh, z);
        }
        const int32_t i = edgelstm_by_pairs(layer->sigmoid, 3 * z[0], 9), f = edgelstm_by_pairs(layer->sigmoid, 3 * z[1], 9);
        const int32_t g = edgelstm_by_pairs(layer->tanh, 3 * z[2], 8), o = edgelstm_by_pairs(layer->sigmoid, 3 * z[3], 9);
        const int32_t kept = edgelstm_clamp16(edgelstm_by_power(f * c[unit], 14));
        const int32_t cell = edgelstm_clamp(kept + edgelstm_by_power(i * g, -layer->input_right), layer->cell_low,
                                            layer->cell_high);
        c[unit] = (int16_t)cell;
        const int32_t of_cell = edgelstm_by_pairs(layer->tanh, edgelstm_tripled(cell, layer->cell_shift), 8);
        const int32_t next = edgelstm_requantize(o * of_cell, layer->output, layer->output_right);
        h[unit] = (int16_t)edgelstm_clamp(next, layer->low, layer->high);
    }
}

#endif

void edgelstm_a64_lstm_s8(const edgelstm_a64_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int32_t *work)
{
    int8_t *in = (int8_t *)work;
    int8_t *from_h = edgelstm_a64_bytes(x, layer->inputs, layer->x_zero_point, in);
    const int32_t whole = layer->units / 4, left = layer->units % 4;
    (void)edgelstm_a64_bytes(h, layer->units, layer->h_zero_point, from_h);
    if (whole != 0) {
        edgelstm_a64_units(layer, layer->stream, in, c, h, whole);
    }
    if (left != 0) {
        int16_t last_c[4] = {0, 0, 0, 0}, last_h[4];
        const int32_t words = 8 + (layer->inputs + 3) / 4 * 4 + (layer->units + 3) / 4 * 4;
        edgelstm_copy_s16(c + 4 * whole, left, last_c);
        edgelstm_a64_units(layer, layer->stream + 4 * whole * words, in, last_c, last_h, 1);
        edgelstm_copy_s16(last_c, left, c + 4 * whole);
        edgelstm_copy_s16(last_h, left, h + 4 * whole);
    }
}
