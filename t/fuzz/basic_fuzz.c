
/* Input: the value of an Authorization header. */

#include "fuzz.h"
#include "reg_credentials.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *copy, *room;
    reg_buf_t      b, again;
    reg_str_t      credentials;
    const char    *why;
    reg_basic_t    basic;
    reg_scheme_e   scheme;

    copy = fuzz_copy(data, size);
    room = malloc(REG_BASIC_ROOM);
    must(room != NULL);

    scheme = reg_credentials_split(fuzz_str(copy, size), &credentials);

    must(credentials.len <= size);
    must(scheme != REG_SCHEME_NONE || credentials.len == 0);
    must(credentials.len == 0
         || (credentials.data >= copy
             && credentials.data + credentials.len <= copy + size
             && credentials.data[0] != ' '));

    if (scheme != REG_SCHEME_BASIC) {
        credentials = fuzz_str(copy, size);
    }

    why = NULL;

    if (reg_basic_parse(credentials, room, &basic, &why) == 0) {
        must(reg_user_valid(basic.user));
        must(memchr(basic.user.data, ':', basic.user.len) == NULL);
        must(basic.password.len != 0
             && basic.password.len <= REG_BASIC_PASSWORD_MAX);
        must(memchr(basic.password.data, '\0', basic.password.len) == NULL);

        /* there is but one way to write them */

        reg_buf_init(&b, 8192);
        reg_buf_init(&again, 8192);
        reg_buf_str(&b, basic.user);
        reg_buf_str(&b, reg_str(":"));
        reg_buf_str(&b, basic.password);
        reg_base64_encode(&again, REG_BASE64, b.data, b.len);

        must(reg_str_eq(reg_buf_slice(&again), credentials));

        reg_buf_free(&b);
        reg_buf_free(&again);

    } else {
        must(why != NULL);
    }

    free(room);
    free(copy);

    return 0;
}
