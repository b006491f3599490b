// A step of the network every PERIOD_MS milliseconds; results on the serial port.
#include <@NAME@.h>

static const unsigned long PERIOD_MS = 20;
static @NAME@_state state;

static void readSensor(@TYPE@ *x)
{
    for (int k = 0; k < @UPPER@_INPUTS; k++) {
        x[k] = 0; // your measurement@QUANTIZED@
    }
}

void setup()
{
    Serial.begin(115200);
    @NAME@_init(&state);
}

void loop()
{
    static unsigned long next = 0;
    static @TYPE@ x[@UPPER@_INPUTS];
    static @OUT@ y[@UPPER@_OUTPUTS];
    if (millis() < next) {
        return;
    }
    next += PERIOD_MS;
    readSensor(x);
    @NAME@_step(&state, x, y);
    for (int k = 0; k < @UPPER@_OUTPUTS; k++) {
        Serial.print(y[k]);
        Serial.print(k + 1 < @UPPER@_OUTPUTS ? ' ' : '\n');
    }
}
