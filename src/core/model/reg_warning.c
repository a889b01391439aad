
#include "reg_warning.h"

#include <string.h>


#define REG_WARNING_BEGIN  "299 - \""
#define REG_WARNING_END    "\""
#define REG_WARNING_CUT    "..."


static size_t reg_warning_char(reg_str_t text, size_t *pos, char *out);


int
reg_warning_print(reg_buf_t *b, reg_str_t text, size_t max)
{
    char    c[4];
    size_t  n, pos, room, len, cut, blanks;

    room = sizeof(REG_WARNING_BEGIN) - 1 + sizeof(REG_WARNING_END) - 1;

    if (max <= room + sizeof(REG_WARNING_CUT) - 1) {
        return 0;
    }

    room = max - room;

    /* how much there is of it, and where it would have to be cut */

    len = 0;
    cut = 0;
    blanks = 0;

    for (pos = 0; pos < text.len; /* void */ ) {
        n = reg_warning_char(text, &pos, c);

        if (n == 1 && c[0] == ' ') {
            blanks += (len != 0);
            continue;
        }

        len += blanks + n;
        blanks = 0;

        if (len <= room - (sizeof(REG_WARNING_CUT) - 1)) {
            cut = len;
        }
    }

    if (len == 0 || (len > room && max < REG_WARNING_LEAST)) {
        return 0;
    }

    if (len <= room) {
        cut = len;
    }

    reg_buf_str(b, reg_str(REG_WARNING_BEGIN));

    room = 0;
    blanks = 0;

    for (pos = 0; pos < text.len && room < cut; /* void */ ) {
        n = reg_warning_char(text, &pos, c);

        if (n == 1 && c[0] == ' ') {
            blanks += (room != 0);
            continue;
        }

        for ( /* void */ ; blanks; blanks--) {
            reg_buf_str(b, reg_str(" "));
            room++;
        }

        reg_buf_add(b, c, n);
        room += n;
    }

    if (cut < len) {
        reg_buf_str(b, reg_str(REG_WARNING_CUT));
    }

    reg_buf_str(b, reg_str(REG_WARNING_END));

    return 1;
}


/* The next character as it is sent: its bytes, of which there are 1 to 4. */

static size_t
reg_warning_char(reg_str_t text, size_t *pos, char *out)
{
    size_t                n;
    const unsigned char  *p;

    p = (const unsigned char *) text.data + *pos;

    n = reg_str_utf8(p, text.len - *pos);

    if (n == 0) {
        (*pos)++;
        out[0] = '?';
        return 1;
    }

    *pos += n;

    /* C0, DEL and C1: terminals obey them */

    if (p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0)) {
        out[0] = ' ';
        return 1;
    }

    if (p[0] == '"' || p[0] == '\\') {
        out[0] = '\\';
        out[1] = (char) p[0];
        return 2;
    }

    memcpy(out, p, n);

    return n;
}
