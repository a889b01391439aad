
#include "reg_seen.h"

#include <string.h>

#include <openssl/evp.h>


static size_t reg_seen_slot(const unsigned char *digest);


int
reg_seen_digest(reg_str_t raw, unsigned char *digest)
{
    size_t  len;

    return (EVP_Q_digest(NULL, "SHA256", NULL, raw.data, raw.len, digest,
                         &len)
            == 1)
           ? 0 : -1;
}


static size_t
reg_seen_slot(const unsigned char *digest)
{
    return ((size_t) digest[0] << 8 | digest[1]) % REG_SEEN_SLOTS;
}


int
reg_seen_has(const reg_seen_t *s, const unsigned char *digest)
{
    return memcmp(s->slots[reg_seen_slot(digest)], digest, REG_SEEN_DIGEST)
           == 0;
}


void
reg_seen_add(reg_seen_t *s, const unsigned char *digest)
{
    memcpy(s->slots[reg_seen_slot(digest)], digest, REG_SEEN_DIGEST);
}
