/* Matrix times vector in integers, rows in order. */
#include "edgelstm_arithmetic.h"

/* Where loads take a word at any address: two inputs at once. Elsewhere compilers find their own way. */
#if defined(EDGELSTM_DSP)
static int32_t dot(const int8_t *w, const int16_t *x, int32_t n, int32_t sum)
{
    int32_t turns = n / 4;
    if (turns != 0) {
        int32_t a, b, c, d;
        __asm__ volatile("1: ldr %[a],[%[w]],#4\n ldr %[c],[%[x]],#4\n ldr %[d],[%[x]],#4\n"
                         "sxtb16 %[b],%[a],ror #8\n sxtb16 %[a],%[a]\n"
                         "smlabb %[s],%[a],%[c],%[s]\n smlabt %[s],%[b],%[c],%[s]\n"
                         "smlatb %[s],%[a],%[d],%[s]\n smlatt %[s],%[b],%[d],%[s]\n"
                         "subs %[n],#1\n bne 1b\n"
                         : [s] "+r"(sum), [w] "+r"(w), [x] "+r"(x), [n] "+r"(turns), [a] "=&r"(a), [b] "=&r"(b),
                           [c] "=&r"(c), [d] "=&r"(d)
                         :
                         : "cc", "memory");
    }
    for (int32_t k = 0; k < n % 4; k++) {
        sum += w[k] * x[k];
    }
    return sum;
}
#else
static int32_t dot(const int8_t *w, const int16_t *x, int32_t n, int32_t sum)
{
    for (int32_t k = 0; k < n; k++) {
        sum += w[k] * x[k];
    }
    return sum;
}
#endif

void edgelstm_affine_s16(const edgelstm_affine *layer, const int16_t *x, int16_t *y)
{
    const int8_t *w = layer->weight;
    for (int32_t row = 0; row < layer->rows; row++) {
        const int32_t sum = dot(w, x, layer->columns, layer->bias != 0 ? layer->bias[row] : 0);
        w += layer->columns;
        y[row] = edgelstm_rescaled(sum, &layer->rescale);
    }
}

/* So many products of int8 and int16 stay within 32 bits. */
#define BLOCK 256

void edgelstm_affine64_s16(const edgelstm_affine64 *layer, const int16_t *x, int16_t *y)
{
    const int8_t *w = layer->weight;
    for (int32_t row = 0; row < layer->rows; row++) {
        int64_t sum = layer->bias != 0 ? layer->bias[row] : 0;
        for (int32_t first = 0; first < layer->columns; first += BLOCK) {
            const int32_t left = layer->columns - first;
            sum += dot(w + first, x + first, left < BLOCK ? left : BLOCK, 0);
        }
        w += layer->columns;
        y[row] = edgelstm_rescaled64(sum, &layer->rescale);
    }
}
