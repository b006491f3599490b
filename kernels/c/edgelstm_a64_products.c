/* Inputs as bytes, and the reader in plain C of what edgelstm_a64_products.h multiplies in assembly. */
#include "edgelstm_a64_products.h"

int8_t *edgelstm_a64_bytes(const int16_t *v, int32_t n, int32_t zero_point, int8_t *bytes)
{
    for (int32_t k = 0; k < n; k++) {
        bytes[k] = (int8_t)(v[k] + zero_point);
    }
    for (; n % 4 != 0; n++) {
        bytes[n] = 0;
    }
    return bytes + n;
}

void edgelstm_a64_halves(const int16_t *v, int32_t n, int16_t *halves)
{
    edgelstm_copy_s16(v, n, halves);
    for (; n % 4 != 0; n++) {
        halves[n] = 0;
    }
}

#if !defined(EDGELSTM_A64)

/* Byte `k` of a word, with its sign. */
static int32_t byte_of(int32_t word, int32_t k)
{
    return (int8_t)(uint8_t)((uint32_t)word >> (8 * k));
}

const int32_t *edgelstm_a64_sums(const int32_t *w, const int8_t *bytes, int32_t fours, int32_t *sums)
{
    for (; fours > 0; fours--) {
        for (int row = 0; row < 4; row++) {
            for (int32_t k = 0; k < 4; k++) {
                sums[row] += byte_of(w[row], k) * bytes[k];
            }
        }
        w += 4;
        bytes += 4;
    }
    return w;
}

const int32_t *edgelstm_a64_wide_sums(const int32_t *w, const int16_t *halves, int32_t fours, int32_t *sums)
{
    for (int32_t k = 0; k < 4 * fours; k++) {
        for (int row = 0; row < 4; row++) {
            sums[row] += byte_of(*w, row) * halves[k];
        }
        w++;
    }
    return w;
}

#endif
