
/*
 * Base64, strictly (RFC 4648, sections 4 and 5): the one spelling that the
 * encoder gives is accepted and no other.  No blanks, no line ends, no bits
 * left over; padding always in the ordinary alphabet and never in the URL one.
 */


#ifndef REG_BASE64_H_INCLUDED
#define REG_BASE64_H_INCLUDED


#include "reg_str.h"


typedef enum {
    REG_BASE64 = 0,           /* "+/", padded: Basic credentials, x5c */
    REG_BASE64URL             /* "-_", bare: JSON Web Tokens and Keys */
} reg_base64_e;


/* Room for the bytes that so much text can stand for. */
#define reg_base64_room(len)  ((len) / 4 * 3 + 3)


/*
 * Decodes src into dst, which has reg_base64_room(src.len) bytes.  0 and their
 * number in *len, or -1; dst may then hold the beginning.
 */
int reg_base64_decode(reg_str_t src, reg_base64_e alphabet, unsigned char *dst,
    size_t *len);

/* Appends the text of len bytes. */
void reg_base64_encode(reg_buf_t *b, reg_base64_e alphabet, const void *data,
    size_t len);


#endif /* REG_BASE64_H_INCLUDED */
