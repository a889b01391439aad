
#include "reg_layout.h"

#include <string.h>


#define reg_path_text(p, literal)                                             \
    reg_path_add(p, literal, sizeof(literal) - 1)


static void reg_path_add(reg_path_t *p, const char *data, size_t len);
static void reg_path_digest(reg_path_t *p, const reg_digest_t *d);


static void
reg_path_add(reg_path_t *p, const char *data, size_t len)
{
    if (len >= REG_PATH_MAX - p->len) {

        /*
         * Cannot happen with what passed the grammar.  A path cut short could
         * name something else, an empty one names nothing.
         */

        p->len = REG_PATH_MAX - 1;
        p->s[0] = '\0';

        return;
    }

    memcpy(p->s + p->len, data, len);
    p->len += len;
    p->s[p->len] = '\0';
}


/* "/<alg>/<hex>" */

static void
reg_path_digest(reg_path_t *p, const reg_digest_t *d)
{
    reg_str_t  alg;

    alg = reg_alg_name(d->alg);

    reg_path_text(p, "/");
    reg_path_add(p, alg.data, alg.len);
    reg_path_text(p, "/");
    reg_path_add(p, d->text + alg.len + 1, d->len - alg.len - 1);
}


void
reg_layout_blob(reg_path_t *p, const reg_digest_t *d)
{
    reg_str_t    alg;
    const char  *hex;

    alg = reg_alg_name(d->alg);
    hex = d->text + alg.len + 1;

    p->len = 0;

    reg_path_text(p, REG_LAYOUT_BLOBS "/");
    reg_path_add(p, alg.data, alg.len);
    reg_path_text(p, "/");
    reg_path_add(p, hex, 2);
    reg_path_text(p, "/");
    reg_path_add(p, hex, d->len - alg.len - 1);
    reg_path_text(p, "/data");
}


void
reg_layout_repo(reg_path_t *p, reg_str_t name, const char *tail)
{
    p->len = 0;

    reg_path_text(p, REG_LAYOUT_REPOS "/");
    reg_path_add(p, name.data, name.len);
    reg_path_add(p, tail, strlen(tail));
}


void
reg_layout_layer(reg_path_t *p, reg_str_t name, const reg_digest_t *d)
{
    reg_layout_repo(p, name, "/_layers");
    reg_path_digest(p, d);
    reg_path_text(p, "/link");
}


void
reg_layout_revision(reg_path_t *p, reg_str_t name, const reg_digest_t *d)
{
    reg_layout_repo(p, name, "/_manifests/revisions");
    reg_path_digest(p, d);
    reg_path_text(p, "/link");
}


void
reg_layout_tag(reg_path_t *p, reg_str_t name, reg_str_t tag,
    const char *tail)
{
    reg_layout_repo(p, name, "/_manifests/tags/");
    reg_path_add(p, tag.data, tag.len);
    reg_path_add(p, tail, strlen(tail));
}


void
reg_layout_tag_index(reg_path_t *p, reg_str_t name, reg_str_t tag,
    const reg_digest_t *d)
{
    reg_layout_tag(p, name, tag, "/index");
    reg_path_digest(p, d);
    reg_path_text(p, "/link");
}


void
reg_layout_upload(reg_path_t *p, reg_str_t name, reg_str_t id,
    const char *tail)
{
    reg_layout_repo(p, name, "/_uploads/");
    reg_path_add(p, id.data, id.len);
    reg_path_add(p, tail, strlen(tail));
}


void
reg_layout_referrers(reg_path_t *p, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d)
{
    reg_layout_repo(p, name, "/_referrers");
    reg_path_digest(p, subject);

    if (d != NULL) {
        reg_path_digest(p, d);
        reg_path_text(p, "/link");
    }
}
