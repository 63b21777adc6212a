#include "string.h"

void *memcpy(void *to, const void *from, size_t count)
{
    char *a = to;
    const char *b = from;
    while (count-- > 0) {
        *a++ = *b++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    char *a = to;
    const char *b = from;
    if (a <= b) {
        return memcpy(to, from, count);
    }
    while (count-- > 0) {
        a[count] = b[count];
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    char *a = to;
    while (count-- > 0) {
        *a++ = (char)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = a, *y = b;
    for (; count > 0 && *x == *y; --count) {
        ++x;
        ++y;
    }
    return count > 0 ? *x - *y : 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != 0) {
        ++length;
    }
    return length;
}

int strcmp(const char *a, const char *b)
{
    for (; *a != 0 && *a == *b; ++a) {
        ++b;
    }
    return (unsigned char)*a - (unsigned char)*b;
}
