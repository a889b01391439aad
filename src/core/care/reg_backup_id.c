
#include "reg_backup.h"

#include "reg_time.h"

#include <stdio.h>


void
reg_backup_id(char *out, int64_t now, unsigned again)
{
    char    text[REG_TIME_LEN + 1];
    char   *p;
    size_t  i;

    if (reg_time_print(now, text) != 0) {
        (void) reg_time_print(0, text);
    }

    p = out;

    for (i = 0; i < REG_TIME_LEN; i++) {
        if (text[i] != '-' && text[i] != ':') {
            *p++ = text[i];
        }
    }

    *p = '\0';

    if (again > 1) {
        (void) snprintf(p, (size_t) (out + REG_BACKUP_ID + 1 - p), "-%03u",
                        again);
    }
}


int
reg_backup_id_valid(reg_str_t id)
{
    size_t  i;
    char    c;

    static const char  form[] = "00000000T000000Z";

    if (id.len < sizeof(form) - 1 || id.len > REG_BACKUP_ID) {
        return 0;
    }

    for (i = 0; i < id.len; i++) {
        c = (i < sizeof(form) - 1) ? form[i] : (i == sizeof(form) - 1) ? '-'
                                                                       : '0';

        if (c == '0' ? (id.data[i] < '0' || id.data[i] > '9')
                     : id.data[i] != c)
        {
            return 0;
        }
    }

    return id.len != sizeof(form);
}
