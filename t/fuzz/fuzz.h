
/* What the fuzz entries share: a claim that stops them, and exact copies. */


#ifndef FUZZ_H_INCLUDED
#define FUZZ_H_INCLUDED


#include "reg_str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define must(claim)                                                           \
    do {                                                                      \
        if (!(claim)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim);       \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* A block of its very size, so that a sanitizer sees the first byte too many;
   free() it. */

static inline char *
fuzz_copy(const void *data, size_t size)
{
    char  *p;

    p = malloc(size ? size : 1);
    must(p != NULL);

    if (size != 0) {
        memcpy(p, data, size);
    }

    return p;
}


static inline reg_str_t
fuzz_str(const void *data, size_t size)
{
    reg_str_t  s;

    s.data = data;
    s.len = size;

    return s;
}


#endif /* FUZZ_H_INCLUDED */
