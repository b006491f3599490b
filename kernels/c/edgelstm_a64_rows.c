/* Rows of matrices that read one vector, of bytes or of 16 bits, on aarch64: sums, rescaled to 16 bits with one rounding.
 *
 * Products as edgelstm_a64_products.h says. A stream is of four rows: their biases, their weights, the multiplier, and the shift to
 * the right, as a negative number. Requantisation: SMULL multiplies, SRSHL shifts and rounds, SQXTN saturates. */
#include "edgelstm_a64_products.h"

/* bytes, halves: [4 fours]; y: [16 blocks] */
void edgelstm_a64_blocks(const int8_t *bytes, const int32_t *stream, int32_t fours, int16_t *y, int32_t blocks);
void edgelstm_a64_wide_blocks(const int16_t *halves, const int32_t *stream, int32_t fours, int16_t *y, int32_t blocks);

#if defined(EDGELSTM_A64)
#define ROWS(P, A, NARROW)                                                                                   \
    "ld2r {v4.4s,v5.4s},[" P "],#8\n smull v6.2d," A ".2s,v4.2s\n smull2 v7.2d," A ".4s,v4.4s\n"             \
    "srshl v6.2d,v6.2d,v5.2d\n srshl v7.2d,v7.2d,v5.2d\n sqxtn v6.2s,v6.2d\n sqxtn2 v6.4s,v7.2d\n" NARROW

/* w8, w9: columns as EDGELSTM_A64_SUMS takes them; x17: bytes of a stream */
#define BLOCKS(NAME, SUMS)                                                                                   \
    ".pushsection .text." NAME ",\"ax\",%progbits\n .balign 16\n .global " NAME "\n .type " NAME ",%function\n" \
    NAME ": lsr w8,w2,#2\n and w9,w2,#3\n ubfiz x17,x2,#4,#32\n add x17,x17,#24\n"                          \
    EDGELSTM_PART(NAME "_products", NAME)                                                                    \
    "1: add x12,x1,x17\n add x13,x12,x17\n add x14,x13,x17\n mov x15,x0\n" SUMS("w8", "w9")                  \
    EDGELSTM_PART(NAME "_requantize", NAME "_products")                                                      \
    ROWS("x1", "v16", "sqxtn v20.4h,v6.4s\n") ROWS("x12", "v17", "sqxtn2 v20.8h,v6.4s\n")                    \
    ROWS("x13", "v18", "sqxtn v21.4h,v6.4s\n") ROWS("x14", "v19", "sqxtn2 v21.8h,v6.4s\n")                   \
    "st1 {v20.8h,v21.8h},[x3],#32\n mov x1,x14\n subs w4,w4,#1\n b.ne 1b\n ret\n"                            \
    ".size " NAME "_requantize,.-" NAME "_requantize\n .popsection\n"

__asm__(BLOCKS("edgelstm_a64_blocks", EDGELSTM_A64_SUMS));
__asm__(BLOCKS("edgelstm_a64_wide_blocks", EDGELSTM_A64_WIDE_SUMS));

#else

/* Four rows, of their sums without biases; end: their multiplier and shift. Returns the next stream. */
static const int32_t *rescaled(const int32_t *stream, const int32_t *end, const int32_t *sums, int16_t *y)
{
    for (int row = 0; row < 4; row++) {
        const int64_t product = (int64_t)(sums[row] + stream[row]) * end[0];
        const int32_t right = -end[1];
        const int64_t rounded = (product + ((int64_t)1 << (right - 1))) >> right;
        y[row] = (int16_t)(rounded < INT16_MIN ? INT16_MIN : rounded > INT16_MAX ? INT16_MAX : rounded);
    }
    return end + 2;
}

void edgelstm_a64_blocks(const int8_t *bytes, const int32_t *stream, int32_t fours, int16_t *y, int32_t blocks)
{
    for (int32_t k = 0; k < 16 * blocks; k += 4) {
        int32_t sums[4] = {0, 0, 0, 0};
        stream = rescaled(stream, edgelstm_a64_sums(stream + 4, bytes, fours, sums), sums, y + k);
    }
}

void edgelstm_a64_wide_blocks(const int16_t *halves, const int32_t *stream, int32_t fours, int16_t *y, int32_t blocks)
{
    for (int32_t k = 0; k < 16 * blocks; k += 4) {
        int32_t sums[4] = {0, 0, 0, 0};
        stream = rescaled(stream, edgelstm_a64_wide_sums(stream + 4, halves, fours, sums), sums, y + k);
    }
}

#endif

void edgelstm_a64_rows_s8(const edgelstm_a64_rows *layer, const int16_t *v, int16_t *y, int32_t *work)
{
    (void)edgelstm_a64_bytes(v, layer->columns, 0, (int8_t *)work);
    edgelstm_a64_blocks((const int8_t *)work, layer->stream, (layer->columns + 3) / 4, y, layer->blocks);
}

void edgelstm_a64_rows_s16(const edgelstm_a64_rows *layer, const int16_t *v, int16_t *y, int16_t *work)
{
    edgelstm_a64_halves(v, layer->columns, work);
    edgelstm_a64_wide_blocks(work, layer->stream, (layer->columns + 3) / 4, y, layer->blocks);
}
