/* Files of the debugger's or emulator's computer (Arm, "Semihosting for AArch32 and AArch64"). */
#include "files.h"

#include <string.h>

enum { OPEN = 0x01, CLOSE = 0x02, WRITE0 = 0x04, WRITE = 0x05, READ = 0x06, EXIT_EXTENDED = 0x20 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

static int32_t call(int32_t operation, const void *arguments)
{
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int file_open(const char *name, const char *mode)
{
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)name, mode[0] == 'r' ? READ_BINARY : WRITE_BINARY,
                                  (uint32_t)strlen(name)};
    return (int)call(OPEN, arguments);
}

int32_t file_read(int handle, void *to, int32_t bytes)
{
    const uint32_t arguments[] = {(uint32_t)handle, (uint32_t)(uintptr_t)to, (uint32_t)bytes};
    return bytes - call(READ, arguments); /* it gives what it did not read */
}

int file_write(int handle, const void *from, int32_t bytes)
{
    const uint32_t arguments[] = {(uint32_t)handle, (uint32_t)(uintptr_t)from, (uint32_t)bytes};
    return call(WRITE, arguments) == 0;
}

void file_close(int handle)
{
    const uint32_t arguments[] = {(uint32_t)handle};
    (void)call(CLOSE, arguments);
}

void print(const char *text) { (void)call(WRITE0, text); }

void leave(int32_t code);
void leave(int32_t code)
{
    const uint32_t arguments[] = {0x20026, (uint32_t)code}; /* the application ended */
    (void)call(EXIT_EXTENDED, arguments);
    for (;;) {
    }
}
