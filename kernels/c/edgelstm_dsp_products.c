/* Inputs spread into words for Winograd's inner product, and its reader in plain C: see edgelstm_dsp_products.h. */
#include "edgelstm_dsp_products.h"

int32_t edgelstm_dsp_wide_s16(const int16_t *v, int32_t n, int16_t *words)
{
    int32_t k = 0;
    for (; k < n; k++) {
        words[k] = v[k];
    }
    for (; k % 4 != 0; k++) {
        words[k] = 0;
    }
    return 0;
}

#if !defined(EDGELSTM_DSP)

/* Byte `k` of a word, with its sign. */
static int32_t byte_of(int32_t word, int k)
{
    return (int8_t)(uint8_t)((uint32_t)word >> (8 * k));
}

static int32_t pair(int32_t word, int first, const int16_t *even, const int16_t *odd, int half)
{
    return (even[half] + byte_of(word, first)) * (odd[half] + byte_of(word, first + 1));
}

const int32_t *edgelstm_dsp_sums(const int32_t *w, const int16_t *in, int32_t n, int rows, int32_t *sums)
{
    for (int32_t k = 0; k < n; k += 4) {
        const int16_t *even = in + k, *odd = in + k + 2;
        if (n - k < 3) {
            for (int row = 0; row < rows; row++) {
                sums[row] += pair(w[row / 2], 2 * (row % 2), even, odd, 0);
            }
            w += 2;
        } else {
            for (int row = 0; row < rows; row++) {
                sums[row] += pair(w[row], 0, even, odd, 0) + pair(w[row], 2, even, odd, 1);
            }
            w += rows;
        }
    }
    return w;
}

const int32_t *edgelstm_dsp_wide_sums(const int32_t *w, const int16_t *in, int32_t n, int rows, int32_t *sums)
{
    for (int32_t k = 0; k < n; k += 4) {
        for (int row = 0; row < rows; row++) {
            sums[row] += byte_of(w[row], 0) * in[k] + byte_of(w[row], 2) * in[k + 1];
            sums[row] += byte_of(w[row], 1) * in[k + 2] + byte_of(w[row], 3) * in[k + 3];
        }
        w += rows;
    }
    return w;
}

static int32_t spread(int32_t x0, int32_t x1, int32_t x2, int32_t x3, int16_t *words)
{
    words[0] = (int16_t)x0;
    words[1] = (int16_t)x2;
    words[2] = (int16_t)x1;
    words[3] = (int16_t)x3;
    return x0 * x1 + x2 * x3;
}

int32_t edgelstm_dsp_spread_s8(const int8_t *v, int32_t n, int16_t *words)
{
    int32_t sum = 0, k = 0;
    for (; n - k > 3; k += 4) {
        sum += spread(v[k], v[k + 1], v[k + 2], v[k + 3], words + k);
    }
    if (n - k == 3) {
        sum += spread(v[k], v[k + 1], v[k + 2], 0, words + k);
    } else if (n - k > 0) {
        const int32_t x1 = n - k == 2 ? v[k + 1] : 0;
        sum += (spread(v[k], x1, v[k], x1, words + k)) / 2;
    }
    return 2 * sum;
}

int32_t edgelstm_dsp_spread_s16(const int16_t *v, int32_t n, int16_t *words)
{
    int32_t sum = 0, k = 0;
    for (; n - k > 3; k += 4) {
        sum += spread(v[k], v[k + 1], v[k + 2], v[k + 3], words + k);
    }
    if (n - k == 3) {
        sum += spread(v[k], v[k + 1], v[k + 2], 0, words + k);
    } else if (n - k > 0) {
        const int32_t x1 = n - k == 2 ? v[k + 1] : 0;
        sum += (spread(v[k], x1, v[k], x1, words + k)) / 2;
    }
    return 2 * sum;
}

#else

#define FUNCTION(NAME)                                                                                        \
    ".pushsection .text." NAME ",\"ax\",%progbits\n .balign 4\n .global " NAME "\n .type " NAME ",%function\n"   \
    ".thumb_func\n" NAME ":\n push {r4,r5,lr}\n movs r3,#0\n subs r1,#4\n blt 2f\n1:\n"
/* Four values are in r4 (0, 2) and r5 (1, 3); the rest of one to three values, read by LOAD */
#define REST(NAME, LOAD, SIZE)                                                                                \
    "smlad r3,r4,r5,r3\n strd r4,r5,[r2],#8\n subs r1,#4\n bge 1b\n2: adds r1,#4\n beq 5f\n"                  \
    LOAD " r4,[r0]\n movs r5,#0\n cmp r1,#1\n beq 3f\n " LOAD " r5,[r0,#" SIZE "]\n3: smlabb r3,r4,r5,r3\n"    \
    "cmp r1,#3\n beq 4f\n pkhbt r4,r4,r4,lsl #16\n pkhbt r5,r5,r5,lsl #16\n strd r4,r5,[r2]\n b 5f\n"          \
    "4: " LOAD " r12,[r0,#2*" SIZE "]\n pkhbt r4,r4,r12,lsl #16\n uxth r5,r5\n strd r4,r5,[r2]\n"             \
    "5: lsls r0,r3,#1\n pop {r4,r5,pc}\n .size " NAME ",.-" NAME "\n .popsection\n"

__asm__(
    ".syntax unified\n .thumb\n"
    FUNCTION("edgelstm_dsp_spread_s8") "ldr r12,[r0],#4\n sxtb16 r4,r12\n sxtb16 r5,r12,ror #8\n"
    REST("edgelstm_dsp_spread_s8", "ldrsb", "1")
    FUNCTION("edgelstm_dsp_spread_s16") "ldr r12,[r0],#4\n ldr r5,[r0],#4\n pkhbt r4,r12,r5,lsl #16\n"
    "pkhtb r5,r5,r12,asr #16\n"
    REST("edgelstm_dsp_spread_s16", "ldrsh", "2"));

#endif
