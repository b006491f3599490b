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
@STEP@
void @NAME@_run(@NAME@_state *state, const @TYPE@ *x, int32_t steps, @OUT@ *y)
{
@RUN@}
@CONVERTERS@
