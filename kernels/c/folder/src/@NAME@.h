/* @NAME@: written by edgelstm; edits are lost when it is written again. */
#ifndef @UPPER@_H
#define @UPPER@_H

#include <stdint.h>

#define @UPPER@_INPUTS @INPUTS@
#define @UPPER@_OUTPUTS @OUTPUTS@
#define @UPPER@_STATE_BYTES @STATE@
@MACROS@
/* Around each step, for a power meter: define them before this header. */
#ifndef @UPPER@_ON_STEP_BEGIN
#define @UPPER@_ON_STEP_BEGIN() ((void)0)
#endif
#ifndef @UPPER@_ON_STEP_END
#define @UPPER@_ON_STEP_END() ((void)0)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* All RAM that is needed beside the stack. What layers keep from step to step has a field of its own@CENTRED@. */
typedef struct {
@FIELDS@    union {
        int32_t words[@WORDS@];
        @INSIDE@ values[@VALUES@];
    } scratch;
} @NAME@_state;

/* @BEGINS@; both are the same. */
void @NAME@_init(@NAME@_state *state);
void @NAME@_reset(@NAME@_state *state);
@DECLARED@
/* @ABOUTRUN@ */
void @NAME@_run(@NAME@_state *state, const @TYPE@ *x, int32_t steps, @OUT@ *y);
@CONVERSIONS@
#ifdef __cplusplus
}
#endif
#endif
