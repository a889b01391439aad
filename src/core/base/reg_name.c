
#include "reg_name.h"

#include <errno.h>
#include <sys/random.h>


#define reg_name_alnum(c)                                                     \
    (((c) >= 'a' && (c) <= 'z') || ((c) >= '0' && (c) <= '9'))


static int reg_tag_char(char c);


int
reg_name_valid(reg_str_t s)
{
    const char  *p, *end;

    if (s.len == 0 || s.len > REG_NAME_MAX) {
        return 0;
    }

    p = s.data;
    end = p + s.len;

    for ( ;; ) {

        /* here a run of letters and digits must begin */

        if (p == end || !reg_name_alnum(*p)) {
            return 0;
        }

        do {
            p++;
        } while (p < end && reg_name_alnum(*p));

        if (p == end) {
            return 1;
        }

        switch (*p) {

        case '/':
        case '.':
            p++;
            break;

        case '_':
            p++;

            if (p < end && *p == '_') {
                p++;
            }

            break;

        case '-':
            do {
                p++;
            } while (p < end && *p == '-');

            break;

        default:
            return 0;
        }
    }
}


static int
reg_tag_char(char c)
{
    return reg_name_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}


int
reg_tag_valid(reg_str_t s)
{
    size_t  i;

    if (s.len == 0 || s.len > REG_TAG_MAX || !reg_tag_char(s.data[0])) {
        return 0;
    }

    for (i = 1; i < s.len; i++) {
        if (!reg_tag_char(s.data[i]) && s.data[i] != '.' && s.data[i] != '-') {
            return 0;
        }
    }

    return 1;
}


int
reg_uuid_valid(reg_str_t s)
{
    char    c;
    size_t  i;

    if (s.len != REG_UUID_LEN) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') {
                return 0;
            }

        } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return 0;
        }
    }

    return 1;
}


int
reg_uuid_make(char *out)
{
    size_t         i, got;
    ssize_t        n;
    unsigned char  u[16];

    static const char  hex[] = "0123456789abcdef";

    for (got = 0; got < sizeof(u); got += (size_t) n) {
        n = getrandom(u + got, sizeof(u) - got, 0);

        if (n < 0) {
            if (errno != EINTR) {
                return -1;
            }

            n = 0;
        }
    }

    u[6] = (unsigned char) ((u[6] & 0x0f) | 0x40);
    u[8] = (unsigned char) ((u[8] & 0x3f) | 0x80);

    for (i = 0; i < sizeof(u); i++) {

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }

        *out++ = hex[u[i] >> 4];
        *out++ = hex[u[i] & 0xf];
    }

    *out = '\0';

    return 0;
}
