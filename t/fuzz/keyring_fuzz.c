
/* Input: a file of signing keys. */

#include "fuzz.h"
#include "reg_keyring.h"

#include <openssl/err.h>


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *copy;
    size_t          i, n;
    reg_buf_t       b;
    reg_why_t       why;
    reg_jws_e       alg;
    reg_keyring_t  *k, *again;

    copy = fuzz_copy(data, size);

    why.text[0] = '\0';
    k = reg_keyring_parse(fuzz_str(copy, size), &why);

    must((k == NULL) == (why.text[0] != '\0'));
    must(ERR_peek_error() == 0);

    if (k != NULL) {
        n = reg_keyring_count(k);

        must(n > 0 && n <= REG_KEYRING_MAX);
        must(reg_keyring_at(k, n) == NULL);

        /* a key that is there twice verifies once */

        must(reg_keys_count(reg_keyring_keys(k)) > 0
             && reg_keys_count(reg_keyring_keys(k)) <= n);

        reg_buf_init(&b, REG_KEYRING_FILE_MAX);

        for (i = 0; i < n; i++) {
            alg = reg_signer_alg(reg_keyring_at(k, i));
            must(alg == REG_JWS_ES256 || alg == REG_JWS_EDDSA);
            must(reg_signer_print(&b, reg_keyring_at(k, i)) == 0);
        }

        /* what is written is read, in the same order */

        again = reg_keyring_parse(reg_buf_slice(&b), &why);
        must(again != NULL && reg_keyring_count(again) == n);

        for (i = 0; i < n; i++) {
            must(reg_str_eq(reg_signer_kid(reg_keyring_at(k, i)),
                            reg_signer_kid(reg_keyring_at(again, i))));
        }

        reg_keyring_free(again);
        reg_buf_free(&b);
    }

    reg_keyring_free(k);
    free(copy);

    return 0;
}
