
#include "reg_digests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static reg_rc_t reg_digests_entry(void *ctx, reg_str_t name, int dir);
static int reg_digests_compare(const void *a, const void *b);


reg_rc_t
reg_digests_list(reg_store_t *s, const char *path, reg_digests_t *list,
    reg_error_t *e)
{
    int       i;
    char      sub[REG_PATH_MAX];
    reg_rc_t  rc;

    for (i = 0; i < REG_ALG_N; i++) {

        if (snprintf(sub, sizeof(sub), "%s/%s", path,
                     reg_alg_name((reg_alg_e) i).data)
            >= (int) sizeof(sub))
        {
            return reg_error_set(e, REG_INTERNAL, NULL);
        }

        list->alg = (reg_alg_e) i;

        rc = s->driver->list(s, sub, reg_digests_entry, list, e);

        if (rc != REG_OK && rc != REG_ABSENT) {
            return list->nomem ? reg_error_set(e, REG_NO_MEMORY, NULL) : rc;
        }
    }

    if (list->n > 1) {
        qsort(list->d, list->n, sizeof(reg_digest_t), reg_digests_compare);
    }

    return REG_OK;
}


static reg_rc_t
reg_digests_entry(void *ctx, reg_str_t name, int dir)
{
    reg_digest_t    d, *entry;
    reg_digests_t  *list;

    list = ctx;

    if (!dir || reg_digest_make(&d, list->alg, name) != REG_OK) {
        return REG_OK;
    }

    entry = reg_digests_push(list);

    if (entry == NULL) {
        list->nomem = 1;
        return REG_NO_MEMORY;
    }

    *entry = d;

    return REG_OK;
}


reg_digest_t *
reg_digests_push(reg_digests_t *list)
{
    void    *p;
    size_t   max;

    if (list->n == list->max) {
        max = list->max ? list->max * 2 : 32;
        p = realloc(list->d, max * sizeof(reg_digest_t));

        if (p == NULL) {
            return NULL;
        }

        list->d = p;
        list->max = max;
    }

    return &list->d[list->n++];
}


static int
reg_digests_compare(const void *a, const void *b)
{
    return strcmp(((const reg_digest_t *) a)->text,
                  ((const reg_digest_t *) b)->text);
}
