
#include "reg_base64.h"


static int reg_base64_value(unsigned char c, reg_base64_e alphabet);


static const char  reg_base64_digits[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
};


static int
reg_base64_value(unsigned char c, reg_base64_e alphabet)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == (unsigned char) reg_base64_digits[alphabet][62]) {
        return 62;
    }

    if (c == (unsigned char) reg_base64_digits[alphabet][63]) {
        return 63;
    }

    return -1;
}


int
reg_base64_decode(reg_str_t src, reg_base64_e alphabet, unsigned char *dst,
    size_t *len)
{
    int             value;
    size_t          i, n, bits;
    uint32_t        word;
    unsigned char  *p;

    n = src.len;

    if (alphabet == REG_BASE64) {

        if (n % 4 != 0) {
            return -1;
        }

        if (n != 0 && src.data[n - 1] == '=') {
            n--;

            if (src.data[n - 1] == '=') {
                n--;
            }
        }
    }

    if (n % 4 == 1) {
        return -1;
    }

    p = dst;
    word = 0;
    bits = 0;

    for (i = 0; i < n; i++) {
        value = reg_base64_value((unsigned char) src.data[i], alphabet);

        if (value < 0) {
            return -1;
        }

        word = (word << 6) | (uint32_t) value;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *p++ = (unsigned char) (word >> bits);
            word &= (1U << bits) - 1;
        }
    }

    /* bits that no byte has room for: a second spelling of the same bytes */

    if (word != 0) {
        return -1;
    }

    *len = (size_t) (p - dst);

    return 0;
}


void
reg_base64_encode(reg_buf_t *b, reg_base64_e alphabet, const void *data,
    size_t len)
{
    char                  out[4];
    size_t                i, n;
    uint32_t              word;
    const char           *digits;
    const unsigned char  *p;

    p = data;
    digits = reg_base64_digits[alphabet];

    for (i = 0; i < len; i += 3) {
        n = (len - i < 3) ? len - i : 3;

        word = (uint32_t) p[i] << 16;

        if (n > 1) {
            word |= (uint32_t) p[i + 1] << 8;
        }

        if (n > 2) {
            word |= p[i + 2];
        }

        out[0] = digits[word >> 18];
        out[1] = digits[(word >> 12) & 0x3f];
        out[2] = (n > 1) ? digits[(word >> 6) & 0x3f] : '=';
        out[3] = (n > 2) ? digits[word & 0x3f] : '=';

        reg_buf_add(b, out, (alphabet == REG_BASE64) ? 4 : n + 1);
    }
}
