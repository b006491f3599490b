/* Where integers and floats come in and go out. x and y are copied byte by byte: they may lie at any address. */
#include "edgelstm_arithmetic.h"

static void copy_bytes(const void *from, int32_t n, void *to)
{
    const unsigned char *a = (const unsigned char *)from;
    unsigned char *b = (unsigned char *)to;
    for (int32_t k = 0; k < n; k++) {
        b[k] = a[k];
    }
}

void edgelstm_copy_s16(const int16_t *v, int32_t n, int16_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = v[k];
    }
}

void edgelstm_enter_s8(const int8_t *x, int32_t n, int32_t zero_point, int16_t *v)
{
    for (int32_t k = 0; k < n; k++) {
        v[k] = (int16_t)(x[k] - zero_point);
    }
}

void edgelstm_enter_s16(const int16_t *x, int32_t n, int32_t zero_point, int16_t *v)
{
    (void)zero_point; /* always 0 */
    copy_bytes(x, 2 * n, v);
}

void edgelstm_leave_s8(const int16_t *v, int32_t n, int32_t zero_point, int8_t *y)
{
    for (int32_t k = 0; k < n; k++) {
        y[k] = (int8_t)(v[k] + zero_point);
    }
}

void edgelstm_leave_s16(const int16_t *v, int32_t n, int32_t zero_point, int16_t *y)
{
    (void)zero_point;
    copy_bytes(v, 2 * n, y);
}

void edgelstm_enter_f32(const float *x, int32_t n, float *v)
{
    copy_bytes(x, 4 * n, v);
}

void edgelstm_leave_f32(const float *v, int32_t n, float *y)
{
    copy_bytes(v, 4 * n, y);
}
