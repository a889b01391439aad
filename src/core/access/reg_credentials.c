
#include "reg_credentials.h"
#include "reg_hmac.h"

#include <string.h>

#include <openssl/crypto.h>


static int reg_credentials_control(reg_str_t s);


int
reg_credentials_is(reg_str_t s, reg_str_t lower)
{
    char    c;
    size_t  i;

    if (s.len != lower.len) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c >= 'A' && c <= 'Z') {
            c = (char) (c - 'A' + 'a');
        }

        if (c != lower.data[i]) {
            return 0;
        }
    }

    return 1;
}


reg_scheme_e
reg_credentials_split(reg_str_t value, reg_str_t *credentials)
{
    reg_str_t    scheme;
    const char  *p, *end;

    *credentials = reg_null_str;

    p = value.data;
    end = (value.len == 0) ? p : p + value.len;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    if (p == end) {
        return REG_SCHEME_NONE;
    }

    scheme.data = p;

    while (p < end && *p != ' ') {
        p++;
    }

    scheme.len = (size_t) (p - scheme.data);

    while (p < end && *p == ' ') {
        p++;
    }

    credentials->data = p;
    credentials->len = (size_t) (end - p);

    if (reg_credentials_is(scheme, reg_str("basic"))) {
        return REG_SCHEME_BASIC;
    }

    if (reg_credentials_is(scheme, reg_str("bearer"))) {
        return REG_SCHEME_BEARER;
    }

    return REG_SCHEME_OTHER;
}


static int
reg_credentials_control(reg_str_t s)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < s.len; i++) {
        c = (unsigned char) s.data[i];

        if (c < 0x20 || c == 0x7f) {
            return 1;
        }
    }

    return 0;
}


int
reg_user_valid(reg_str_t s)
{
    size_t                i, n;
    const unsigned char  *p;

    if (s.len == 0 || s.len > REG_USER_MAX || reg_credentials_control(s)) {
        return 0;
    }

    for (i = 0; i < s.len; i += n) {
        p = (const unsigned char *) s.data + i;
        n = reg_str_utf8(p, s.len - i);

        /* nor U+0080 to U+009F, which terminals obey as well */

        if (n == 0 || (p[0] == 0xc2 && p[1] < 0xa0)) {
            return 0;
        }
    }

    return 1;
}


int
reg_basic_parse(reg_str_t credentials, char *room, reg_basic_t *basic,
    const char **why)
{
    size_t       len;
    const char  *colon;

    if (credentials.len > REG_BASIC_TEXT_MAX) {
        *why = "the credentials are too long";
        return -1;
    }

    if (reg_base64_decode(credentials, REG_BASE64, (unsigned char *) room,
                          &len)
        != 0)
    {
        *why = "the credentials are no base64";
        return -1;
    }

    colon = (len == 0) ? NULL : memchr(room, ':', len);

    if (colon == NULL) {
        *why = "no colon between user and password";
        return -1;
    }

    basic->user.data = room;
    basic->user.len = (size_t) (colon - room);
    basic->password.data = colon + 1;
    basic->password.len = len - basic->user.len - 1;

    if (!reg_user_valid(basic->user)) {
        *why = "the user name is empty, too long or no text";
        return -1;
    }

    if (basic->password.len == 0
        || basic->password.len > REG_BASIC_PASSWORD_MAX
        || reg_credentials_control(basic->password))
    {
        *why = "the password is empty, too long or holds control bytes";
        return -1;
    }

    return 0;
}


int
reg_credentials_key(const unsigned char *key, reg_str_t user,
    reg_str_t password, const unsigned char *mark, unsigned char *out)
{
    char       lengths[4];
    reg_str_t  pieces[4];

    if (user.len == 0 || user.len > REG_USER_MAX
        || password.len == 0 || password.len > REG_BASIC_PASSWORD_MAX)
    {
        return -1;
    }

    /* lengths first: "ab" and "c" are not "a" and "bc" */

    lengths[0] = (char) (user.len >> 8);
    lengths[1] = (char) user.len;
    lengths[2] = (char) (password.len >> 8);
    lengths[3] = (char) password.len;

    pieces[0].data = (const char *) mark;
    pieces[0].len = REG_CREDENTIALS_KEY;
    pieces[1].data = lengths;
    pieces[1].len = sizeof(lengths);
    pieces[2] = user;
    pieces[3] = password;

    reg_hmac_sha256(key, pieces, 4, out);

    return 0;
}
