/* Cycles of a step on a Cortex-M, without a vendor's header: by DWT where the core has it, else by SysTick. For a power
 * meter, define a window on a pin before @NAME@.h, for example by -D:
 *   @UPPER@_ON_STEP_BEGIN()=(*(volatile uint32_t*)0x48000018U=1U<<5)
 *   @UPPER@_ON_STEP_END()=(*(volatile uint32_t*)0x48000028U=1U<<5)
 * (port A's set and reset registers, pin 5, of an STM32L4). Call measure_@NAME@() and read the result in a debugger. */
#include "@NAME@.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define DEMCR REGISTER(0xE000EDFCU)
#define DWT_CTRL REGISTER(0xE0001000U)
#define DWT_CYCCNT REGISTER(0xE0001004U)
#define DWT_LAR REGISTER(0xE0001FB0U) /* locked on a Cortex-M7 */
#define SYST_CSR REGISTER(0xE000E010U)
#define SYST_RVR REGISTER(0xE000E014U)
#define SYST_CVR REGISTER(0xE000E018U)
#define STEPS 100U

volatile uint32_t @NAME@_cycles_per_step;

static @NAME@_state state;
static @TYPE@ x[@UPPER@_INPUTS];
static @OUT@ y[@UPPER@_OUTPUTS];

#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
static void begin(void)
{
    SYST_RVR = 0x00FFFFFFU;
    SYST_CVR = 0U;
    SYST_CSR = 5U;
}

static uint32_t now(void)
{
    return 0x00FFFFFFU - SYST_CVR;
}
#else
static void begin(void)
{
    DEMCR |= 1U << 24;
    DWT_LAR = 0xC5ACCE55U;
    DWT_CYCCNT = 0U;
    DWT_CTRL |= 1U;
}

static uint32_t now(void)
{
    return DWT_CYCCNT;
}
#endif

void measure_@NAME@(void)
{
    uint32_t total = 0U;
    @NAME@_init(&state);
    begin();
    for (uint32_t t = 0U; t < STEPS; t++) {
        const uint32_t before = now();
        @NAME@_step(&state, x, y);
        total += (now() - before) & 0x00FFFFFFU;
    }
    @NAME@_cycles_per_step = total / STEPS;
}
