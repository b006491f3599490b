/* What a board of QEMU starts with: the unit for floating point and vectors on, then it waits to be called by the debugger. */
#include <stdint.h>

void edgelstm_board_reset(void);
__attribute__((noinline)) void edgelstm_board_stop(void);
__attribute__((noinline)) void edgelstm_board_fault(void);
extern const uint32_t edgelstm_board_stack[];

/* Where functions return to. */
void edgelstm_board_stop(void)
{
    for (;;) {
        __asm__ volatile("nop");
    }
}

void edgelstm_board_fault(void)
{
    for (;;) {
        __asm__ volatile("nop");
    }
}

void edgelstm_board_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88U |= 0xFU << 20;
    __asm__ volatile("dsb\n isb");
#endif
    edgelstm_board_stop();
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    edgelstm_board_stack, (const void *)edgelstm_board_reset, (const void *)edgelstm_board_fault,
    (const void *)edgelstm_board_fault, (const void *)edgelstm_board_fault, (const void *)edgelstm_board_fault,
    (const void *)edgelstm_board_fault, (const void *)edgelstm_board_fault};
