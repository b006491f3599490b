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

#if !defined(EDGELSTM_A64)

const int32_t *edgelstm_a64_sums(const int32_t *w, const int8_t *bytes, int32_t fours, int32_t *sums)
{
    for (int32_t k = 0; k < 4 * fours; k++) {
        for (int row = 0; row < 4; row++) {
            const uint8_t byte = (uint8_t)((uint32_t)w[row] >> (8 * (k % 4)));
            sums[row] += (int8_t)byte * bytes[k];
        }
        w += k % 4 == 3 ? 4 : 0;
    }
    return w;
}

#endif
