/* int8 LSTM for cores that multiply words alone, Armv6-M, Armv7-M and RISC-V: of each input value the four gates of a unit,
 * inputs as words, eight columns to a turn. Armv6-M loads bytes with an offset only without a sign: weights are stored plus
 * 128 there, and 128 sum x is taken off; it reads two at once. */
#include "edgelstm_lstm_unit.h"

#if defined(EDGELSTM_ARMV6M) || defined(EDGELSTM_ARMV7M) || defined(EDGELSTM_RV32)
/* Adds 8 columns at a time, of inputs up to `end`, to sums[4]; weights: [column][gate]. */
void edgelstm_words_products(const int32_t *x, const uint8_t *weights, int32_t *sums, const int32_t *end);
#endif

#if defined(EDGELSTM_ARMV6M)
/* Two gates in a halfword: LOW sums the lower byte's, BOTH the whole's, so that (BOTH - LOW) >> 8 is the upper byte's as long
 * as it has 24 bits: of at most MOST columns. */
#define MOST 128
#define PAIR(AT, X, BOTH, LOW)                                                                                \
    "ldrh r2,[r1,#" #AT "]\n uxtb r3,r2\n muls r2," X "\n add " BOTH ",r2\n muls r3," X "\n add " LOW ",r3\n"
#define COLUMN(AT, BEHIND, X) PAIR(AT, X, "r8", "r9") PAIR(BEHIND, X, "r10", "lr")
#define UPPER(BOTH, LOW, SUM) "mov r5," BOTH "\n mov r6," LOW "\n subs r5,r6\n asrs r5,#8\n adds " SUM ",r5\n"
__asm__(
    ".syntax unified\n .thumb\n .pushsection .text.edgelstm_words_products,\"ax\",%progbits\n .balign 4\n"
    ".global edgelstm_words_products\n .type edgelstm_words_products,%function\n .thumb_func\n"
    "edgelstm_words_products: push {r2,r4-r7,lr}\n mov r4,r8\n mov r5,r9\n mov r6,r10\n push {r4-r6}\n"
    "mov r12,r3\n movs r2,#0\n mov r8,r2\n mov r9,r2\n mov r10,r2\n mov lr,r2\n1: ldmia r0!,{r4-r7}\n"
    COLUMN(0, 2, "r4") COLUMN(4, 6, "r5") COLUMN(8, 10, "r6") COLUMN(12, 14, "r7") "ldmia r0!,{r4-r7}\n"
    COLUMN(16, 18, "r4") COLUMN(20, 22, "r5") COLUMN(24, 26, "r6") COLUMN(28, 30, "r7")
    "adds r1,#32\n cmp r0,r12\n bne 1b\n ldr r4,[sp,#12]\n ldmia r4!,{r0-r3}\n subs r4,#16\n add r0,r9\n add r2,lr\n"
    UPPER("r8", "r9", "r1") UPPER("r10", "lr", "r3") "stmia r4!,{r0-r3}\n"
    "pop {r4-r6}\n mov r8,r4\n mov r9,r5\n mov r10,r6\n pop {r3,r4-r7,pc}\n"
    ".size edgelstm_words_products,.-edgelstm_words_products\n .popsection\n");
#elif defined(EDGELSTM_ARMV7M)
#define GATE(AT, X, SUM) "ldrsb r12,[r1,#" #AT "]\n mla " SUM ",r12," X "," SUM "\n"
#define COLUMN(X, A, B, C, D) GATE(A, X, "r4") GATE(B, X, "r5") GATE(C, X, "r6") GATE(D, X, "r7")
__asm__(
    ".syntax unified\n .thumb\n .pushsection .text.edgelstm_words_products,\"ax\",%progbits\n .balign 4\n"
    ".global edgelstm_words_products\n .type edgelstm_words_products,%function\n .thumb_func\n"
    "edgelstm_words_products: push {r4-r11,lr}\n mov lr,r2\n ldmia r2,{r4-r7}\n1: ldmia r0!,{r8-r11}\n"
    COLUMN("r8", 0, 1, 2, 3) COLUMN("r9", 4, 5, 6, 7) COLUMN("r10", 8, 9, 10, 11) COLUMN("r11", 12, 13, 14, 15)
    "ldmia r0!,{r8-r11}\n"
    COLUMN("r8", 16, 17, 18, 19) COLUMN("r9", 20, 21, 22, 23) COLUMN("r10", 24, 25, 26, 27)
    COLUMN("r11", 28, 29, 30, 31)
    "adds r1,#32\n cmp r0,r3\n bne 1b\n stmia lr,{r4-r7}\n pop {r4-r11,pc}\n"
    ".size edgelstm_words_products,.-edgelstm_words_products\n .popsection\n");
#elif defined(EDGELSTM_RV32)
#define GATE(AT, SUM) "lb a6," #AT "(a1)\n mul a6,a6,a5\n add " SUM "," SUM ",a6\n"
#define COLUMN(X, A, B, C, D) "lw a5," #X "(a0)\n" GATE(A, "t0") GATE(B, "t1") GATE(C, "t2") GATE(D, "t3")
__asm__(
    ".pushsection .text.edgelstm_words_products,\"ax\",@progbits\n .balign 4\n .global edgelstm_words_products\n"
    ".type edgelstm_words_products,@function\n"
    "edgelstm_words_products: lw t0,0(a2)\n lw t1,4(a2)\n lw t2,8(a2)\n lw t3,12(a2)\n1:\n"
    COLUMN(0, 0, 1, 2, 3) COLUMN(4, 4, 5, 6, 7) COLUMN(8, 8, 9, 10, 11) COLUMN(12, 12, 13, 14, 15)
    COLUMN(16, 16, 17, 18, 19) COLUMN(20, 20, 21, 22, 23) COLUMN(24, 24, 25, 26, 27) COLUMN(28, 28, 29, 30, 31)
    "addi a1,a1,32\n addi a0,a0,32\n bne a0,a3,1b\n sw t0,0(a2)\n sw t1,4(a2)\n sw t2,8(a2)\n sw t3,12(a2)\n ret\n"
    ".size edgelstm_words_products,.-edgelstm_words_products\n .popsection\n");
#else
EDGELSTM_INLINE void edgelstm_words_products(const int32_t *x, const uint8_t *weights, int32_t *sums,
                                             const int32_t *end)
{
    (void)x, (void)weights, (void)sums, (void)end; /* never called */
}
#endif

#if defined(EDGELSTM_ARMV6M)
#define ASSEMBLY(OFFSET) ((OFFSET) == 128)
#elif defined(EDGELSTM_ARMV7M) || defined(EDGELSTM_RV32)
#define ASSEMBLY(OFFSET) ((OFFSET) == 0)
#else
#define ASSEMBLY(OFFSET) 0
#endif

/* What a byte is multiplied as. */
EDGELSTM_INLINE int32_t factor(uint8_t byte, int32_t offset)
{
    return offset != 0 ? (int32_t)byte : (int32_t)(int8_t)byte;
}

#define COLUMN_IN_C(K)                                                                                        \
    i += x[K] * factor(w[4 * (K)], offset), f += x[K] * factor(w[4 * (K) + 1], offset),                       \
        g += x[K] * factor(w[4 * (K) + 2], offset), o += x[K] * factor(w[4 * (K) + 3], offset)

/* n columns, whose sums are added to sums[4]; `offset` is a constant where it is called. */
EDGELSTM_INLINE void columns(const int32_t *x, const uint8_t *w, int32_t n, int32_t offset, int32_t *sums)
{
    int32_t i = sums[0], f = sums[1], g = sums[2], o = sums[3];
    for (; n >= 8; n -= 8) {
        COLUMN_IN_C(0), COLUMN_IN_C(1), COLUMN_IN_C(2), COLUMN_IN_C(3);
        COLUMN_IN_C(4), COLUMN_IN_C(5), COLUMN_IN_C(6), COLUMN_IN_C(7);
        x += 8;
        w += 32;
        EDGELSTM_KEEP(x, w); /* clang has other ideas about the two pointers, and spills */
    }
    for (; n > 0; n--) {
        COLUMN_IN_C(0);
        x++;
        w += 4;
        EDGELSTM_KEEP(x, w);
    }
    sums[0] = i;
    sums[1] = f;
    sums[2] = g;
    sums[3] = o;
}

EDGELSTM_INLINE const uint8_t *products(const int32_t *x, const uint8_t *w, int32_t n, int32_t offset, int32_t *sums)
{
#if defined(MOST)
    while (ASSEMBLY(offset) && n > MOST) {
        edgelstm_words_products(x, w, sums, x + MOST);
        x += MOST;
        w += 4 * MOST;
        n -= MOST;
    }
#endif
    const int32_t whole = ASSEMBLY(offset) ? n & ~7 : 0;
    if (whole != 0) {
        edgelstm_words_products(x, w, sums, x + whole);
    }
    if (whole != n) {
        columns(x + whole, w + 4 * whole, n - whole, offset, sums);
    }
    return w + 4 * n;
}

/* v as words; returns offset times their sum. */
static int32_t widen(const int16_t *v, int32_t n, int32_t offset, int32_t *words)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < n; k++) {
        words[k] = v[k];
        sum += v[k];
    }
    return offset * sum;
}

EDGELSTM_INLINE void step(const edgelstm_words_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int32_t *work,
                          int32_t offset)
{
    const edgelstm_lstm *lstm = &layer->lstm;
    const uint8_t *w = (const uint8_t *)layer->weight;
    const int32_t *bias = lstm->bias;
    int32_t *from_h = work + lstm->inputs;
    const int32_t of_x = widen(x, lstm->inputs, offset, work);
    const int32_t of_h = widen(h, lstm->units, offset, from_h);
    for (int32_t unit = 0; unit < lstm->units; unit++) {
        int32_t sums_x[4] = {bias[0] - of_x, bias[1] - of_x, bias[2] - of_x, bias[3] - of_x};
        int32_t sums_h[4] = {-of_h, -of_h, -of_h, -of_h};
        w = products(work, w, lstm->inputs, offset, sums_x);
        w = products(from_h, w, lstm->units, offset, sums_h);
        h[unit] = edgelstm_unit(lstm, sums_x, sums_h, &c[unit]);
        bias += 4;
    }
}

void edgelstm_words_lstm_s8(const edgelstm_words_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int32_t *work)
{
    step(layer, x, h, c, work, 0);
}

void edgelstm_words128_lstm_s8(const edgelstm_words_lstm *layer, const int16_t *x, int16_t *h, int16_t *c,
                               int32_t *work)
{
    step(layer, x, h, c, work, 128);
}
