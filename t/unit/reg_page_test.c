
#include "reg_page.h"
#include "reg_test_alloc.h"

#include "reg_str.c"


static void test_limit(void);
static void test_bytes(void);
static void test_add(void);
static void test_link(void);
static void test_alloc(void);
static void operation(reg_op_t *op);


int
main(void)
{
    test_limit();
    test_bytes();
    test_add();
    test_link();
    test_alloc();

    return done_testing();
}


static void
operation(reg_op_t *op)
{
    memset(op, 0, sizeof(reg_op_t));
    op->op = REG_OP_TAGS;
}


static void
test_limit(void)
{
    size_t      i;
    reg_op_t    op;
    reg_page_t  p;

    static const struct {
        int       has_n;
        uint64_t  n;
        size_t    entries;
        size_t    taken;
        int       more;
    } rows[] = {
        { 0, 0,   0,      0,      0 },
        { 0, 0,   5,      5,      0 },
        { 0, 0,   100001, 100000, 1 },
        { 1, 0,   0,      0,      0 },
        { 1, 0,   5,      0,      0 },
        { 1, 1,   0,      0,      0 },
        { 1, 1,   1,      1,      0 },
        { 1, 1,   2,      1,      1 },
        { 1, 5,   5,      5,      0 },
        { 1, 5,   6,      5,      1 },
        { 1, 100, 6,      6,      0 }
    };

    size_t  j;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        operation(&op);
        op.has_n = (rows[i].has_n != 0);
        op.n = rows[i].n;

        reg_page_init(&p, &op);

        for (j = 0; j < rows[i].entries; j++) {
            if (!reg_page_fits(&p, 3)) {
                break;
            }

            reg_page_add(&p, reg_str("x"));
        }

        ok(p.count == rows[i].taken && j == rows[i].taken
           && p.more == (unsigned) rows[i].more,
           "%zu entries, n is %d: %llu, %s", rows[i].entries,
           rows[i].has_n ? (int) rows[i].n : -1,
           (unsigned long long) p.count, p.more ? "more" : "all");

        reg_page_free(&p);
    }
}


static void
test_bytes(void)
{
    char        entry[1000];
    size_t      n;
    reg_op_t    op;
    reg_str_t   s;
    reg_page_t  p;

    memset(entry, 'x', sizeof(entry));
    s.data = entry;
    s.len = sizeof(entry);

    operation(&op);
    reg_page_init(&p, &op);
    reg_buf_str(&p.body, reg_str("{\"tags\":["));

    for (n = 0; reg_page_fits(&p, sizeof(entry) + 2); n++) {
        reg_page_add(&p, s);
    }

    reg_buf_str(&p.body, reg_str("]}\n"));

    ok(p.more && p.count == n, "a page ends before it grows too large");
    ok(p.body.len <= REG_PAGE_BYTES
       && p.body.len > REG_PAGE_BYTES - 2 * sizeof(entry),
       "at %zu bytes", p.body.len);
    ok(!reg_buf_failed(&p.body), "without a failure");
    reg_page_free(&p);

    operation(&op);
    reg_page_init(&p, &op);
    ok(reg_page_fits(&p, REG_PAGE_BYTES) && !p.more,
       "the first entry is taken whatever its size");
    reg_page_add(&p, s);
    ok(!reg_page_fits(&p, REG_PAGE_BYTES) && p.more, "the second is not");
    reg_page_free(&p);

    operation(&op);
    reg_page_init(&p, &op);
    ok(reg_buf_reserve(&p.body, REG_PAGE_BYTES + 100) == 0,
       "there is room for that");
    p.body.len = REG_PAGE_BYTES + 100;
    memset(p.body.data, 'x', p.body.len);
    p.count = 1;
    ok(!reg_page_fits(&p, 1) && !reg_page_fits(&p, SIZE_MAX),
       "and nothing behind it");
    reg_page_free(&p);
}


static void
test_add(void)
{
    reg_op_t    op;
    reg_page_t  p;

    operation(&op);
    reg_page_init(&p, &op);

    reg_page_add(&p, reg_str("a"));
    is(reg_buf_slice(&p.body), "\"a\"", "one");

    reg_page_add(&p, reg_str("b/c"));
    reg_page_add(&p, reg_str("\"\\\n"));
    is(reg_buf_slice(&p.body), "\"a\",\"b/c\",\"\\\"\\\\\\u000a\"", "three");
    ok(p.count == 3, "counted");

    reg_page_free(&p);
}


static void
test_link(void)
{
    size_t      i;
    reg_op_t    op;
    reg_page_t  p;

    static const struct {
        int          more;
        int          has_n;
        uint64_t     n;
        const char  *type;
        const char  *last;
        const char  *link;
    } rows[] = {
        { 0, 0, 0,  NULL,  "x", "" },
        { 0, 1, 5,  "a/b", "x", "" },
        { 1, 0, 0,  NULL,  "x", "</v2/a/tags/list?last=x>; rel=\"next\"" },
        { 1, 1, 5,  NULL,  "x", "</v2/a/tags/list?n=5&last=x>; rel=\"next\"" },
        { 1, 1, 2,  NULL,  "a/b",
          "</v2/a/tags/list?n=2&last=a%2Fb>; rel=\"next\"" },
        { 1, 0, 0,  NULL,  "a>;\r\n\"&",
          "</v2/a/tags/list?last=a%3E%3B%0D%0A%22%26>; rel=\"next\"" },
        { 1, 0, 0,  "a/b+c", "sha256:0",
          "</v2/a/tags/list?artifactType=a%2Fb%2Bc&last=sha256%3A0>;"
          " rel=\"next\"" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        operation(&op);
        op.has_n = (rows[i].has_n != 0);
        op.n = rows[i].n;
        op.has_artifact_type = (rows[i].type != NULL);
        op.artifact_type = reg_str_of(rows[i].type);

        reg_page_init(&p, &op);
        p.more = (rows[i].more != 0);

        reg_page_link(&p, &op, "/v2/a/tags/list", reg_str_of(rows[i].last));

        is(reg_buf_slice(&p.link), rows[i].link, "link");

        reg_page_free(&p);
    }
}


static void
test_alloc(void)
{
    int            hit, i;
    reg_op_t       op;
    reg_page_t     p;
    unsigned long  n;

    operation(&op);

    for (n = 1; ; n++) {
        reg_page_init(&p, &op);

        reg_test_alloc_fail(n, 0);

        for (i = 0; i < 1000 && reg_page_fits(&p, 7); i++) {
            reg_page_add(&p, reg_str("entry"));
        }

        p.more = 1;
        reg_page_link(&p, &op, "/v2/a/tags/list", reg_str("entry"));

        hit = reg_test_alloc_restore();

        ok((reg_buf_failed(&p.body) || reg_buf_failed(&p.link)) == hit,
           "allocation %lu fails", n);

        reg_page_free(&p);

        if (!hit) {
            break;
        }
    }

    ok(n > 2, "more than one allocation was tried");
}
