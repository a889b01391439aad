
#include "reg_page.h"


/* what closes a list: brackets, and a newline to please a terminal */
#define REG_PAGE_TAIL      16

/* the first entry of a page is taken whatever its size: one large manifest */
#define REG_PAGE_BODY_MAX  (REG_PAGE_BYTES + 128 * 1024 * 1024)

/* an entry and a filter, both percent-encoded */
#define REG_PAGE_LINK_MAX  (64 * 1024)


void
reg_page_init(reg_page_t *p, const reg_op_t *op)
{
    reg_buf_init(&p->body, REG_PAGE_BODY_MAX);
    reg_buf_init(&p->link, REG_PAGE_LINK_MAX);

    p->limit = op->has_n ? op->n : REG_PAGE_N_MAX;
    p->count = 0;
    p->more = 0;
}


void
reg_page_free(reg_page_t *p)
{
    reg_buf_free(&p->body);
    reg_buf_free(&p->link);
}


int
reg_page_fits(reg_page_t *p, size_t len)
{
    if (p->limit == 0) {
        return 0;
    }

    if (p->count == 0) {
        /* a page without an entry would link to itself for ever */
        return 1;
    }

    if (p->count < p->limit
        && p->body.len <= REG_PAGE_BYTES - REG_PAGE_TAIL
        && len < REG_PAGE_BYTES - REG_PAGE_TAIL - p->body.len)
    {
        return 1;
    }

    p->more = 1;

    return 0;
}


void
reg_page_add(reg_page_t *p, reg_str_t entry)
{
    if (p->count == 0) {
        reg_buf_str(&p->body, reg_str("\""));

    } else {
        reg_buf_str(&p->body, reg_str(",\""));
    }

    reg_buf_json(&p->body, entry);
    reg_buf_str(&p->body, reg_str("\""));

    p->count++;
}


void
reg_page_link(reg_page_t *p, const reg_op_t *op, const char *path,
    reg_str_t last)
{
    if (!p->more) {
        return;
    }

    reg_buf_str(&p->link, reg_str("<"));
    reg_buf_str(&p->link, reg_str_of(path));
    reg_buf_str(&p->link, reg_str("?"));

    if (op->has_n) {
        reg_buf_printf(&p->link, "n=%llu&", (unsigned long long) op->n);
    }

    if (op->has_artifact_type) {
        reg_buf_str(&p->link, reg_str("artifactType="));
        reg_buf_uri(&p->link, op->artifact_type);
        reg_buf_str(&p->link, reg_str("&"));
    }

    reg_buf_str(&p->link, reg_str("last="));
    reg_buf_uri(&p->link, last);
    reg_buf_str(&p->link, reg_str(">; rel=\"next\""));
}
