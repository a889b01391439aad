
/* Input: a digest. */

#include "fuzz.h"
#include "reg_digest.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *copy;
    reg_rc_t       rc;
    reg_str_t      s, hex;
    reg_error_t    e;
    reg_digest_t   d, made;

    copy = fuzz_copy(data, size);
    s = fuzz_str(copy, size);

    reg_error_clear(&e);
    rc = reg_digest_parse(&d, s, &e);

    must(rc == e.rc);
    must(rc == reg_digest_parse(&made, s, NULL));

    if (rc == REG_OK) {
        must(reg_str_eq(reg_digest_str(&d), s));
        must(d.text[d.len] == '\0' && strlen(d.text) == d.len);
        must(d.len <= REG_DIGEST_MAX);

        hex = reg_str_of(reg_digest_hex(&d));
        must(hex.len == (d.alg == REG_SHA256 ? 64 : 128));
        must(strspn(hex.data, "0123456789abcdef") == hex.len);

        must(reg_digest_make(&made, d.alg, hex) == REG_OK);
        must(reg_digest_eq(&made, &d));

    } else {
        must(rc == REG_DIGEST_INVALID && e.detail[0] != '\0');
    }

    free(copy);

    return 0;
}
