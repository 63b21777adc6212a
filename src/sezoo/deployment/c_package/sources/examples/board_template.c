/* Your board, for board_test.c: fill in the two functions of the serial line (8 data bits, no parity, 115200 baud or
   what `sezoo board-test --baud` says), call main() of board_test.c once clocks and the line are set up, and set
   CORE_HZ. */
#include "board.h"

#define CORE_HZ 0 /* the core's clock, in Hz; with 0 times are given in cycles */

int32_t board_read(uint8_t *to, int32_t most)
{
    (void)to, (void)most;
    return 0; /* for example: if (!(USART1->ISR & USART_ISR_RXNE)) return 0; *to = (uint8_t)USART1->RDR; return 1; */
}

void board_write(const uint8_t *from, int32_t bytes)
{
    (void)from, (void)bytes; /* for example: HAL_UART_Transmit(&huart1, (uint8_t *)from, bytes, HAL_MAX_DELAY); */
}

/* Cycles of the core: DWT counts them where there is one (M3 and up), else SysTick, if nothing else uses it. A call of
   more than 2^24 cycles is too long for SysTick. */
#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define DEMCR REGISTER(0xE000EDFC)
#define DWT_CTRL REGISTER(0xE0001000)
#define DWT_CYCCNT REGISTER(0xE0001004)
#define DWT_LAR REGISTER(0xE0001FB0)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)

uint32_t board_ticks(void)
{
    static int counts; /* 1: DWT, 2: SysTick */
    if (counts == 0) {
        DEMCR |= 1U << 24;
        DWT_LAR = 0xC5ACCE55U; /* the M7's is locked */
        DWT_CTRL |= 1U;
        const uint32_t before = DWT_CYCCNT;
        for (volatile int i = 0; i < 10; ++i) {
        }
        counts = DWT_CYCCNT != before ? 1 : 2;
        if (counts == 2 && !(SYST_CSR & 1U)) {
            SYST_RVR = 0xFFFFFF;
            SYST_CVR = 0;
            SYST_CSR = 5;
        }
    }
    if (counts == 1) {
        return DWT_CYCCNT;
    }
    static uint32_t before, ticks;
    const uint32_t now = 0xFFFFFF - SYST_CVR;
    ticks += (now - before) & 0xFFFFFF;
    before = now;
    return ticks;
}

uint32_t board_ticks_per_second(void) { return CORE_HZ; }

const char *board_ticks_are(void) { return "cycles"; }
