
#include "reg_test_page.h"

#include "reg_catalog.h"

#include <pthread.h>


static void test_empty(void);
static void test_order(void);
static void test_pages(void);
static void test_hidden(void);
static void test_what_is_none(void);
static void test_changes(void);
static void test_nested_changes(void);
static void test_walk(void);
static void test_random(void);
static void test_threads(void);
static void test_many_gone(void);
static const char *page(const char *query);
static void repo(const char *name);
static void unrepo(const char *name);


static reg_store_t      *s;
static reg_may_list_pt   may_list;


int
main(void)
{
    root_make();
    s = store_open();

    test_empty();
    test_order();
    test_pages();
    test_hidden();
    test_what_is_none();
    test_changes();
    test_nested_changes();
    test_walk();
    test_random();
    test_threads();
    test_many_gone();

    reg_store_close(s);

    return done_testing();
}


static void
repo(const char *name)
{
    make_dirs(at(REPOS "%s/_manifests", name));
}


static void
unrepo(const char *name)
{
    (void) nftw(at(REPOS "%s", name), root_remove_one, 32,
                FTW_DEPTH|FTW_PHYS);
}


static const char *
page_of(reg_store_t *store, const char *query, char *text, size_t size)
{
    char         scratch[1024];
    reg_op_t     op;
    reg_page_t   pg;
    reg_error_t  e;

    reg_error_clear(&e);

    if (reg_route_parse(&op, REG_METHOD_GET, reg_str("/v2/_catalog"),
                        reg_str_of(query), scratch, &e)
        != REG_OK)
    {
        return "bad query";
    }

    reg_page_init(&pg, &op);

    if (reg_catalog_page(store, &op, &pg, may_list, NULL, &e) != REG_OK) {
        (void) snprintf(text, size, "error %s", strerror(e.sys));

    } else {
        page_text(&pg, "repositories", text, size);
    }

    page_note(&pg);

    reg_page_free(&pg);

    return text;
}


static const char *
page(const char *query)
{
    static char  text[1 << 20];

    return page_of(s, query, text, sizeof(text));
}


static void
test_empty(void)
{
    is(reg_str_of(page("")), "", "an empty store");
    make_dirs(at(REPOS));
    is(reg_str_of(page("")), "", "an empty directory");
}


static void
test_order(void)
{
    size_t  i;

    static const char  *const names[] = {
        "b/c/d", "a", "z/y/x", "a/b", "a-b", "a.b", "0", "a/b/c", "ab", "a_b",
        "a__b", "a0", "a-b/c"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (i % 2) {
            repo(names[i]);

        } else {
            make_dirs(at(REPOS "%s/_layers/sha256", names[i]));
        }
    }

    is(reg_str_of(page("")),
       "0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d z/y/x",
       "in the order of bytes, of both kinds");
    is(reg_str_of(last_link), "", "all of them: no Link");
}


static void
test_pages(void)
{
    size_t  i;

    static const struct {
        const char  *query;
        const char  *want;
        const char  *link;
    } rows[] = {
        { "n=3", "0 a a-b", "</v2/_catalog?n=3&last=a-b>; rel=\"next\"" },
        { "n=2&last=a-b", "a-b/c a.b",
          "</v2/_catalog?n=2&last=a.b>; rel=\"next\"" },
        { "n=1&last=a.b", "a/b",
          "</v2/_catalog?n=1&last=a%2Fb>; rel=\"next\"" },
        { "n=12", "0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d",
          "</v2/_catalog?n=12&last=b%2Fc%2Fd>; rel=\"next\"" },
        { "n=13", "0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d z/y/x",
          "" },
        { "last=b/c", "b/c/d z/y/x", "" },
        { "last=b/c/d", "z/y/x", "" },
        { "last=z/y/x", "", "" },
        { "last=zzz", "", "" },
        { "last=/", "0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d z/y/x",
          "" },
        { "last=../..",
          "0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d z/y/x", "" },
        { "last=%ff", "", "" },
        { "n=0", "", "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is(reg_str_of(page(rows[i].query)), rows[i].want, rows[i].query);
        is(reg_str_of(last_link), rows[i].link, "its Link");
    }
}


static int
may_see(void *ctx, reg_str_t name)
{
    (void) ctx;

    return !reg_str_starts(name, reg_str("a"));
}


/* R4: what may not be seen leaves no gap and stands in no Link. */

static void
test_hidden(void)
{
    may_list = may_see;

    is(reg_str_of(page("")), "0 b/c/d z/y/x", "without those");
    is(reg_str_of(page("n=2")), "0 b/c/d", "a page is full all the same");
    is(reg_str_of(last_link),
       "</v2/_catalog?n=2&last=b%2Fc%2Fd>; rel=\"next\"", "its Link");
    is(reg_str_of(page("n=3")), "0 b/c/d z/y/x", "exactly as many");
    is(reg_str_of(last_link), "", "no Link");

    may_list = NULL;
}


static void
test_what_is_none(void)
{
    char  name[300];

    make_dirs(at(REPOS "none"));
    make_dirs(at(REPOS "uploads/_uploads/x"));
    make_dirs(at(REPOS "Upper/_manifests"));
    make_dirs(at(REPOS ".nfs1/_manifests"));
    make_dirs(at(REPOS "_manifests"));
    make_dirs(at(REPOS "a/_unknown/b/_manifests"));
    spit(at(REPOS "stray"), "x");
    spit(at(REPOS "file/_manifests"), "x");
    repo("outside");
    (void) rename(at(REPOS "outside"), at("outside"));
    make_symlink(at("outside"), at(REPOS "symlink"));

    memset(name, 'x', sizeof(name));
    name[120] = '/';
    name[240] = '/';
    name[260] = '\0';
    repo(name);

    is(reg_str_of(page("")),
       "0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d z/y/x",
       "A110 F35 what is no repository is not listed");

    (void) unlink(at(REPOS "symlink"));
}


static void
test_changes(void)
{
    int           i, bad;
    char          text[4096];
    reg_store_t  *other;

    static const char  *const names[] = {
        "new", "a/new", "a/b/new", "b/new", "a-b/d/e", "z/z/z/z"
    };

    other = store_open();
    bad = 0;

    for (i = 0; i < 24; i++) {

        if (i % 3 == 0) {
            (void) usleep(60000);
        }

        (void) page("");
        bad += (last_count != 13);

        repo(names[i % 6]);
        (void) page("");
        bad += (last_count != 14);
        (void) page_of(other, "n=14", text, sizeof(text));
        bad += (last_count != 14);

        (void) snprintf(text, sizeof(text), "%s/_manifests", names[i % 6]);
        unrepo(text);
        (void) page("");
        bad += (last_count != 13);
        unrepo(names[i % 6]);
        (void) page_of(other, "n=14", text, sizeof(text));
        bad += (last_count != 13);
    }

    is_num(bad, 0, "what was made or removed is seen at once");

    unrepo("z");
    is(reg_str_of(page("last=b")), "b/c/d", "a whole branch goes");
    repo("z/y/x");
    is(reg_str_of(page("last=b")), "b/c/d z/y/x", "and comes back");

    (void) rename(at(V2 "repositories"), at("put-away"));
    is(reg_str_of(page("")), "", "all goes");
    (void) rename(at("put-away"), at(V2 "repositories"));
    (void) page("");
    is_num((long long) last_count, 13, "all comes back");

    reg_store_close(other);
}


/* A new name that is behind last, below one that is before it. */

static void
test_nested_changes(void)
{
    char    query[64];
    size_t  i;

    static const struct {
        const char  *last;
        const char  *name;
    } rows[] = {
        { "a", "a/0" },
        { "a-b", "a/0" },
        { "a-b/c", "a/0" },
        { "a.b", "a/0" },
        { "a-", "a-b/0" },
        { "a-b", "a-b/0" },
        { "a/b", "a/b/0" },
        { "a/a", "a/b/0" },
        { "", "a/b/0" },
        { "b", "b/c/0" },
        { "b/c", "b/c/0" },
        { "b/c-x", "b/c/0" },
        { "z/y-", "z/y/0" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void) usleep(60000);
        (void) page("");                    /* all is settled and known */
        (void) usleep(60000);
        (void) page("");

        repo(rows[i].name);
        (void) snprintf(query, sizeof(query), "n=100&last=%s", rows[i].last);
        ok(strstr(page(query), rows[i].name) != NULL,
           "%s, with last=%s", rows[i].name, rows[i].last);

        unrepo(rows[i].name);
    }
}


static reg_rc_t
walk_one(void *ctx, reg_str_t name)
{
    char  *text;

    text = ctx;

    (void) snprintf(text + strlen(text), 256 - strlen(text), "%.*s ",
                    (int) name.len, name.data);

    return reg_str_eq(name, reg_str("a0")) ? REG_BUSY : REG_OK;
}


static void
test_walk(void)
{
    char  text[256];

    text[0] = '\0';
    is_num(reg_catalog_walk(s, reg_str("a.b"), walk_one, text, NULL),
           REG_BUSY, "walk ends with what the function says");
    is(reg_str_of(text), "a.b a/b a/b/c a0 ", "from a name on");

    text[0] = '\0';
    is_num(reg_catalog_walk(s, reg_str("a_c"), walk_one, text, NULL), REG_OK,
           "walk to the end");
    is(reg_str_of(text), "ab b/c/d z/y/x ", "from between two");

    is_num(reg_catalog_scan(s, NULL), REG_OK, "scan");
}


/* A tree of some hundred names, changed at random and asked in pages. */

static void
test_random(void)
{
    int             i, j, k, n, bad;
    char           *p, *end;
    char            name[64], have[216][32], text[1 << 14], query[64];
    uint64_t        x;
    unsigned char   there[216];

    memset(there, 0, sizeof(there));
    x = 88172645463325252u;
    bad = 0;

    for (i = 0; i < 216; i++) {
        (void) snprintf(have[i], sizeof(have[i]), "r%c%c%s%c",
                        "0a"[i / 108], "-./"[(i / 36) % 3],
                        (i / 6) % 6 ? (i / 6) % 6 % 2 ? "q/" : "q-" : "q",
                        "abcdef"[i % 6]);
    }

    for (n = 0; n < 150; n++) {

        for (k = 0; k < 6; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            i = (int) (x % 216);

            if (there[i]) {
                (void) snprintf(name, sizeof(name), "%.31s/_manifests",
                                have[i]);
                unrepo(name);

                if (x & 0x10000) {
                    (void) rmdir(at(REPOS "%s", have[i]));
                }

            } else {
                repo(have[i]);
            }

            /* several rows may give one name */

            for (j = 0; j < 216; j++) {
                if (strcmp(have[j], have[i]) == 0 && j != i) {
                    there[j] = !there[i];
                }
            }

            there[i] = !there[i];
        }

        if (n % 10 == 0) {
            (void) usleep(55000);
        }

        /* pages of seven must give exactly what is there */

        text[0] = '\0';
        p = text;
        (void) snprintf(query, sizeof(query), "n=7&last=r");

        do {
            (void) page_of(s, query, p, sizeof(text) - (size_t) (p - text));
            p += strlen(p);
            *p++ = ' ';
            *p = '\0';

            if (last_link[0] != '\0') {
                end = strchr(last_link, '>');
                *end = '\0';
                (void) snprintf(query, sizeof(query), "n=7&last=%s",
                                strstr(last_link, "last=") + 5);
            }
        } while (last_link[0] != '\0' && p < text + sizeof(text) - 1000);

        for (i = 0; i < 216; i++) {
            (void) snprintf(name, sizeof(name), "%.31s ", have[i]);
            p = strstr(text, name);

            /* a name at the beginning of a word */

            while (p != NULL && p != text && p[-1] != ' ') {
                p = strstr(p + 1, name);
            }

            bad += ((p != NULL) != there[i]);
        }
    }

    is_num(bad, 0, "pages of a tree that changes at random");
}


static void *
reader(void *ctx)
{
    int       i;
    char      text[1 << 14];
    intptr_t  bad;

    (void) ctx;
    bad = 0;

    for (i = 0; i < 60; i++) {
        (void) page_of(s, "n=2", text, sizeof(text));
        bad += (strcmp(text, "0 a") != 0);
    }

    return (void *) bad;
}


static void *
maker(void *ctx)
{
    int   i;
    char  name[32];

    (void) ctx;

    for (i = 0; i < 60; i++) {
        (void) snprintf(name, sizeof(name), "a/t%d", i);
        repo(name);

        if (i % 2) {
            unrepo(name);
        }
    }

    return NULL;
}


static void
test_threads(void)
{
    int        i;
    void      *rc;
    intptr_t   bad;
    pthread_t  threads[5];

    bad = 0;

    for (i = 0; i < 5; i++) {
        (void) pthread_create(&threads[i], NULL, i ? reader : maker, NULL);
    }

    for (i = 0; i < 5; i++) {
        (void) pthread_join(threads[i], &rc);
        bad += (intptr_t) rc;
    }

    is_num(bad, 0, "four readers and one who makes repositories");
    (void) page("last=a/t");
    ok(strstr(page("last=a/t"), "a/t58") != NULL
       && strstr(page("last=a/t"), "a/t59") == NULL, "all is right after it");
}


/* Names of those that are gone are let go of when they are most of all. */

static void
test_many_gone(void)
{
    int     i, round, bad;
    char    name[224], want[1 << 15];
    size_t  len;

    bad = 0;

    for (round = 0; round < 3; round++) {
        len = 0;
        want[0] = '\0';

        for (i = 0; i < 800; i++) {
            (void) snprintf(name, sizeof(name), "z%03d%0200d", i, round);
            repo(name);
        }

        (void) page("last=z&n=1000");

        for (i = 0; i < 800; i++) {
            (void) snprintf(name, sizeof(name), "z%03d%0200d", i, round);

            if (i % 8 != round) {
                unrepo(name);
                continue;
            }

            len += (size_t) snprintf(want + len, sizeof(want) - len, "%s%s",
                                     len ? " " : "", name);
        }

        bad += (strcmp(page("last=z/z&n=1000"), want) != 0);
        bad += (strcmp(page("last=z/z&n=1000"), want) != 0);

        for (i = round; i < 800; i += 8) {
            (void) snprintf(name, sizeof(name), "z%03d%0200d", i, round);
            unrepo(name);
        }
    }

    is_num(bad, 0, "many are made and removed, again and again");
    is(reg_str_of(page("last=z/z")), "", "and nothing is left of them");
}
