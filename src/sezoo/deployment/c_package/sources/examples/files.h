/* Files and time, as the example programs need them: by the C library on a computer, by semihosting on a Cortex-M. */
#ifndef FILES_H
#define FILES_H

#include <stdint.h>

/* A handle, or -1. Modes are "rb" and "wb". */
int file_open(const char *name, const char *mode);
/* Bytes that were read. */
int32_t file_read(int handle, void *to, int32_t bytes);
/* 1 if all was written. */
int file_write(int handle, const void *from, int32_t bytes);
void file_close(int handle);
void print(const char *text);

/* Instructions so far, modulo 2^32, where an emulator counts them; 0 on a computer. */
uint32_t instructions(void);
/* The deepest that the stack has been, in bytes; 0 on a computer. */
uint32_t stack_used(void);

#endif
