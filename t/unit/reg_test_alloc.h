
/*
 * Allocations that fail on demand, one after the other:
 *
 *     for (n = 1; ; n++) {
 *         reg_test_alloc_fail(n, 0);
 *         ... do the thing ...
 *         if (!reg_test_alloc_restore()) {
 *             break;                       the thing needs fewer than n
 *         }
 *         ... it must have failed, cleanly ...
 *     }
 *
 * A test includes this file, and behind it the very .c files of the core whose
 * allocations shall fail; the core is linked from an archive, whose copies of
 * them are then left out.  The allocations of jansson are reached by its own
 * hook.  Leaks are found by the sanitizers, and by the count of what jansson
 * still holds.
 */


#ifndef REG_TEST_ALLOC_H_INCLUDED
#define REG_TEST_ALLOC_H_INCLUDED


#include "reg_test.h"

#include <jansson.h>
#include <stdlib.h>


static unsigned long  reg_test_alloc_seen;
static unsigned long  reg_test_alloc_at;       /* 0: none fails */
static int            reg_test_alloc_all;      /* and all behind it */
static int            reg_test_alloc_hit;
static long           reg_test_alloc_jansson;  /* blocks held by jansson */


static int
reg_test_alloc_refuse(void)
{
    if (reg_test_alloc_at == 0) {
        return 0;
    }

    reg_test_alloc_seen++;

    if (reg_test_alloc_seen == reg_test_alloc_at
        || (reg_test_alloc_all && reg_test_alloc_seen > reg_test_alloc_at))
    {
        reg_test_alloc_hit = 1;
        return 1;
    }

    return 0;
}


REG_TEST_UNUSED static void *
reg_test_malloc(size_t size)
{
    return reg_test_alloc_refuse() ? NULL : malloc(size);
}


REG_TEST_UNUSED static void *
reg_test_calloc(size_t n, size_t size)
{
    return reg_test_alloc_refuse() ? NULL : calloc(n, size);
}


REG_TEST_UNUSED static void *
reg_test_realloc(void *p, size_t size)
{
    return reg_test_alloc_refuse() ? NULL : realloc(p, size);
}


static void *
reg_test_alloc_json(size_t size)
{
    void  *p;

    p = reg_test_malloc(size);

    if (p != NULL) {
        reg_test_alloc_jansson++;
    }

    return p;
}


static void
reg_test_alloc_json_free(void *p)
{
    if (p != NULL) {
        reg_test_alloc_jansson--;
    }

    free(p);
}


/* Call it before jansson is used for the first time. */

REG_TEST_UNUSED static void
reg_test_alloc_init(void)
{
    json_set_alloc_funcs(reg_test_alloc_json, reg_test_alloc_json_free);
}


/* Lets the nth allocation from now on fail; with all also those behind it. */

REG_TEST_UNUSED static void
reg_test_alloc_fail(unsigned long n, int all)
{
    reg_test_alloc_seen = 0;
    reg_test_alloc_hit = 0;
    reg_test_alloc_all = all;
    reg_test_alloc_at = n;
}


/* Ends that; 1 when an allocation did fail. */

REG_TEST_UNUSED static int
reg_test_alloc_restore(void)
{
    reg_test_alloc_at = 0;

    return reg_test_alloc_hit;
}


#define malloc   reg_test_malloc
#define calloc   reg_test_calloc
#define realloc  reg_test_realloc


#endif /* REG_TEST_ALLOC_H_INCLUDED */
