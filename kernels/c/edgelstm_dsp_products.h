/* Winograd's inner product on Armv7E-M (Cortex-M4, M7, M33), of four or three rows at a time: three instructions for four
 * products of plain int8, for any weights.
 *     (x0 + w1)(x1 + w0) + (x2 + w3)(x3 + w2) = w.x + [x0 x1 + x2 x3] + [w0 w1 + w2 w3]
 * A word holds four weights of a row as bytes w1 w0 w3 w2, inputs are the words (x0, x2) and (x1, x3), |x| <= 255. The first
 * bracket is one number per step, the second is in the biases. Words lie as [column / 4][row]; a tail of two columns holds two
 * rows in a word, as bytes w1 w0 of each, and reads the words (x0, x0) and (x1, x1).
 *
 * Inputs of 16 bits leave no room for that: with EDGELSTM_WIDE a word holds w0 w2 w1 w3, inputs are in order, with zeros up to
 * whole words, and four products take four instructions. */
#ifndef EDGELSTM_DSP_PRODUCTS_H
#define EDGELSTM_DSP_PRODUCTS_H

#include "edgelstm_arithmetic.h"

#if defined(EDGELSTM_DSP)
#define EDGELSTM_TEXT_(x) #x
#define EDGELSTM_TEXT(x) EDGELSTM_TEXT_(x)

/* r0: words of weights, r1: of inputs, r2-r5: sums (r2-r4 of three rows), r6-r12 and lr: changed; of three rows r5 counts.
 * lr is scratch, W is changed */
#define EDGELSTM_CHOSEN_(NAME, WIDE) NAME##WIDE
#define EDGELSTM_CHOSEN(NAME, WIDE) EDGELSTM_CHOSEN_(NAME, WIDE)
#define EDGELSTM_W(W, XE, XO, ACC) EDGELSTM_CHOSEN(EDGELSTM_W_, EDGELSTM_WIDE)(W, XE, XO, ACC)
#define EDGELSTM_W_1(W, XE, XO, ACC)                                                                         \
    "sxtb16 lr," W "\n smlad " ACC ",lr," XE "," ACC "\n sxtb16 " W "," W ",ror #8\n smlad " ACC "," W "," XO \
    "," ACC "\n"
#define EDGELSTM_W_0(W, XE, XO, ACC) \
    "sxtab16 lr," XE "," W "\n sxtab16 " W "," XO "," W ",ror #8\n smlad " ACC ",lr," W "," ACC "\n"
#define EDGELSTM_COLUMNS8                                                                                    \
    "ldmia r1!,{r6-r9}\n ldmia r0!,{r10-r12}\n" EDGELSTM_W("r10", "r6", "r7", "r2")                          \
    EDGELSTM_W("r11", "r6", "r7", "r3") EDGELSTM_W("r12", "r6", "r7", "r4") "ldmia r0!,{r10-r12}\n"          \
    EDGELSTM_W("r10", "r6", "r7", "r5") EDGELSTM_W("r11", "r8", "r9", "r2")                                  \
    EDGELSTM_W("r12", "r8", "r9", "r3") "ldmia r0!,{r10,r11}\n"                                              \
    EDGELSTM_W("r10", "r8", "r9", "r4") EDGELSTM_W("r11", "r8", "r9", "r5")
/* The same with r12 left alone: it counts. */
#define EDGELSTM_FOUR(XE, XO)                                                                                \
    "ldmia r0!,{r10,r11}\n" EDGELSTM_W("r10", XE, XO, "r2") EDGELSTM_W("r11", XE, XO, "r3")                  \
    "ldmia r0!,{r10,r11}\n" EDGELSTM_W("r10", XE, XO, "r4") EDGELSTM_W("r11", XE, XO, "r5")
#define EDGELSTM_FOUR3(XE, XO)                                                                               \
    "ldmia r0!,{r10-r12}\n" EDGELSTM_W("r10", XE, XO, "r2") EDGELSTM_W("r11", XE, XO, "r3")                  \
    EDGELSTM_W("r12", XE, XO, "r4")
#define EDGELSTM_PAIR(W, A, B)                                                                               \
    "sxtab16 lr,r6," W "\n sxtab16 " W ",r7," W ",ror #8\n smlabb " A ",lr," W "," A "\n"                    \
    "smlatt " B ",lr," W "," B "\n"
#define EDGELSTM_SINGLE(W, A) \
    "sxtab16 lr,r6," W "\n sxtab16 " W ",r7," W ",ror #8\n smlabb " A ",lr," W "," A "\n"
#define EDGELSTM_LOOP(N, COUNTER, COLUMNS8) "mov " COUNTER ",#" N "/8\n 2: ldmia r1!,{r6-r9}\n" COLUMNS8 \
    "subs " COUNTER ",#1\n bne 2b\n"
/* N columns of four rows, and of three. */
#define EDGELSTM_PRODUCTS(N)                                                                                 \
    ".if " N ">256\n" EDGELSTM_LOOP(N, "r12", EDGELSTM_FOUR("r6", "r7") EDGELSTM_FOUR("r8", "r9"))           \
    ".else\n .rept " N "/8\n" EDGELSTM_COLUMNS8 ".endr\n .endif\n"                                           \
    ".if (" N ")&4\n ldmia r1!,{r6,r7}\n" EDGELSTM_FOUR("r6", "r7") ".endif\n"                               \
    ".if (" N ")&3\n ldmia r1!,{r6,r7}\n"                                                                    \
    ".if ((" N ")&3)<3\n ldmia r0!,{r10,r11}\n"                                                              \
    EDGELSTM_PAIR("r10", "r2", "r3") EDGELSTM_PAIR("r11", "r4", "r5") ".else\n"                              \
    EDGELSTM_FOUR("r6", "r7") ".endif\n .endif\n"
#define EDGELSTM_PRODUCTS3(N)                                                                                \
    ".if " N ">256\n" EDGELSTM_LOOP(N, "r5", EDGELSTM_FOUR3("r6", "r7") EDGELSTM_FOUR3("r8", "r9"))          \
    ".else\n .rept " N "/8\n ldmia r1!,{r6-r9}\n"                                                           \
    EDGELSTM_FOUR3("r6", "r7") EDGELSTM_FOUR3("r8", "r9") ".endr\n .endif\n"                                 \
    ".if (" N ")&4\n ldmia r1!,{r6,r7}\n" EDGELSTM_FOUR3("r6", "r7") ".endif\n"                              \
    ".if (" N ")&3\n ldmia r1!,{r6,r7}\n"                                                                    \
    ".if ((" N ")&3)<3\n ldmia r0!,{r10,r11}\n"                                                              \
    EDGELSTM_PAIR("r10", "r2", "r3") EDGELSTM_SINGLE("r11", "r4") ".else\n"                                  \
    EDGELSTM_FOUR3("r6", "r7") ".endif\n .endif\n"

#define EDGELSTM_LEFT(A, L) ".if " EDGELSTM_TEXT(L) "\n lsls " A "," A ",#" EDGELSTM_TEXT(L) "\n .endif\n"
#else
/* Adds n columns of so many rows, 3 or 4, to their sums; returns the words behind them. */
const int32_t *edgelstm_dsp_sums(const int32_t *w, const int16_t *in, int32_t n, int rows, int32_t *sums);
const int32_t *edgelstm_dsp_wide_sums(const int32_t *w, const int16_t *in, int32_t n, int rows, int32_t *sums);
#endif

#endif
