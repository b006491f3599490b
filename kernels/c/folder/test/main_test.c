/* Compares results with those of the reference: prints how many values differ, and fails if any does. */
#include <stdio.h>

#include "@NAME@.h"
#include "test_vector.h"

int main(void)
{
    static @NAME@_state state;
    static @OUT@ y[TEST_VALUES];
    long wrong = 0;
    @NAME@_init(&state);
@TESTED@    for (int k = 0; k < TEST_VALUES; k++) {
        const double difference = (double)y[k] - (double)test_y[k];
        if (!(difference <= TEST_TOLERANCE && difference >= -(TEST_TOLERANCE))) {
            wrong++;
        }
    }
    printf("%ld of %ld values differ\n", wrong, (long)TEST_VALUES);
    return wrong != 0;
}
