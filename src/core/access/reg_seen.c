
#include "reg_seen.h"

#include <string.h>


static size_t reg_seen_slot(const unsigned char *digest);


static size_t
reg_seen_slot(const unsigned char *digest)
{
    return ((size_t) digest[0] << 8 | digest[1]) % REG_SEEN_SLOTS;
}


int
reg_seen_has(const reg_seen_t *s, const unsigned char *digest)
{
    return memcmp(s->slots[reg_seen_slot(digest)], digest, REG_SHA256_LEN)
           == 0;
}


void
reg_seen_add(reg_seen_t *s, const unsigned char *digest)
{
    memcpy(s->slots[reg_seen_slot(digest)], digest, REG_SHA256_LEN);
}
