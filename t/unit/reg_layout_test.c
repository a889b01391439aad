
#include "reg_layout.h"
#include "reg_test.h"


#define HEX  "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
#define LONG  HEX HEX
#define NAME  "library/alpine"
#define REPO  "docker/registry/v2/repositories/" NAME


static void test_paths(void);
static void test_longest(void);
static void test_overflow(void);
static reg_digest_t digest(reg_alg_e alg);


int
main(void)
{
    test_paths();
    test_longest();
    test_overflow();

    return done_testing();
}


static reg_digest_t
digest(reg_alg_e alg)
{
    reg_digest_t  d;

    (void) reg_digest_make(&d, alg, (alg == REG_SHA256) ? reg_str(HEX)
                                                        : reg_str(LONG));
    return d;
}


static void
test_paths(void)
{
    reg_path_t    p;
    reg_digest_t  d, l;

    d = digest(REG_SHA256);
    l = digest(REG_SHA512);

    reg_layout_blob(&p, &d);
    is(reg_str_of(p.s),
       "docker/registry/v2/blobs/sha256/6c/" HEX "/data", "a blob");
    is_num((long long) p.len, (long long) strlen(p.s), "its length");

    reg_layout_blob(&p, &l);
    is(reg_str_of(p.s),
       "docker/registry/v2/blobs/sha512/6c/" LONG "/data",
       "a blob of sha512");

    reg_layout_repo(&p, reg_str(NAME), "");
    is(reg_str_of(p.s), REPO, "a repository");

    reg_layout_repo(&p, reg_str(NAME), "/_layers");
    is(reg_str_of(p.s), REPO "/_layers", "a repository and a tail");

    reg_layout_layer(&p, reg_str(NAME), &d);
    is(reg_str_of(p.s), REPO "/_layers/sha256/" HEX "/link", "a layer");

    reg_layout_revision(&p, reg_str(NAME), &l);
    is(reg_str_of(p.s), REPO "/_manifests/revisions/sha512/" LONG "/link",
       "a revision");

    reg_layout_tag(&p, reg_str(NAME), reg_str("v1.0"), "/current/link");
    is(reg_str_of(p.s), REPO "/_manifests/tags/v1.0/current/link", "a tag");

    reg_layout_tag_index(&p, reg_str(NAME), reg_str("v1.0"), &d);
    is(reg_str_of(p.s),
       REPO "/_manifests/tags/v1.0/index/sha256/" HEX "/link",
       "its index");

    reg_layout_upload(&p, reg_str(NAME),
                      reg_str("0b1f7a2c-0000-4000-8000-000000000001"),
                      "/data");
    is(reg_str_of(p.s),
       REPO "/_uploads/0b1f7a2c-0000-4000-8000-000000000001/data",
       "an upload");

    reg_layout_referrers(&p, reg_str(NAME), &l, &d);
    is(reg_str_of(p.s),
       REPO "/_referrers/sha512/" LONG "/sha256/" HEX "/link", "a referrer");

    reg_layout_referrers(&p, reg_str(NAME), &d, NULL);
    is(reg_str_of(p.s), REPO "/_referrers/sha256/" HEX,
       "the referrers of a subject");
    is_num((long long) p.len, (long long) strlen(p.s), "and their length");
}


/* What the grammar allows fits. */

static void
test_longest(void)
{
    char          name[REG_NAME_MAX], tag[REG_TAG_MAX];
    reg_str_t     n, t;
    reg_path_t    p;
    reg_digest_t  l;

    memset(name, 'a', sizeof(name));
    memset(tag, 't', sizeof(tag));

    n.data = name;
    n.len = sizeof(name);
    t.data = tag;
    t.len = sizeof(tag);

    l = digest(REG_SHA512);

    reg_layout_tag_index(&p, n, t, &l);
    ok(reg_str_ends(reg_str_of(p.s), reg_str(LONG "/link")),
       "the longest path of a tag");

    reg_layout_referrers(&p, n, &l, &l);
    ok(reg_str_ends(reg_str_of(p.s), reg_str(LONG "/link")),
       "the longest path of a referrer");
}


/* What it does not allow names nothing, rather than something else. */

static void
test_overflow(void)
{
    char        name[2 * REG_PATH_MAX];
    reg_str_t   n;
    reg_path_t  p;

    memset(name, 'a', sizeof(name));

    n.data = name;
    n.len = sizeof(name);

    reg_layout_repo(&p, n, "/_layers");
    is(reg_str_of(p.s), "", "a path too long is empty");

    n.len = REG_PATH_MAX - sizeof(REG_LAYOUT_REPOS "/") - 1;
    reg_layout_repo(&p, n, "/_layers");
    is(reg_str_of(p.s), "", "a tail too long too");
}
