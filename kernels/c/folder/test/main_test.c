/* Compares 20 steps with what the reference gives: prints how many values differ, and fails if any does. */
#include <stdio.h>

#include "@NAME@.h"
#include "test_vector.h"

int main(void)
{
    static @NAME@_state state;
    static @OUT@ y[@UPPER@_OUTPUTS];
    long wrong = 0;
    @NAME@_init(&state);
    for (int t = 0; t < TEST_STEPS; t++) {
        @NAME@_step(&state, test_x + t * @UPPER@_INPUTS, y);
        for (int k = 0; k < @UPPER@_OUTPUTS; k++) {
            const double difference = (double)y[k] - (double)test_y[t * @UPPER@_OUTPUTS + k];
            if (!(difference <= TEST_TOLERANCE && difference >= -(TEST_TOLERANCE))) {
                wrong++;
            }
        }
    }
    printf("%ld of %ld values differ\n", wrong, (long)TEST_STEPS * @UPPER@_OUTPUTS);
    return wrong != 0;
}
