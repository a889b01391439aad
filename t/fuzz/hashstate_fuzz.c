
/*
 * Input: a byte that chooses the algorithm, then a saved hash.  The same bytes
 * serve as a message that is hashed with and without a break.
 */

#include "fuzz.h"
#include "reg_digest.h"


static void saved(reg_alg_e alg, const void *data, size_t size);
static void hashed(reg_alg_e alg, const char *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char       *copy;
    reg_alg_e   alg;

    if (size == 0) {
        return 0;
    }

    alg = (reg_alg_e) (data[0] % REG_ALG_N);
    copy = fuzz_copy(data + 1, size - 1);

    saved(alg, copy, size - 1);
    hashed(alg, copy, size - 1);

    free(copy);

    return 0;
}


static void
saved(reg_alg_e alg, const void *data, size_t size)
{
    size_t         len;
    reg_hash_t     h, again;
    unsigned char  one[REG_HASH_STATE_MAX], two[REG_HASH_STATE_MAX];
    reg_digest_t   d, e;

    if (reg_hash_restore(&h, alg, data, size) != 0) {
        return;
    }

    len = reg_hash_save(&h, one);
    must(len == size);

    must(reg_hash_restore(&again, alg, one, len) == 0);
    must(reg_hash_save(&again, two) == len);
    must(memcmp(one, two, len) == 0);
    must(again.length == h.length);

    reg_hash_update(&h, data, size);
    reg_hash_update(&again, data, size);
    reg_hash_final(&h, &d);
    reg_hash_final(&again, &e);
    must(reg_digest_eq(&d, &e));
}


static void
hashed(reg_alg_e alg, const char *data, size_t size)
{
    size_t         len, at;
    reg_hash_t     h, rest;
    unsigned char  state[REG_HASH_STATE_MAX];
    reg_digest_t   whole, d;

    at = (size == 0) ? 0 : (unsigned char) data[size - 1] % (size + 1);

    reg_digest_of(&whole, alg, data, size);

    reg_hash_init(&h, alg);
    reg_hash_update(&h, data, at);
    len = reg_hash_save(&h, state);

    must(len <= REG_HASH_STATE_MAX);
    must(reg_hash_restore(&rest, alg, state, len) == 0);
    must(reg_hash_restore(&h, (alg == REG_SHA256) ? REG_SHA512 : REG_SHA256,
                          state, len) == -1);

    reg_hash_update(&rest, data + at, size - at);
    reg_hash_final(&rest, &d);
    must(reg_digest_eq(&d, &whole));
}
