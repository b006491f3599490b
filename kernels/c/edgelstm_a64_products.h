/* Products on aarch64 (Cortex-A53, A72, A76), of sixteen rows at a time: four streams, of four rows each.
 * For inputs that are bytes a stream is [column / 4][row][4]: of four columns, the weights of one row after the other, zeros
 * behind the last column. With the dot product one SDOT multiplies four columns of four rows; without it SMULL and SMLAL do in
 * 16 bits what two columns give, |weight| <= 127, and SADALP adds them in pairs. For inputs of 16 bits it is [column][row], and
 * SMLAL multiplies a column of four rows. */
#ifndef EDGELSTM_A64_PRODUCTS_H
#define EDGELSTM_A64_PRODUCTS_H

#include "edgelstm_arithmetic.h"

/* v less its zero point, as bytes: v + zero_point, and zeros up to a multiple of 4. Returns the place behind them. */
int8_t *edgelstm_a64_bytes(const int16_t *v, int32_t n, int32_t zero_point, int8_t *bytes);

/* v, and zeros up to a multiple of 4 */
void edgelstm_a64_halves(const int16_t *v, int32_t n, int16_t *halves);

#if defined(EDGELSTM_A64)
/* EDGELSTM_A64_SUMS(SIXTEENS, FOURS), two registers: columns / 16 and what is left, / 4. x1, x12, x13, x14: the streams, of which
 * each begins with the biases of its rows, and x15: the bytes, all left behind what was read. Gives the sums in v16 to v19;
 * changes w16, v0 to v7, v16 to v27. EDGELSTM_A64_WIDE_SUMS: the same for inputs of 16 bits at x15. */
#define EDGELSTM_A64_LOOPS(SIXTEENS, SIXTEEN, FOURS, FOUR)                                                   \
    "mov w16," SIXTEENS "\n cbz w16,3f\n 2:\n" SIXTEEN "subs w16,w16,#1\n b.ne 2b\n"                         \
    "3: mov w16," FOURS "\n cbz w16,5f\n 4:\n" FOUR "subs w16,w16,#1\n b.ne 4b\n 5:\n"
#define EDGELSTM_A64_BIASES                                                                                  \
    "ld1 {v16.4s},[x1],#16\n ld1 {v17.4s},[x12],#16\n ld1 {v18.4s},[x13],#16\n ld1 {v19.4s},[x14],#16\n"
/* Four columns, whose weights are in W, of the inputs X[K0] to X[K3]. */
#define EDGELSTM_A64_WIDE(W, A, X, K0, K1, K2, K3)                                                           \
    "sxtl v20.8h," W ".8b\n sxtl2 v21.8h," W ".16b\n smlal " A ".4s,v20.4h," X ".h[" K0 "]\n"                \
    "smlal2 " A ".4s,v20.8h," X ".h[" K1 "]\n smlal " A ".4s,v21.4h," X ".h[" K2 "]\n"                       \
    "smlal2 " A ".4s,v21.8h," X ".h[" K3 "]\n"
#define EDGELSTM_A64_WIDE_SIXTEEN(P, A)                                                                      \
    "ld1 {v4.4s-v7.4s},[" P "],#64\n"                                                                        \
    EDGELSTM_A64_WIDE("v4", A, "v0", "0", "1", "2", "3") EDGELSTM_A64_WIDE("v5", A, "v0", "4", "5", "6", "7") \
    EDGELSTM_A64_WIDE("v6", A, "v1", "0", "1", "2", "3") EDGELSTM_A64_WIDE("v7", A, "v1", "4", "5", "6", "7")
#define EDGELSTM_A64_WIDE_FOUR(P, A) \
    "ld1 {v4.4s},[" P "],#16\n" EDGELSTM_A64_WIDE("v4", A, "v0", "0", "1", "2", "3")
#define EDGELSTM_A64_WIDE_SUMS(SIXTEENS, FOURS)                                                              \
    EDGELSTM_A64_BIASES                                                                                      \
    EDGELSTM_A64_LOOPS(SIXTEENS, "ld1 {v0.8h,v1.8h},[x15],#32\n"                                             \
                       EDGELSTM_A64_WIDE_SIXTEEN("x1", "v16") EDGELSTM_A64_WIDE_SIXTEEN("x12", "v17")        \
                       EDGELSTM_A64_WIDE_SIXTEEN("x13", "v18") EDGELSTM_A64_WIDE_SIXTEEN("x14", "v19"),      \
                       FOURS, "ld1 {v0.4h},[x15],#8\n"                                                       \
                       EDGELSTM_A64_WIDE_FOUR("x1", "v16") EDGELSTM_A64_WIDE_FOUR("x12", "v17")              \
                       EDGELSTM_A64_WIDE_FOUR("x13", "v18") EDGELSTM_A64_WIDE_FOUR("x14", "v19"))
#if defined(__ARM_FEATURE_DOTPROD)
#define EDGELSTM_A64_DOT(W, X, A) "sdot " A ".4s," W ".16b," X "\n"
#define EDGELSTM_A64_SIXTEEN(P, A)                                                                           \
    "ld1 {v4.4s-v7.4s},[" P "],#64\n" EDGELSTM_A64_DOT("v4", "v0.4b[0]", A) EDGELSTM_A64_DOT("v5", "v0.4b[1]", A) \
    EDGELSTM_A64_DOT("v6", "v0.4b[2]", A) EDGELSTM_A64_DOT("v7", "v0.4b[3]", A)
#define EDGELSTM_A64_FOUR(P, A) "ld1 {v4.4s},[" P "],#16\n" EDGELSTM_A64_DOT("v4", "v0.16b", A)
#define EDGELSTM_A64_SUMS(SIXTEENS, FOURS)                                                                   \
    EDGELSTM_A64_BIASES                                                                                      \
    EDGELSTM_A64_LOOPS(SIXTEENS, "ld1 {v0.4s},[x15],#16\n"                                                   \
                       EDGELSTM_A64_SIXTEEN("x1", "v16") EDGELSTM_A64_SIXTEEN("x12", "v17")                  \
                       EDGELSTM_A64_SIXTEEN("x13", "v18") EDGELSTM_A64_SIXTEEN("x14", "v19"),                \
                       FOURS, "ld1r {v0.4s},[x15],#4\n"                                                      \
                       EDGELSTM_A64_FOUR("x1", "v16") EDGELSTM_A64_FOUR("x12", "v17")                        \
                       EDGELSTM_A64_FOUR("x13", "v18") EDGELSTM_A64_FOUR("x14", "v19"))
#else
/* Of each stream two sums of pairs, A of its first two rows and B of the others; the bias stands in the first of a pair. */
#define EDGELSTM_A64_BEGIN(P, A, B)                                                                          \
    "ld1 {" B ".4s},[" P "],#16\n zip1 " A ".4s," B ".4s,v0.4s\n zip2 " B ".4s," B ".4s,v0.4s\n"
#define EDGELSTM_A64_PAIRS(A, B) "sadalp " A ".4s,v20.8h\n sadalp " B ".4s,v21.8h\n"
#define EDGELSTM_A64_EIGHT(W, V, X, Y, A, B)                                                                 \
    "smull v20.8h," W ".8b," X ".8b\n smull2 v21.8h," W ".16b," X ".16b\n"                                   \
    "smlal v20.8h," V ".8b," Y ".8b\n smlal2 v21.8h," V ".16b," Y ".16b\n" EDGELSTM_A64_PAIRS(A, B)
#define EDGELSTM_A64_SIXTEEN(P, A, B)                                                                        \
    "ld1 {v4.4s-v7.4s},[" P "],#64\n" EDGELSTM_A64_EIGHT("v4", "v5", "v0", "v1", A, B)                       \
    EDGELSTM_A64_EIGHT("v6", "v7", "v2", "v3", A, B)
#define EDGELSTM_A64_FOUR(P, A, B)                                                                           \
    "ld1 {v4.4s},[" P "],#16\n smull v20.8h,v4.8b,v0.8b\n smull2 v21.8h,v4.16b,v0.16b\n" EDGELSTM_A64_PAIRS(A, B)
#define EDGELSTM_A64_SUMS(SIXTEENS, FOURS)                                                                   \
    "movi v0.4s,#0\n" EDGELSTM_A64_BEGIN("x1", "v16", "v24") EDGELSTM_A64_BEGIN("x12", "v17", "v25")         \
    EDGELSTM_A64_BEGIN("x13", "v18", "v26") EDGELSTM_A64_BEGIN("x14", "v19", "v27")                          \
    EDGELSTM_A64_LOOPS(SIXTEENS, "ld4r {v0.4s-v3.4s},[x15],#16\n"                                            \
                       EDGELSTM_A64_SIXTEEN("x1", "v16", "v24") EDGELSTM_A64_SIXTEEN("x12", "v17", "v25")    \
                       EDGELSTM_A64_SIXTEEN("x13", "v18", "v26") EDGELSTM_A64_SIXTEEN("x14", "v19", "v27"),  \
                       FOURS, "ld1r {v0.4s},[x15],#4\n"                                                      \
                       EDGELSTM_A64_FOUR("x1", "v16", "v24") EDGELSTM_A64_FOUR("x12", "v17", "v25")          \
                       EDGELSTM_A64_FOUR("x13", "v18", "v26") EDGELSTM_A64_FOUR("x14", "v19", "v27"))        \
    "addp v16.4s,v16.4s,v24.4s\n addp v17.4s,v17.4s,v25.4s\n addp v18.4s,v18.4s,v26.4s\n addp v19.4s,v19.4s,v27.4s\n"
#endif
#else
/* Of one stream, without its biases: adds `fours` times four columns of four rows; returns the words behind them. */
const int32_t *edgelstm_a64_sums(const int32_t *w, const int8_t *bytes, int32_t fours, int32_t *sums);
const int32_t *edgelstm_a64_wide_sums(const int32_t *w, const int16_t *halves, int32_t fours, int32_t *sums);
#endif

#endif
