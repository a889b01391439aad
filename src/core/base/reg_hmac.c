
/* Why the low-level calls: see reg_digest.c. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "reg_hmac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <string.h>


static void reg_hmac_begin(SHA256_CTX *ctx, const unsigned char *key,
    unsigned char pad);


void
reg_sha256(const reg_str_t *pieces, size_t n, unsigned char *out)
{
    size_t      i;
    SHA256_CTX  ctx;

    SHA256_Init(&ctx);

    for (i = 0; i < n; i++) {
        if (pieces[i].len) {
            SHA256_Update(&ctx, pieces[i].data, pieces[i].len);
        }
    }

    SHA256_Final(out, &ctx);
    OPENSSL_cleanse(&ctx, sizeof(ctx));
}


void
reg_hmac_sha256(const unsigned char *key, const reg_str_t *pieces, size_t n,
    unsigned char *out)
{
    reg_str_t  s;

    s.data = (const char *) key;
    s.len = REG_SHA256_LEN;

    reg_hmac_sha256_key(s, pieces, n, out);
}


void
reg_hmac_sha256_key(reg_str_t key, const reg_str_t *pieces, size_t n,
    unsigned char *out)
{
    size_t         i;
    SHA256_CTX     ctx;
    unsigned char  block[SHA256_CBLOCK];

    /* longer keys are hashed, shorter ones get zeros behind them */

    memset(block, 0, sizeof(block));

    if (key.len > sizeof(block)) {
        reg_sha256(&key, 1, block);

    } else if (key.len != 0) {
        memcpy(block, key.data, key.len);
    }

    reg_hmac_begin(&ctx, block, 0x36);

    for (i = 0; i < n; i++) {
        if (pieces[i].len) {
            SHA256_Update(&ctx, pieces[i].data, pieces[i].len);
        }
    }

    SHA256_Final(out, &ctx);

    reg_hmac_begin(&ctx, block, 0x5c);

    SHA256_Update(&ctx, out, REG_SHA256_LEN);
    SHA256_Final(out, &ctx);

    OPENSSL_cleanse(&ctx, sizeof(ctx));
    OPENSSL_cleanse(block, sizeof(block));
}


/* The key fills a block. */

static void
reg_hmac_begin(SHA256_CTX *ctx, const unsigned char *key, unsigned char pad)
{
    size_t         i;
    unsigned char  block[SHA256_CBLOCK];

    for (i = 0; i < sizeof(block); i++) {
        block[i] = (unsigned char) (pad ^ key[i]);
    }

    SHA256_Init(ctx);
    SHA256_Update(ctx, block, sizeof(block));

    OPENSSL_cleanse(block, sizeof(block));
}
