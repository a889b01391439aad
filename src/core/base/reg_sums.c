
#include "reg_sums.h"
#include "reg_hmac.h"

#include <stdlib.h>
#include <string.h>


#define REG_SUMS_FIRST  64


static void reg_sums_key(const reg_digest_t *d, uint64_t *key);
static size_t reg_sums_place(const reg_sums_t *t, const uint64_t *key);
static int reg_sums_grow(reg_sums_t *t);


/* Of a hash of the text, which nobody can make to be like another's. */

static void
reg_sums_key(const reg_digest_t *d, uint64_t *key)
{
    reg_str_t      text;
    unsigned char  md[REG_SHA256_LEN];

    text = reg_digest_str(d);

    reg_sha256(&text, 1, md);
    memcpy(key, md, 2 * sizeof(uint64_t));
}


/* Where it is, or where it would be. */

static size_t
reg_sums_place(const reg_sums_t *t, const uint64_t *key)
{
    size_t  i;

    i = (size_t) key[0] & (t->size - 1);

    while (t->slots[i].used
           && (t->slots[i].key[0] != key[0] || t->slots[i].key[1] != key[1]))
    {
        i = (i + 1) & (t->size - 1);
    }

    return i;
}


static int
reg_sums_grow(reg_sums_t *t)
{
    size_t      i;
    reg_sums_t  larger;

    larger.n = t->n;
    larger.size = (t->size == 0) ? REG_SUMS_FIRST : t->size * 2;
    larger.slots = calloc(larger.size, sizeof(reg_sum_t));

    if (larger.slots == NULL) {
        return -1;
    }

    for (i = 0; i < t->size; i++) {
        if (t->slots[i].used) {
            larger.slots[reg_sums_place(&larger, t->slots[i].key)]
                = t->slots[i];
        }
    }

    free(t->slots);
    *t = larger;

    return 0;
}


reg_sum_t *
reg_sums_add(reg_sums_t *t, const reg_digest_t *d, int *fresh)
{
    uint64_t    key[2];
    reg_sum_t  *sum;

    /* at most three quarters are full */

    if (t->n >= t->size / 4 * 3 && reg_sums_grow(t) != 0) {
        return NULL;
    }

    reg_sums_key(d, key);
    sum = &t->slots[reg_sums_place(t, key)];

    if (fresh != NULL) {
        *fresh = !sum->used;
    }

    if (!sum->used) {
        memset(sum, 0, sizeof(reg_sum_t));

        sum->key[0] = key[0];
        sum->key[1] = key[1];
        sum->used = 1;
        t->n++;
    }

    return sum;
}


reg_sum_t *
reg_sums_find(const reg_sums_t *t, const reg_digest_t *d)
{
    uint64_t    key[2];
    reg_sum_t  *sum;

    if (t->n == 0) {
        return NULL;
    }

    reg_sums_key(d, key);
    sum = &t->slots[reg_sums_place(t, key)];

    return sum->used ? sum : NULL;
}


void
reg_sums_clear(reg_sums_t *t)
{
    if (t->n != 0) {
        memset(t->slots, 0, t->size * sizeof(reg_sum_t));
        t->n = 0;
    }
}


void
reg_sums_free(reg_sums_t *t)
{
    free(t->slots);
    memset(t, 0, sizeof(reg_sums_t));
}
