// One step per line of standard input, as C++: numbers in, numbers out.
#include <iostream>

#include "@NAME@.h"

int main()
{
    static @NAME@_state state;
    static @TYPE@ x[@UPPER@_INPUTS];
    static @OUT@ y[@UPPER@_OUTPUTS];
    @NAME@_init(&state);
    for (;;) {
        for (int k = 0; k < @UPPER@_INPUTS; k++) {
            double value = 0;
            if (!(std::cin >> value)) {
                return 0;
            }
            x[k] = static_cast<@TYPE@>(value);
        }
        @NAME@_step(&state, x, y);
        for (int k = 0; k < @UPPER@_OUTPUTS; k++) {
            std::cout << +y[k] << (k + 1 < @UPPER@_OUTPUTS ? ' ' : '\n');
        }
    }
}
