/* What the int8 LSTM of Armv7E-M needs beside its instances: inputs spread into words, and the reader in plain C. */
#include "edgelstm_dsp_reader.h"

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

/* n columns of a unit's four rows, in words as the assembly reads them. */
static const int32_t *products(const int32_t *w, const int16_t *in, int32_t n, int32_t *sums)
{
    for (int32_t k = 0; k < n; k += 4) {
        const int16_t *even = in + k, *odd = in + k + 2;
        if (n - k < 3) {
            for (int gate = 0; gate < 4; gate++) {
                sums[gate] += pair(w[gate / 2], 2 * (gate % 2), even, odd, 0);
            }
            w += 2;
        } else {
            for (int gate = 0; gate < 4; gate++) {
                sums[gate] += pair(w[gate], 0, even, odd, 0) + pair(w[gate], 2, even, odd, 1);
            }
            w += 4;
        }
    }
    return w;
}

/* value * slope + offset of its interval, wrapped; the result is the upper halfword */
static int32_t interpolated(const int32_t *entry, int32_t value)
{
    return (int32_t)((uint32_t)entry[0] * (uint32_t)value + (uint32_t)entry[1]) >> 16;
}

static int32_t sigmoid(const edgelstm_dsp_lstm *layer, int32_t z)
{
    return interpolated(layer->sigmoid + 2 * ((z * layer->sigmoid_step) >> 16), z);
}

static int32_t tanh_of(const edgelstm_dsp_lstm *layer, int32_t d)
{
    return interpolated(layer->tanh + 2 * edgelstm_clamp(d >> 8, -256, 255), d);
}

void edgelstm_dsp_read(const int32_t *stream, const int16_t *in, const edgelstm_dsp_lstm *layer,
                       const edgelstm_dsp_sizes *sizes, const int32_t *shifts, int16_t *c, int16_t *h,
                       const int32_t *twice)
{
    const int16_t *from_h = in + (sizes->columns + 3) / 4 * 4;
    const int32_t output_shift = sizes->output_right, zero_point = sizes->zero_point;
    for (int32_t unit = 0; unit < sizes->hidden; unit++) {
        int32_t sums[4], z[4];
        for (int side = 0; side < 2; side++) {
            for (int gate = 0; gate < 4; gate++) {
                sums[gate] = stream[gate] - twice[side] / 2;
            }
            stream = side == 0 ? products(stream + 4, in, sizes->columns, sums)
                               : products(stream + 4, from_h, sizes->hidden, sums);
            const int32_t *multipliers = side == 0 ? layer->ih : layer->hh;
            for (int gate = 0; gate < 4; gate++) {
                const int32_t v = edgelstm_requantize(sums[gate], multipliers[gate], shifts[4 * side + gate]);
                z[gate] = side == 0 ? edgelstm_clamp16(v) : edgelstm_clamp16(z[gate] + edgelstm_clamp16(v));
            }
        }
        const int32_t i = sigmoid(layer, z[0]), f = sigmoid(layer, z[1]);
        const int32_t g = tanh_of(layer, 3 * z[2]), o = sigmoid(layer, z[3]);
        const int32_t kept = edgelstm_clamp16(edgelstm_requantize(f * c[unit], 1 << 30, -sizes->forget_right));
        const int32_t cell = edgelstm_clamp16(kept + edgelstm_requantize(i * g, 1 << 30, -sizes->input_right));
        c[unit] = (int16_t)cell;
        const int32_t out = o * tanh_of(layer, edgelstm_tripled(cell, sizes->cell_shift));
        const int32_t next = edgelstm_requantize(out, layer->output, -output_shift) + zero_point;
        h[unit] = (int16_t)(edgelstm_clamp(next, INT8_MIN, INT8_MAX) - zero_point);
    }
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
