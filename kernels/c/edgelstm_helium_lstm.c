/* int8 LSTM for Armv8.1-M with Helium, Cortex-M55 and M85: of sixteen columns the four gates of a unit, whose sums are
 * rescaled side by side; then what follows for four units at once. */
#include "edgelstm_arithmetic.h"
#if defined(EDGELSTM_HELIUM)
#include <arm_mve.h>
#endif

#define CHUNK 16 /* units whose sums are kept */

/* Behind the sums of a chunk, [CHUNK][gate]: bytes of x and of h, each in blocks of sixteen. */
static int8_t *bytes_of(int16_t *work)
{
    return (int8_t *)(work + 4 * CHUNK);
}

#if defined(EDGELSTM_HELIUM)

/* Where the assembly is; it moves the pointers on. */
typedef struct {
    const int8_t *weight;
    const int32_t *bias;
    int32_t units;
} position;

/* z: [at->units][gate], W x + U h in 16 bits; `scaled` where each factor is below 1, `shifted` where one is not. */
void edgelstm_helium_scaled(const edgelstm_helium_lstm *layer, const int8_t *in, position *at, int16_t *z);
void edgelstm_helium_shifted(const edgelstm_helium_lstm *layer, const int8_t *in, position *at, int16_t *z);

/* r7 weights, r12 biases, r5 inputs; as many blocks as stand at AT; four sums in even registers, which alone are added to */
#define SUMS(AT)                                                                                            \
    "ldr lr,[r0,#" AT "]\n ldmia r12!,{r4,r6,r8,r10}\n dls lr,lr\n1: vldrb.u8 q0,[r5],#16\n"                \
    "vldrb.u8 q1,[r7],#16\n vmladava.s8 r4,q0,q1\n vldrb.u8 q3,[r7],#16\n vmladava.s8 r6,q0,q3\n"           \
    "vldrb.u8 q1,[r7],#16\n vmladava.s8 r8,q0,q1\n vldrb.u8 q3,[r7],#16\n vmladava.s8 r10,q0,q3\n"          \
    "le lr,1b\n"
/* Q: the sums, rescaled, half away from zero; a factor of 1 or more only rounds to 32 bits, without the sign. The layer's
 * first words: multipliers, shifts to the right, to the left and masks of signs, of x and, 16 bytes behind, of h; blocks. */
#define LOADED(AT) "vldrw.u32 q1,[r0,#" AT "]\n"
#define SCALED(Q, AT, FIRST, SIGNED)                                                                         \
    "vmov " Q "[2]," Q "[0],r4,r8\n vmov " Q "[3]," Q "[1],r6,r10\n" FIRST LOADED(AT)                        \
    "vqrdmulh.s32 " Q "," Q ",q1\n vshr.s32 q3," Q ",#31\n" SIGNED "vadd.i32 " Q "," Q ",q3\n"                 \
    LOADED(AT "+32") "vrshl.s32 " Q "," Q ",q1\n vqmovnb.s32 " Q "," Q "\n"
#define LEFT(Q, AT) LOADED(AT "+64") "vshl.s32 " Q "," Q ",q1\n"
#define SIGN(AT) LOADED(AT "+96") "vand q3,q3,q1\n"
#define UNITS(NAME, X_LEFT, X_SIGN, H_LEFT, H_SIGN)                                                          \
    __asm__(".syntax unified\n .thumb\n .pushsection .text." NAME ",\"ax\",%progbits\n .balign 4\n"          \
            ".global " NAME "\n .type " NAME ",%function\n .thumb_func\n" NAME ":\n"                         \
            "push {r2,r4-r8,r10,lr}\n ldrd r7,r12,[r2]\n ldr r2,[r2,#8]\n2: mov r5,r1\n"                  \
            SUMS("128") SCALED("q2", "0", X_LEFT, X_SIGN) SUMS("132") SCALED("q0", "16", H_LEFT, H_SIGN)       \
            "vqadd.s16 q2,q2,q0\n vstrh.32 q2,[r3],#8\n subs r2,#1\n bne 2b\n"                               \
            "pop {r2}\n strd r7,r12,[r2]\n pop {r4-r8,r10,pc}\n .size " NAME ",.-" NAME "\n .popsection\n")
UNITS("edgelstm_helium_scaled", "", "", "", "");
UNITS("edgelstm_helium_shifted", LEFT("q2", "0"), SIGN("0"), LEFT("q0", "16"), SIGN("16"));

/* Of four values as of one: v 2^-right, half away from zero; minus: -right, 0 or less */
EDGELSTM_INLINE int32x4_t shifted4(int32x4_t v, int32_t minus)
{
    return vrshlq_n_s32(vaddq_s32(v, vshrq_n_s32(v, 31)), minus);
}

/* Rounded twice, by 2^(minus - 1) */
EDGELSTM_INLINE int32x4_t by_power4(int32x4_t v, int32_t minus)
{
    return shifted4(vrshrq_n_s32(v, 1), minus);
}

EDGELSTM_INLINE int32x4_t clamp4(int32x4_t v, int32_t low, int32_t high)
{
    return vminq_s32(vmaxq_s32(v, vdupq_n_s32(low)), vdupq_n_s32(high));
}

EDGELSTM_INLINE int32x4_t clamp16x4(int32x4_t v)
{
    return vmovlbq_s16(vqmovnbq_s32(vdupq_n_s16(0), v));
}

/* See edgelstm_by_pairs; at: the interval, less 256 */
EDGELSTM_INLINE int32x4_t interpolated4(const int32_t *pairs, int32x4_t at, int32x4_t d)
{
    /* Addresses wrap, so that negative places lie in front of the middle of the table. */
    const uint32x4_t place = vreinterpretq_u32_s32(vshlq_n_s32(at, 1));
    const int32x4_t slope = vldrwq_gather_shifted_offset_s32(pairs + 512, place);
    const int32x4_t offset = vldrwq_gather_shifted_offset_s32(pairs + 513, place);
    return vshrq_n_s32(vaddq_s32(vmulq_s32(slope, d), offset), 16);
}

EDGELSTM_INLINE int32x4_t sigmoid4(const int32_t *pairs, int32x4_t z)
{
    const int32x4_t d = vmulq_n_s32(z, 3);
    return interpolated4(pairs, vshrq_n_s32(d, 9), d);
}

EDGELSTM_INLINE int32x4_t tanh4(const int32_t *pairs, int32x4_t d)
{
    return interpolated4(pairs, clamp4(vshrq_n_s32(d, 8), -256, 255), d);
}

/* z: [4][gate]; c, h: of four units, of which `there` are there */
EDGELSTM_INLINE void units4(const edgelstm_helium_lstm *layer, const int16_t *z, int16_t *c, int16_t *h, mve_pred16_t there)
{
    const uint32x4_t units = vidupq_n_u32(0, 4);
    const int32x4_t i = sigmoid4(layer->sigmoid, vldrhq_gather_shifted_offset_s32(z, units));
    const int32x4_t f = sigmoid4(layer->sigmoid, vldrhq_gather_shifted_offset_s32(z + 1, units));
    const int32x4_t g = tanh4(layer->tanh, vmulq_n_s32(vldrhq_gather_shifted_offset_s32(z + 2, units), 3));
    const int32x4_t o = sigmoid4(layer->sigmoid, vldrhq_gather_shifted_offset_s32(z + 3, units));
    const int32x4_t kept = clamp16x4(by_power4(vmulq_s32(f, vldrhq_z_s32(c, there)), -14));
    const int32x4_t added = by_power4(vmulq_s32(i, g), -layer->input_right);
    const int32x4_t cell = clamp4(vaddq_s32(kept, added), layer->cell_low, layer->cell_high);
    vstrhq_p_s32(c, cell, there);
    const int32x4_t d = vrshlq_n_s32(vmulq_n_s32(cell, 3), layer->cell_shift);
    const int32x4_t out = vqrdmulhq_n_s32(vmulq_s32(o, tanh4(layer->tanh, d)), layer->output);
    vstrhq_p_s32(h, clamp4(shifted4(out, -layer->output_right), layer->low, layer->high), there);
}

static void advance(const edgelstm_helium_lstm *layer, int16_t *h, int16_t *c, int16_t *z)
{
    const int8_t *in = bytes_of(z);
    position at = {layer->weight, layer->bias, CHUNK};
    for (int32_t unit = 0; unit < layer->units; unit += CHUNK) {
        const int32_t left = layer->units - unit;
        at.units = left < CHUNK ? left : CHUNK;
        if (layer->is_shifted != 0) {
            edgelstm_helium_shifted(layer, in, &at, z);
        } else {
            edgelstm_helium_scaled(layer, in, &at, z);
        }
        for (int32_t k = 0; k < at.units; k += 4) {
            units4(layer, z + 4 * k, c + unit + k, h + unit + k, vctp32q((uint32_t)(at.units - k)));
        }
    }
}

static void bytes_s8(const int8_t *x, int32_t n, int8_t *bytes)
{
    for (int32_t k = 0; k < n; k += 16) {
        const mve_pred16_t there = vctp8q((uint32_t)(n - k));
        vstrbq_p_s8(bytes + k, vldrbq_z_s8(x + k, there), there);
    }
}

/* As stored, of values less their zero point. */
static void bytes_s16(const int16_t *v, int32_t n, int32_t zero_point, int8_t *bytes)
{
    for (int32_t k = 0; k < n; k += 8) {
        const mve_pred16_t there = vctp16q((uint32_t)(n - k));
        vstrbq_p_s16(bytes + k, vaddq_n_s16(vldrhq_z_s16(v + k, there), (int16_t)zero_point), there);
    }
}

#else

static const int8_t *products(const int8_t *w, const int8_t *in, int32_t n, int32_t *sums)
{
    for (int32_t block = 0; block < n; block += 16) {
        for (int gate = 0; gate < 4; gate++) {
            for (int32_t k = 0; k < 16 && block + k < n; k++) {
                sums[gate] += w[16 * gate + k] * in[block + k];
            }
        }
        w += 64;
    }
    return w;
}

static void advance(const edgelstm_helium_lstm *layer, int16_t *h, int16_t *c, int16_t *work)
{
    const int8_t *w = layer->weight, *in = bytes_of(work), *from_h = in + 16 * layer->blocks[0];
    const int32_t *bias = layer->bias;
    for (int32_t unit = 0; unit < layer->units; unit++) {
        int32_t z[4] = {0, 0, 0, 0};
        for (int side = 0; side < 2; side++) {
            int32_t sums[4] = {bias[0], bias[1], bias[2], bias[3]};
            w = side == 0 ? products(w, in, layer->inputs, sums) : products(w, from_h, layer->units, sums);
            for (int gate = 0; gate < 4; gate++) {
                const int32_t shift = layer->left[side][gate] + layer->minus_right[side][gate];
                const int32_t v = edgelstm_requantize(sums[gate], layer->multiplier[side][gate], shift);
                z[gate] = edgelstm_clamp16(z[gate] + edgelstm_clamp16(v));
            }
            bias += 4;
        }
        const int32_t i = edgelstm_by_pairs(layer->sigmoid, 3 * z[0], 9), f = edgelstm_by_pairs(layer->sigmoid, 3 * z[1], 9);
        const int32_t g = edgelstm_by_pairs(layer->tanh, 3 * z[2], 8), o = edgelstm_by_pairs(layer->sigmoid, 3 * z[3], 9);
        const int32_t kept = edgelstm_clamp16(edgelstm_by_power(f * c[unit], 14));
        const int32_t sum = kept + edgelstm_by_power(i * g, layer->input_right);
        const int32_t cell = edgelstm_clamp(sum, layer->cell_low, layer->cell_high);
        c[unit] = (int16_t)cell;
        const int32_t t = edgelstm_by_pairs(layer->tanh, edgelstm_tripled(cell, layer->cell_shift), 8);
        const int32_t out = edgelstm_requantize(o * t, layer->output, -layer->output_right);
        h[unit] = (int16_t)edgelstm_clamp(out, layer->low, layer->high);
    }
}

static void bytes_s8(const int8_t *x, int32_t n, int8_t *bytes)
{
    for (int32_t k = 0; k < n; k++) {
        bytes[k] = x[k];
    }
}

/* As stored, of values less their zero point. */
static void bytes_s16(const int16_t *v, int32_t n, int32_t zero_point, int8_t *bytes)
{
    for (int32_t k = 0; k < n; k++) {
        bytes[k] = (int8_t)(v[k] + zero_point);
    }
}

#endif

void edgelstm_helium_lstm_s8(const edgelstm_helium_lstm *layer, const int8_t *x, int16_t *h, int16_t *c, int16_t *work)
{
    int8_t *in = bytes_of(work);
    bytes_s8(x, layer->inputs, in);
    bytes_s16(h, layer->units, layer->h_zero_point, in + 16 * layer->blocks[0]);
    advance(layer, h, c, work);
}

void edgelstm_helium_lstm_s16(const edgelstm_helium_lstm *layer, const int16_t *x, int16_t *h, int16_t *c, int16_t *work)
{
    int8_t *in = bytes_of(work);
    bytes_s16(x, layer->inputs, layer->x_zero_point, in);
    bytes_s16(h, layer->units, layer->h_zero_point, in + 16 * layer->blocks[0]);
    advance(layer, h, c, work);
}
