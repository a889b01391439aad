
#include "reg_hmac.h"
#include "reg_test.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>


/* Against the library's own, for lengths around the block's. */

int
main(void)
{
    size_t         i, n;
    char           data[300];
    reg_str_t      pieces[3];
    unsigned int   len;
    unsigned char  key[REG_SHA256_LEN], out[REG_SHA256_LEN], want[64];

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (char) (i * 7 + 1);
    }

    for (i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char) (i * 11 + 200);
    }

    for (n = 0; n < sizeof(data); n++) {
        pieces[0].data = data;
        pieces[0].len = n / 3;
        pieces[1].data = data + n / 3;
        pieces[1].len = n - n / 3;
        pieces[2] = reg_null_str;

        reg_sha256(pieces, 3, out);
        ok(EVP_Digest(data, n, want, &len, EVP_sha256(), NULL) == 1
           && memcmp(out, want, REG_SHA256_LEN) == 0, "SHA-256 of pieces");

        reg_hmac_sha256(key, pieces, 3, out);
        ok(HMAC(EVP_sha256(), key, sizeof(key), (unsigned char *) data, n,
                want, &len)
           != NULL
           && memcmp(out, want, REG_SHA256_LEN) == 0, "HMAC of pieces");
    }

    /* keys of any length, those around a block's and none */

    pieces[0] = reg_str("what is signed");

    for (n = 0; n < sizeof(data); n++) {
        pieces[1].data = data;
        pieces[1].len = n;

        reg_hmac_sha256_key(pieces[1], pieces, 1, out);
        ok(HMAC(EVP_sha256(), data, (int) n,
                (const unsigned char *) pieces[0].data, pieces[0].len, want,
                &len)
           != NULL
           && memcmp(out, want, REG_SHA256_LEN) == 0,
           "HMAC with a key of %zu bytes", n);
    }

    reg_hmac_sha256_key(reg_null_str, pieces, 1, want);
    pieces[1] = reg_str("");
    reg_hmac_sha256_key(pieces[1], pieces, 1, out);
    ok(memcmp(out, want, REG_SHA256_LEN) == 0, "no key is an empty one");

    /* RFC 4231, 4.2 has a key of 20 bytes; zeros make it one of 32 */

    memset(key, 0, sizeof(key));
    memset(key, 0x0b, 20);

    pieces[0] = reg_str("Hi There");
    reg_hmac_sha256(key, pieces, 1, out);

    ok(memcmp(out, "\xb0\x34\x4c\x61\xd8\xdb\x38\x53\x5c\xa8\xaf\xce\xaf\x0b"
              "\xf1\x2b\x88\x1d\xc2\x00\xc9\x83\x3d\xa7\x26\xe9\x37\x6c\x2e"
              "\x32\xcf\xf7", REG_SHA256_LEN)
       == 0, "the first case of RFC 4231");

    return done_testing();
}
