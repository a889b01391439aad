
/* Input: the file of an endpoint, as a disk may hand it out. */

#include "fuzz.h"
#include "reg_spool_private.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   text[REG_SPOOL_SAVED + 1];
    size_t                 len;
    reg_spool_endpoint_t   ep, back;

    if (size > REG_SPOOL_SAVED) {
        return -1;
    }

    if (size != 0) {
        memcpy(text, data, size);
    }

    memset(&ep, 0, sizeof(ep));

    if (reg_spool_endpoint_parse(&ep, text, size) != 0) {
        return 0;
    }

    must(ep.since >= 0 && ep.retry >= 0 && ep.status <= 999);
    must(memchr(ep.error, '\0', sizeof(ep.error)) != NULL);

    len = reg_spool_endpoint_print(&ep, text);
    must(len == REG_SPOOL_SAVED);

    memset(&back, 0, sizeof(back));
    must(reg_spool_endpoint_parse(&back, text, len) == 0);
    must(back.cursor == ep.cursor && back.lost == ep.lost);
    must(strlen(back.error) == strlen(ep.error));

    return 0;
}
