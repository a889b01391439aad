
/* Input: a JSON Web Key Set, or, when it begins with "-", a bundle in PEM. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "fuzz.h"
#include "reg_keys.h"

#include <openssl/err.h>


static void skip(void *data, size_t n, const char *reason);


static void
skip(void *data, size_t n, const char *reason)
{
    must(n > *(size_t *) data);
    must(reason != NULL && reason[0] != '\0');

    *(size_t *) data = n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    char        *copy;
    size_t       last, i, n;
    unsigned     alg;
    reg_buf_t    b;
    reg_why_t    why;
    reg_key_e    kind;
    EVP_PKEY    *key;
    const char  *reason;
    reg_keys_t  *k, *again;

    copy = fuzz_copy(data, size);
    k = reg_keys_create();
    must(k != NULL);

    last = 0;

    rc = (size != 0 && copy[0] == '-')
         ? reg_keys_add_pem(k, fuzz_str(copy, size), skip, &last, &why)
         : reg_keys_add_jwks(k, fuzz_str(copy, size), skip, &last, &why);

    must(rc == 0 || (rc == -1 && why.text[0] != '\0'));
    must(ERR_peek_error() == 0);

    if (rc == 0) {
        must(reg_keys_count(k) > 0);

        for (alg = 0; alg < REG_JWS_N; alg++) {
            i = 0;

            while ((key = reg_keys_next(k, NULL, (reg_jws_e) alg, &i))
                   != NULL)
            {
                must(reg_key_kind(key, &kind, &reason) == 0);
                must(kind == reg_jws_kind((reg_jws_e) alg));
            }
        }

        reg_buf_init(&b, 1024 * 1024);

        if (reg_keys_print(&b, k) == 0) {
            again = reg_keys_create();
            must(again != NULL);

            n = reg_keys_count(k);

            /*
             * OpenSSL looks for factors of an RSA modulus by chance, so it
             * may find those of a bad one only the second time.
             */

            if (reg_keys_add_jwks(again, reg_buf_slice(&b), NULL, NULL, &why)
                == 0)
            {
                must(reg_keys_count(again) <= n);

            } else {
                must(why.text[0] != '\0');
                must(memmem(b.data, b.len, "\"RSA\"", 5) != NULL);
            }

            reg_keys_free(again);
        }

        reg_buf_free(&b);
    }

    reg_keys_free(k);
    free(copy);

    return 0;
}
