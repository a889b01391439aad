
#include "reg_store.h"

#include "reg_catalog.h"
#include "reg_referrers.h"
#include "reg_store_fs.h"
#include "reg_tags.h"

#include <stdlib.h>
#include <string.h>


reg_rc_t
reg_store_open(reg_store_t **out, const char *root, reg_error_t *e)
{
    reg_rc_t      rc;
    reg_store_t  *s;

    s = calloc(1, sizeof(reg_store_t));

    if (s == NULL) {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    rc = reg_store_fs_open(s, root, e);

    if (rc != REG_OK) {
        free(s);
        return rc;
    }

    if (reg_tags_cache_open(s) != REG_OK || reg_catalog_open(s) != REG_OK
        || reg_referrers_cache_open(s) != REG_OK)
    {
        reg_store_close(s);
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    *out = s;

    return REG_OK;
}


void
reg_store_close(reg_store_t *s)
{
    if (s == NULL) {
        return;
    }

    reg_referrers_cache_close(s);
    reg_catalog_close(s);
    reg_tags_cache_close(s);

    s->driver->close(s);

    free(s);
}


reg_rc_t
reg_link_read(reg_store_t *s, const char *path, reg_digest_t *d,
    reg_error_t *e)
{
    reg_rc_t   rc;
    reg_buf_t  text;

    reg_buf_init(&text, REG_LINK_MAX + 1);

    rc = s->driver->read(s, path, REG_LINK_MAX, &text, e);

    if (rc == REG_OK
        && reg_digest_parse(d, reg_buf_slice(&text), NULL) != REG_OK)
    {
        /* empty after a power cut, or whatever else: it names nothing */

        rc = REG_ABSENT;
    }

    reg_buf_free(&text);

    return rc;
}


reg_rc_t
reg_link_follow(reg_store_t *s, const char *path, const reg_digest_t *want,
    reg_digest_t *d, int64_t *leased, reg_error_t *e)
{
    int64_t   mtime;
    reg_rc_t  rc;

    rc = s->driver->link(s, path, want, d, &mtime, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (leased != NULL) {
        *leased = mtime;
    }

    return reg_link_fits(d, want) ? REG_OK : REG_ABSENT;
}


int
reg_link_fits(const reg_digest_t *d, const reg_digest_t *want)
{
    return d->alg != want->alg || reg_digest_eq(d, want);
}


reg_rc_t
reg_link_write(reg_store_t *s, const char *path, const reg_digest_t *d,
    reg_error_t *e)
{
    reg_put_t  item;

    memset(&item, 0, sizeof(item));

    item.path = path;
    item.data = reg_digest_str(d);
    item.fd = -1;
    item.keep = 1;

    return s->driver->put(s, &item, 1, e);
}
