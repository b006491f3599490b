/* @NAME@: written by edgelstm; edits are lost when it is written again. */
#include "@NAME@.h"
#include "@NAME@_weights.h"

typedef char @NAME@_state_has_its_size[sizeof(@NAME@_state) == @UPPER@_STATE_BYTES ? 1 : -1];
@FUNCTIONS@
void @NAME@_init(@NAME@_state *state)
{
@ZEROS@}

void @NAME@_reset(@NAME@_state *state)
{
    @NAME@_init(state);
}

void @NAME@_step(@NAME@_state *state, const @TYPE@ *x, @OUT@ *y)
{
    @UPPER@_ON_STEP_BEGIN();
@STEP@    @UPPER@_ON_STEP_END();
}

void @NAME@_run(@NAME@_state *state, const @TYPE@ *x, int32_t steps, @OUT@ *y)
{
    for (int32_t t = 0; t < steps; t++) {
        @UPPER@_ON_STEP_BEGIN();
@RUN@        @UPPER@_ON_STEP_END();
        x += @UPPER@_INPUTS;
@NEXT@    }
}
@CONVERTERS@
