
#include "reg_test_store.h"

#include "reg_referrers_private.h"


static void test_kept(void);
static void test_alias(void);
static void test_none(void);
static void test_long(void);
static void test_bounded(void);
static reg_digest_t number(unsigned n);
static void tell(reg_referrer_t *r, unsigned n, size_t len);


static reg_store_t  *s;


int
main(void)
{
    root_make();
    s = store_open();

    test_kept();
    test_alias();
    test_none();
    test_long();
    test_bounded();

    reg_store_close(s);

    return done_testing();
}


static reg_digest_t
number(unsigned n)
{
    char  text[16];

    (void) snprintf(text, sizeof(text), "%u", n);

    return digest_of(REG_SHA256, reg_str_of(text));
}


/* The n'th referrer, with a text of that length; to be freed. */

static void
tell(reg_referrer_t *r, unsigned n, size_t len)
{
    memset(r, 0, sizeof(reg_referrer_t));

    r->size = 1000 + n;
    r->subject = number(n + 1000000);
    r->has_subject = 1;
    r->has_text = 1;

    reg_referrers_type(&r->type, reg_str("a/b"));
    reg_buf_init(&r->text, 1024 * 1024);

    while (r->text.len < len) {
        reg_buf_printf(&r->text, "%u,", n);
    }

    r->text.len = len;
}


/* 1 when it is there, and what was told of it. */

static int
is_kept(unsigned n, size_t len)
{
    int             rc;
    reg_digest_t    d;
    reg_referrer_t  r, want;

    d = number(n);
    tell(&want, n, len);

    memset(&r, 0, sizeof(r));
    reg_buf_init(&r.text, 1024 * 1024);

    rc = reg_referrers_cache_find(s, &d, &d, want.size, &r)
         && r.size == want.size && r.has_subject
         && reg_digest_eq(&r.subject, &want.subject)
         && reg_digest_eq(&r.type, &want.type)
         && r.has_text && reg_str_eq(reg_buf_slice(&r.text),
                                     reg_buf_slice(&want.text));

    reg_buf_free(&want.text);
    reg_buf_free(&r.text);

    return rc;
}


static void
keep(unsigned n, size_t len)
{
    reg_digest_t    d;
    reg_referrer_t  r;

    d = number(n);
    tell(&r, n, len);
    reg_referrers_cache_add(s, &d, &d, &r);
    reg_buf_free(&r.text);
}


static void
test_kept(void)
{
    reg_digest_t    d;
    reg_referrer_t  r;

    ok(!is_kept(1, 300), "what nobody told");

    keep(1, 300);
    keep(2, 301);
    keep(1, 300);

    ok(is_kept(1, 300), "one that was told twice");
    ok(is_kept(2, 301), "another");

    d = number(1);
    memset(&r, 0, sizeof(r));
    reg_buf_init(&r.text, 1024);
    ok(!reg_referrers_cache_find(s, &d, &d, 17, &r),
       "F41 bytes of another length are not those that were seen");
    reg_buf_free(&r.text);
}


/* The same revision may lead to other bytes one day. */

static void
test_alias(void)
{
    reg_digest_t    d, target;
    reg_referrer_t  r;

    d = digest_of(REG_SHA512, reg_str("alias"));
    target = number(3);

    tell(&r, 3, 10);
    reg_referrers_cache_add(s, &d, &target, &r);

    ok(reg_referrers_cache_find(s, &d, &target, r.size, &r), "an alias");

    target = number(4);
    ok(!reg_referrers_cache_find(s, &d, &target, r.size, &r),
       "of other bytes it is not known");

    reg_buf_free(&r.text);
}


static void
test_none(void)
{
    reg_digest_t    d;
    reg_referrer_t  r;

    d = number(5);

    memset(&r, 0, sizeof(r));
    r.size = 2;
    reg_referrers_cache_add(s, &d, &d, &r);

    r.has_subject = 1;
    ok(reg_referrers_cache_find(s, &d, &d, 2, &r) && !r.has_subject,
       "a manifest without a subject is remembered as such");
}


static void
test_long(void)
{
    reg_digest_t    d;
    reg_referrer_t  r;

    keep(6, REG_REFERRERS_TEXT_MAX);
    keep(7, REG_REFERRERS_TEXT_MAX + 1);

    ok(is_kept(6, REG_REFERRERS_TEXT_MAX), "the longest text that is kept");
    ok(!is_kept(7, REG_REFERRERS_TEXT_MAX + 1), "a longer one");

    d = number(7);
    memset(&r, 0, sizeof(r));
    reg_buf_init(&r.text, 1024);
    ok(reg_referrers_cache_find(s, &d, &d, 1007, &r) && !r.has_text
       && r.has_subject && r.text.len == 0,
       "is left out, and the rest is there");
    reg_buf_free(&r.text);
}


static void
test_bounded(void)
{
    int       over;
    unsigned  n;

    over = 0;

    for (n = 1000; n < 2000; n++) {
        keep(n, 60000);
        over += (reg_referrers_cache_bytes(s) > REG_REFERRERS_CACHE_MAX);

        /* somebody asks for it now and then */

        if (n % 10 == 0 && !is_kept(1000, 60000)) {
            ok(0, "what is used stays");
            break;
        }
    }

    is_num(over, 0, "A48 a thousand of 60,000 bytes stay within the bound");
    ok(reg_referrers_cache_bytes(s) > REG_REFERRERS_CACHE_MAX - 100000,
       "which is made use of");
    ok(is_kept(1999, 60000) && is_kept(1990, 60000), "the last are there");
    ok(!is_kept(1001, 60000), "the first are gone");
    ok(is_kept(1000, 60000), "one of them was used all the time");
}
