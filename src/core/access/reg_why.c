
#include "reg_why.h"

#include <stdarg.h>
#include <stdio.h>


int
reg_why_set(reg_why_t *why, const char *fmt, ...)
{
    char     *p;
    va_list   args;

    if (why == NULL) {
        return -1;
    }

    va_start(args, fmt);

    if (vsnprintf(why->text, sizeof(why->text), fmt, args) < 0) {
        why->text[0] = '\0';
    }

    va_end(args);

    for (p = why->text; *p != '\0'; p++) {
        if (*p < 0x20 || *p > 0x7e) {
            *p = '?';
        }
    }

    return -1;
}
