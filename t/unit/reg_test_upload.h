
/* An upload session under test: the store s, the repository NAME, and id. */


#ifndef REG_TEST_UPLOAD_H_INCLUDED
#define REG_TEST_UPLOAD_H_INCLUDED


#include "reg_test_store.h"


#define NAME    "library/app"
#define UPLOAD  REPOS NAME "/_uploads/%s"
#define STATE   UPLOAD "/hashstates/%s/%zu"


static reg_store_t  *s;
static char          id[REG_UUID_LEN + 1];


REG_TEST_UNUSED static void
begin(reg_alg_e alg)
{
    if (reg_upload_create(s, reg_str(NAME), alg, 1795208645, id, NULL)
        != REG_OK)
    {
        bail("reg_upload_create");
    }
}


REG_TEST_UNUSED static reg_upload_t *
resume(void)
{
    reg_upload_t  *u;

    if (reg_upload_open(&u, s, reg_str(NAME), reg_str_of(id), NULL)
        != REG_OK)
    {
        bail("reg_upload_open");
    }

    return u;
}


REG_TEST_UNUSED static long long
status(void)
{
    uint64_t  offset;

    return (reg_upload_status(s, reg_str(NAME), reg_str_of(id), &offset,
                              NULL)
            == REG_OK) ? (long long) offset : -1;
}


REG_TEST_UNUSED static reg_str_t
part(const char *data, size_t from, size_t to)
{
    reg_str_t  p;

    p.data = data + from;
    p.len = to - from;

    return p;
}


REG_TEST_UNUSED static int
blob_is(const reg_digest_t *d, reg_str_t want)
{
    reg_path_t  path;
    reg_str_t   got;

    reg_layout_blob(&path, d);
    got = slurp(at("%s", path.s));

    return got.data != NULL && reg_str_eq(got, want);
}


#endif /* REG_TEST_UPLOAD_H_INCLUDED */
