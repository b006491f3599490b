/* Kernels for recurrent networks: types and prototypes.
 *
 * Inside a network every integer value is an int16_t less its zero point, so no kernel but those at the ends knows one.
 * The caller owns all memory. Nothing is read or written beyond the lengths that are named. Where a result may lie in
 * the place of an argument, that is said. */
#ifndef EDGELSTM_KERNELS_H
#define EDGELSTM_KERNELS_H

#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights are stored for little-endian cores"
#endif

/* Which assembly the core takes; EDGELSTM_PORTABLE: plain C, with the same bits. */
#if !defined(EDGELSTM_PORTABLE) && defined(__GNUC__)
#if defined(__ARM_FEATURE_MVE)
#define EDGELSTM_HELIUM 1
#endif
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define EDGELSTM_DSP 1
#elif defined(__ARM_ARCH_6M__)
#define EDGELSTM_ARMV6M 1
#elif defined(__ARM_ARCH_7M__)
#define EDGELSTM_ARMV7M 1
#elif defined(__riscv) && __riscv_xlen == 32 && !defined(__riscv_32e)
#define EDGELSTM_RV32 1
#elif defined(__aarch64__) && defined(__ELF__) && defined(__ARM_NEON) && defined(__ARM_FEATURE_UNALIGNED)
#define EDGELSTM_A64 1
#endif
#endif

#if defined(__GNUC__)
#define EDGELSTM_INLINE static inline __attribute__((always_inline))
#define EDGELSTM_KEEP(a, b) __asm__("" : "+r"(a), "+r"(b))
#else
#define EDGELSTM_INLINE static inline
#define EDGELSTM_KEEP(a, b) ((void)0)
#endif

/* In assembly: a name for a part of a function, so that counts by symbol tell parts apart. */
#define EDGELSTM_PART(NAME, BEFORE) ".size " BEFORE ",.-" BEFORE "\n .type " NAME ",%function\n" NAME ":\n"

/* Called where registers are few, else inlined. */
#if defined(EDGELSTM_ARMV6M)
#define EDGELSTM_SMALL static __attribute__((noinline, unused))
#else
#define EDGELSTM_SMALL static inline
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* clip(round(sum * multiplier * 2^(shift - 31)), low, high) */
typedef struct {
    int32_t multiplier, shift, low, high;
} edgelstm_rescale;

/* ---- the ends: bytes of x and y, which may lie at any address */

void edgelstm_enter_s8(const int8_t *x, int32_t n, int32_t zero_point, int16_t *v);
void edgelstm_enter_s16(const int16_t *x, int32_t n, int32_t zero_point, int16_t *v);
void edgelstm_leave_s8(const int16_t *v, int32_t n, int32_t zero_point, int8_t *y);
void edgelstm_leave_s16(const int16_t *v, int32_t n, int32_t zero_point, int16_t *y);
void edgelstm_enter_f32(const float *x, int32_t n, float *v);
void edgelstm_leave_f32(const float *v, int32_t n, float *y);
void edgelstm_copy_s16(const int16_t *v, int32_t n, int16_t *y);

/* clip(round_half_even(v / scale) + zero_point), exact where the scale has 12 significant bits or fewer. Infinities are
 * clipped, what is no number becomes the zero point. Returns how many values were not finite. */
int32_t edgelstm_quantize_s8(const float *v, int32_t n, float scale, int32_t zero_point, int8_t *x);
int32_t edgelstm_quantize_s16(const float *v, int32_t n, float scale, int32_t zero_point, int16_t *x);
void edgelstm_dequantize_s8(const int8_t *y, int32_t n, float scale, int32_t zero_point, float *v);
void edgelstm_dequantize_s16(const int16_t *y, int32_t n, float scale, int32_t zero_point, float *v);

/* ---- around recurrent layers. A row of a table of [rows][n]: an index outside of it gives the first or last row */

void edgelstm_row_s8(const int8_t *table, int32_t rows, int32_t n, int32_t zero_point, int32_t index, int16_t *v);
void edgelstm_row_s16(const int16_t *table, int32_t rows, int32_t n, int32_t zero_point, int32_t index, int16_t *v);
/* largest: [n], so far; begins at the least number */
void edgelstm_largest_s16(const int16_t *v, int32_t n, int16_t *largest);
/* sums: [2 n], two words each; begin at 0 */
void edgelstm_sum_s16(const int16_t *v, int32_t n, int32_t *sums);
void edgelstm_mean_s16(const int32_t *sums, int32_t n, int32_t steps, int16_t *y);

/* ---- matrix times vector: y[row] = rescale(sum of weight[row][k] x[k] + bias[row]) */

/* weight: [rows][columns]; bias: [rows], or none */
typedef struct {
    const int8_t *weight;
    const int32_t *bias;
    int32_t rows, columns;
    edgelstm_rescale rescale;
} edgelstm_affine;

/* The same with 64-bit sums; the multiplier has 16 bits: round(sum * multiplier * 2^(shift - 15)), rounded once. */
typedef struct {
    const int8_t *weight;
    const int64_t *bias;
    int32_t rows, columns;
    edgelstm_rescale rescale;
} edgelstm_affine64;

/* x: [columns]; y: [rows], in a place of its own */
void edgelstm_affine_s16(const edgelstm_affine *layer, const int16_t *x, int16_t *y);
void edgelstm_affine64_s16(const edgelstm_affine64 *layer, const int16_t *x, int16_t *y);

/* ---- the int8 LSTM of TensorFlow Lite Micro, all of a step; gates in the order i f g o */

/* round(sum * multiplier * 2^(-right - 31)); half: of 2^right, or 0 where nothing is shifted to the right */
typedef struct {
    int32_t multiplier, right, half;
} edgelstm_scaling;

/* weight: [unit], of each unit [inputs][gate] then [units][gate]; bias: [unit][gate], of both sides.
 * table: [256], sigmoid(k / 24) in 2^-16; cell_shift: log2 of the cell's scale, plus 12; cell_low, cell_high: to which the cell is cut;
 * input_right: shift of i g, a half of it taken off; low, high: limits of h */
typedef struct {
    const int8_t *weight;
    const int32_t *bias;
    const uint16_t *table;
    int32_t inputs, units, cell_shift, cell_low, cell_high, input_right;
    edgelstm_scaling ih[4], hh[4], output;
    int32_t low, high;
} edgelstm_lstm;

/* x: [inputs]; h, c: [units], old in and new out; work: [units] */
void edgelstm_lstm_s8(const edgelstm_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int16_t *work);
/* The same for cores that multiply words; lstm.weight: none; weight: as there, plus 128 for words128;
 * work: [inputs + units] */
typedef struct {
    edgelstm_lstm lstm;
    const uint16_t *weight; /* bytes, two at once */
} edgelstm_words_lstm;
void edgelstm_words_lstm_s8(const edgelstm_words_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int32_t *work);
void edgelstm_words128_lstm_s8(const edgelstm_words_lstm *layer, const int16_t *x, int16_t *h, int16_t *c,
                               int32_t *work);

/* For Armv7E-M, see edgelstm_dsp_lstm.inc; its assembly reads the first sixteen words by their place. */
typedef struct {
    int32_t ih[4], hh[4];
    int32_t sigmoid_step;
    const int32_t *sigmoid;
    int32_t unused;
    const int32_t *tanh;
    int32_t forget, input, round, output;
} edgelstm_dsp_lstm;
/* v: [n]; words: [n] and two more where n is no multiple of 4, at a multiple of 4 bytes. Returns 2 sum v0 v1. */
int32_t edgelstm_dsp_spread_s8(const int8_t *v, int32_t n, int16_t *words);
int32_t edgelstm_dsp_spread_s16(const int16_t *v, int32_t n, int16_t *words);
/* words: [n] and zeros up to a multiple of 4. Returns 0. */
int32_t edgelstm_dsp_wide_s16(const int16_t *v, int32_t n, int16_t *words);

/* For Armv8.1-M with Helium, see edgelstm_helium_lstm.c; its assembly reads the first 34 words by their place.
 * Of x and of h, gate by gate: multipliers, shifts to the right, less than 0, and to the left, -1 where there is one to the
 * right; blocks of sixteen columns. weight: [unit], of each unit [block][gate][16] of x, then of h; bias: [unit][2][gate],
 * of bytes as they are stored. sigmoid, tanh: [512] pairs of slope and offset. */
typedef struct {
    int32_t multiplier[2][4], minus_right[2][4], left[2][4], sign[2][4], blocks[2];
    int32_t is_shifted; /* a factor is 1 or more */
    const int8_t *weight;
    const int32_t *bias, *sigmoid, *tanh;
    int32_t inputs, units, x_zero_point, h_zero_point;
    int32_t cell_shift, cell_low, cell_high, input_right, output, output_right, low, high;
} edgelstm_helium_lstm;
/* x: [inputs], as stored in _s8, else less its zero point; h, c: [units], old in and new out;
 * work: [64 + 8 (blocks[0] + blocks[1])] */
void edgelstm_helium_lstm_s8(const edgelstm_helium_lstm *layer, const int8_t *x, int16_t *h, int16_t *c, int16_t *work);
void edgelstm_helium_lstm_s16(const edgelstm_helium_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int16_t *work);
/* For aarch64, see edgelstm_a64_lstm.c; its assembly reads these by their place. Of each gate the shift to the left before the
 * multiplier, that to the right behind it, as a negative number, and -31 where there is one, else 32. */
typedef struct {
    int32_t left[4], multiplier[4], away[4], right[4];
} edgelstm_a64_scaling;
/* interval: 14 of a sigmoid, 15 of a tanh; input_right, output_right: negative too; sigmoid, tanh: as edgelstm_by_pairs takes them;
 * stream: [units, and zeros up to a multiple of 4][4 + inputs + 4 + units, each up to a multiple of 4] */
typedef struct {
    edgelstm_a64_scaling ih, hh;
    int32_t interval[4], input_right, cell_shift, output, output_right;
    int16_t cell_low, cell_high, low, high;
    int32_t inputs, units;
    const int32_t *sigmoid, *tanh, *stream;
    int32_t x_zero_point, h_zero_point;
} edgelstm_a64_lstm;
/* work: bytes of inputs and of units, each up to a multiple of 4 */
void edgelstm_a64_lstm_s8(const edgelstm_a64_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int32_t *work);
/* stream: [blocks][four groups of rows], see edgelstm_a64_rows.c */
typedef struct {
    const int32_t *stream;
    int32_t columns, blocks;
} edgelstm_a64_rows;
/* v: [columns], that fit into bytes; y: [16 blocks]; work: bytes of columns, up to a multiple of 4 */
void edgelstm_a64_rows_s8(const edgelstm_a64_rows *layer, const int16_t *v, int16_t *y, int32_t *work);
/* v: [columns]; work: as many up to a multiple of 4 */
void edgelstm_a64_rows_s16(const edgelstm_a64_rows *layer, const int16_t *v, int16_t *y, int16_t *work);

/* ---- float32 */

/* weight: [rows][columns]; bias: [rows], or none */
typedef struct {
    const float *weight, *bias;
    int32_t rows, columns;
} edgelstm_affine_float;

void edgelstm_affine_f32(const edgelstm_affine_float *layer, const float *x, float *y);
void edgelstm_add_f32(const float *a, const float *b, int32_t n, float *y);
void edgelstm_sub_f32(const float *a, const float *b, int32_t n, float *y);
void edgelstm_mul_f32(const float *a, const float *b, int32_t n, float *y);
void edgelstm_complement_f32(const float *v, int32_t n, float *y);
void edgelstm_sigmoid_f32(const float *v, int32_t n, float *y);
void edgelstm_tanh_f32(const float *v, int32_t n, float *y);
void edgelstm_relu_f32(const float *v, int32_t n, float *y);
void edgelstm_leaky_relu_f32(const float *v, int32_t n, float slope, float *y);
void edgelstm_elu_f32(const float *v, int32_t n, float alpha, float *y);
void edgelstm_clamp_f32(const float *v, int32_t n, float low, float high, float *y);
void edgelstm_hard_sigmoid_f32(const float *v, int32_t n, float slope, float middle, float *y);
void edgelstm_softmax_f32(const float *v, int32_t n, float *y);
void edgelstm_log_softmax_f32(const float *v, int32_t n, float *y);
/* least: of the norm by which is divided */
void edgelstm_l2_norm_f32(const float *v, int32_t n, float least, float *y);
/* numbers: [1 + 2 n], what is added to the variance, weights, biases */
void edgelstm_layer_norm_f32(const float *v, int32_t n, const float *numbers, float *y);
/* (v - mean) / std */
void edgelstm_normalize_f32(const float *v, int32_t n, const float *mean, const float *std, float *y);
/* As the same of integers; a sum is one number. */
void edgelstm_row_f32(const float *table, int32_t rows, int32_t n, int32_t index, float *v);
void edgelstm_largest_f32(const float *v, int32_t n, float *largest);
void edgelstm_mean_f32(const float *sums, int32_t n, int32_t steps, float *y);
void edgelstm_clip_f32(const float *v, int32_t n, float limit, float *y);
void edgelstm_copy_f32(const float *v, int32_t n, float *y);

#ifdef __cplusplus
}
#endif
#endif
