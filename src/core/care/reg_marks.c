
#include "reg_marks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>


#define REG_MARKS_MIN    1024

/* a set that is used again keeps so many slots */
#define REG_MARKS_KEEP   (64 * 1024)


static uint64_t reg_marks_key(const reg_marks_t *m, const reg_digest_t *d);
static void reg_marks_place(reg_marks_t *m, uint64_t key);
static int reg_marks_grow(reg_marks_t *m);


int
reg_marks_seed(reg_marks_t *m)
{
    return (getrandom(&m->seed, sizeof(m->seed), 0) == sizeof(m->seed)) ? 0
                                                                        : -1;
}


/* Who pushes chooses digests, so a digit of them is no address. */

static uint64_t
reg_marks_key(const reg_marks_t *m, const reg_digest_t *d)
{
    size_t    i;
    uint64_t  x, y;

    x = m->seed + (uint64_t) d->alg;
    y = 0;

    for (i = 0; i < 64; i += 8) {
        memcpy(&y, reg_digest_hex(d) + i, sizeof(y));

        x ^= y;
        x *= UINT64_C(0x9e3779b97f4a7c15);
        x ^= x >> 29;
    }

    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 32;

    return (x == 0) ? 1 : x;
}


int
reg_marks_add(reg_marks_t *m, const reg_digest_t *d)
{
    if (m->n + m->n / 2 >= m->size && reg_marks_grow(m) == -1) {
        return -1;
    }

    reg_marks_place(m, reg_marks_key(m, d));

    return 0;
}


static void
reg_marks_place(reg_marks_t *m, uint64_t key)
{
    size_t  i;

    for (i = key & (m->size - 1); m->slots[i] != 0; i = (i + 1) & (m->size - 1))
    {
        if (m->slots[i] == key) {
            return;
        }
    }

    m->slots[i] = key;
    m->n++;
}


static int
reg_marks_grow(reg_marks_t *m)
{
    size_t     i, size;
    uint64_t  *old;

    size = m->size;
    old = m->slots;

    m->size = (size == 0) ? REG_MARKS_MIN : 2 * size;
    m->slots = calloc(m->size, sizeof(uint64_t));

    if (m->slots == NULL) {
        m->slots = old;
        m->size = size;
        return -1;
    }

    m->n = 0;

    for (i = 0; i < size; i++) {
        if (old[i] != 0) {
            reg_marks_place(m, old[i]);
        }
    }

    free(old);

    return 0;
}


int
reg_marks_has(const reg_marks_t *m, const reg_digest_t *d)
{
    size_t    i;
    uint64_t  key;

    if (m->size == 0) {
        return 0;
    }

    key = reg_marks_key(m, d);

    for (i = key & (m->size - 1); m->slots[i] != 0; i = (i + 1) & (m->size - 1))
    {
        if (m->slots[i] == key) {
            return 1;
        }
    }

    return 0;
}


void
reg_marks_clear(reg_marks_t *m)
{
    if (m->size > REG_MARKS_KEEP) {
        free(m->slots);
        m->slots = NULL;
        m->size = 0;

    } else if (m->n > 0) {
        memset(m->slots, 0, m->size * sizeof(uint64_t));
    }

    m->n = 0;
}
