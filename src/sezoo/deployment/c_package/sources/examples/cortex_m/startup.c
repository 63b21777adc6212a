/* From reset to main(), on the boards that QEMU has; and counting, with its -icount shift=0: an instruction is a
   nanosecond there, and SysTick counts cycles of the board's clock. */
#include <stdint.h>
#include <string.h>

#include "files.h"

#ifndef INSTRUCTIONS_PER_100_TICKS
#define INSTRUCTIONS_PER_100_TICKS 4000 /* a clock of 25 MHz */
#endif

extern uint32_t bss_begin[], bss_end[], stack_limit[], stack_top[];
int main(int argc, char **argv);
void leave(int32_t code);
void reset(void);
void fault(void);

__attribute__((section(".vectors"), used)) void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)stack_top, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define CPACR REGISTER(0xE000ED88)      /* access to the floating-point unit and Helium */
#define SYST_CSR REGISTER(0xE000E010)   /* control */
#define SYST_RVR REGISTER(0xE000E014)   /* reload value */
#define SYST_CVR REGISTER(0xE000E018)   /* current value, counting down */
#define UNTOUCHED 0xA5A5A5A5U

void reset(void)
{
    CPACR |= 0xFU << 20;
    __asm volatile("dsb\nisb");
    for (uint32_t *word = bss_begin; word < bss_end; ++word) {
        *word = 0;
    }
    uint32_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    for (uint32_t *word = stack_limit; word < here - 32; ++word) {
        *word = UNTOUCHED;
    }
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5; /* the processor's clock, no interrupts */
    leave(main(0, 0));
}

void fault(void)
{
    print("the processor has faulted\n");
    leave(3);
}

uint32_t instructions(void)
{
    static uint32_t before = 0, ticks = 0;
    const uint32_t now = 0xFFFFFF - SYST_CVR;
    ticks += (now - before) & 0xFFFFFF;
    before = now;
    return (uint32_t)((uint64_t)ticks * INSTRUCTIONS_PER_100_TICKS / 100);
}

uint32_t stack_used(void)
{
    const uint32_t *word = stack_limit;
    while (word < stack_top && *word == UNTOUCHED) {
        ++word;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)word);
}
