
#include "reg_secret.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>


#define REG_SECRET_HEAD  (REG_SECRET_LEN - REG_SECRET_CHECK)


static int reg_secret_digest(const char *data, size_t len,
    unsigned char *hash);
static int reg_secret_check(const char *secret, char *check);


static const char  reg_secret_digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";


int
reg_secret_make(char *out)
{
    int            rc;
    char          *p;
    size_t         i, n;
    unsigned char  bytes[64];

    n = sizeof(REG_SECRET_PREFIX) - 1;

    memcpy(out, REG_SECRET_PREFIX, n);

    p = out + n;
    n = 0;

    while (n < REG_SECRET_RANDOM) {

        if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1) {
            return -1;
        }

        /* 248 is 4 times 62: the bytes above would favour some digits */

        for (i = 0; i < sizeof(bytes) && n < REG_SECRET_RANDOM; i++) {
            if (bytes[i] < 248) {
                p[n++] = reg_secret_digits[bytes[i] % 62];
            }
        }
    }

    OPENSSL_cleanse(bytes, sizeof(bytes));

    rc = reg_secret_check(out, p + n);

    out[REG_SECRET_LEN] = '\0';

    return rc;
}


static int
reg_secret_digest(const char *data, size_t len, unsigned char *hash)
{
    size_t  size;

    return (EVP_Q_digest(NULL, "SHA256", NULL, data, len, hash, &size) == 1)
           ? 0 : -1;
}


/* The check of what stands before it. */

static int
reg_secret_check(const char *secret, char *check)
{
    size_t         i;
    uint32_t       value;
    unsigned char  hash[REG_SECRET_HASH];

    if (reg_secret_digest(secret, REG_SECRET_HEAD, hash) != 0) {
        return -1;
    }

    value = (uint32_t) hash[0] << 24 | (uint32_t) hash[1] << 16
            | (uint32_t) hash[2] << 8 | hash[3];

    for (i = REG_SECRET_CHECK; i > 0; i--) {
        check[i - 1] = reg_secret_digits[value % 62];
        value /= 62;
    }

    return 0;
}


int
reg_secret_hash(reg_str_t s, unsigned char *hash)
{
    char    check[REG_SECRET_CHECK];
    size_t  i;

    if (s.len != REG_SECRET_LEN
        || !reg_str_starts(s, reg_str(REG_SECRET_PREFIX)))
    {
        return 0;
    }

    for (i = sizeof(REG_SECRET_PREFIX) - 1; i < s.len; i++) {
        if (s.data[i] == '\0' || strchr(reg_secret_digits, s.data[i]) == NULL)
        {
            return 0;
        }
    }

    if (reg_secret_check(s.data, check) != 0) {
        return -1;
    }

    if (memcmp(check, s.data + REG_SECRET_HEAD, sizeof(check)) != 0) {
        return 0;
    }

    return (reg_secret_digest(s.data, s.len, hash) == 0) ? 1 : -1;
}
