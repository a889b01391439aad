
#include "reg_test_page.h"

#include "reg_tags.h"

#include <pthread.h>


#define TAGS  REPOS "tags/app/_manifests/tags/"


static void test_empty(void);
static void test_order(void);
static void test_pages(void);
static void test_what_is_no_tag(void);
static void test_many(void);
static void test_changes(void);
static void test_cache(void);
static void test_walk(void);
static void test_alloc_free(void);
static void test_threads(void);
static const char *page(const char *name, const char *query);
static void tag(const char *name, const char *tag);
static void untag(const char *name, const char *tag);


static reg_store_t   *s;
static reg_digest_t   target;


int
main(void)
{
    root_make();
    s = store_open();

    target = digest_of(REG_SHA256, reg_str("x"));

    test_empty();
    test_order();
    test_pages();
    test_what_is_no_tag();
    test_many();
    test_changes();
    test_cache();
    test_walk();
    test_alloc_free();
    test_threads();

    reg_store_close(s);

    return done_testing();
}


static void
tag(const char *name, const char *t)
{
    spit(at(REPOS "%s/_manifests/tags/%s/current/link", name, t),
         target.text);
}


static void
untag(const char *name, const char *t)
{
    (void) nftw(at(REPOS "%s/_manifests/tags/%s", name, t), root_remove_one,
                32, FTW_DEPTH|FTW_PHYS);
}


/* The tags of a page, or its error, as text: "a b c". */

static const char *
page_of(reg_store_t *store, const char *name, const char *query, char *text,
    size_t size)
{
    char         path[512], scratch[512];
    json_t      *json;
    reg_op_t     op;
    reg_rc_t     rc;
    reg_page_t   pg;
    reg_error_t  e;

    reg_error_clear(&e);

    (void) snprintf(path, sizeof(path), "/v2/%s/tags/list", name);

    if (reg_route_parse(&op, REG_METHOD_GET, reg_str_of(path),
                        reg_str_of(query), scratch, &e)
        != REG_OK)
    {
        return "bad query";
    }

    reg_page_init(&pg, &op);
    rc = reg_tags_page(store, &op, &pg, &e);

    page_note(&pg);

    if (rc != REG_OK) {
        (void) snprintf(text, size, "%s", reg_error_code(rc));

    } else {
        page_text(&pg, "tags", text, size);

        json = json_loadb(pg.body.data, pg.body.len, 0, NULL);

        if (strcmp(json_string_value(json_object_get(json, "name")), name)
            != 0)
        {
            (void) snprintf(text, size, "bad name");
        }

        json_decref(json);
    }

    reg_page_free(&pg);

    return text;
}


static const char *
page(const char *name, const char *query)
{
    static char  text[65536];

    return page_of(s, name, query, text, sizeof(text));
}


static void
test_empty(void)
{
    is(reg_str_of(page("nowhere", "")), "NAME_UNKNOWN", "no repository");

    make_dirs(at(REPOS "blobs/only/_layers"));
    is(reg_str_of(page("blobs/only", "")), "", "a repository without tags");
    is(reg_str_of(page("blobs", "")), "NAME_UNKNOWN",
       "what stands above one is none");

    make_dirs(at(REPOS "uploads/only/_uploads"));
    is(reg_str_of(page("uploads/only", "")), "NAME_UNKNOWN",
       "uploads make no repository");

    make_dirs(at(REPOS "hollow/_manifests/tags"));
    is(reg_str_of(page("hollow", "")), "", "an empty directory of tags");
}


static void
test_order(void)
{
    size_t  i;

    static const char  *const names[] = {
        "b", "a", "B", "10", "9", "a.b", "a-b", "a_b", "ab", "_x", "Z"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tag("tags/app", names[i]);
    }

    is(reg_str_of(page("tags/app", "")), "10 9 B Z _x a a-b a.b a_b ab b",
       "in the order of bytes");
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
        { "n=3", "10 9 B",
          "</v2/tags/app/tags/list?n=3&last=B>; rel=\"next\"" },
        { "n=3&last=B", "Z _x a",
          "</v2/tags/app/tags/list?n=3&last=a>; rel=\"next\"" },
        { "n=10", "10 9 B Z _x a a-b a.b a_b ab",
          "</v2/tags/app/tags/list?n=10&last=ab>; rel=\"next\"" },
        { "n=11", "10 9 B Z _x a a-b a.b a_b ab b", "" },
        { "n=100", "10 9 B Z _x a a-b a.b a_b ab b", "" },
        { "last=a_b", "ab b", "" },
        { "last=a_c", "ab b", "" },
        { "last=b", "", "" },
        { "last=zzz", "", "" },
        { "last=0", "10 9 B Z _x a a-b a.b a_b ab b", "" },
        { "n=0", "", "" },
        { "n=0&last=a", "", "" },
        { "n=1&last=%ff", "", "" },
        { "n=99999999999999999999", "10 9 B Z _x a a-b a.b a_b ab b", "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is(reg_str_of(page("tags/app", rows[i].query)), rows[i].want,
           rows[i].query);
        is(reg_str_of(last_link), rows[i].link, "its Link");
    }
}


/* F13, F35, F40: listed is what a GET would find. */

static void
test_what_is_no_tag(void)
{
    tag("odd", "good");
    spit(at(REPOS "odd/_manifests/tags/stray"), "x");
    make_dirs(at(REPOS "odd/_manifests/tags/hollow/current"));
    spit(at(REPOS "odd/_manifests/tags/empty/current/link"), "");
    spit(at(REPOS "odd/_manifests/tags/garbage/current/link"), "garbage");
    spit(at(REPOS "odd/_manifests/tags/link.0.tmp/current/x"), "");
    spit(at(REPOS "odd/_manifests/tags/.nfs0001/current/link"),
         target.text);
    spit(at(REPOS "odd/_manifests/tags/bad:name/current/link"),
         target.text);
    make_symlink("good", at(REPOS "odd/_manifests/tags/symlink"));
    make_dirs(at(REPOS "odd/_manifests/tags/planted"));
    make_symlink("../good/current",
                 at(REPOS "odd/_manifests/tags/planted/current"));

    is(reg_str_of(page("odd", "")), "good", "F40 one of many is a tag");
    is(reg_str_of(page("odd", "n=1")), "good", "F40 a page of it");
    is(reg_str_of(last_link), "", "F40 nothing more is promised");
}


/* A68 */

static void
test_many(void)
{
    int       i, seen, sorted;
    char      name[32], query[64];
    const char  *list, *p;

    for (i = 0; i < 2000; i++) {
        (void) snprintf(name, sizeof(name), "t%04d", (i * 7919) % 2000);
        tag("many", name);
    }

    for (i = 0; i < 3; i++) {
        list = page("many", "");
        ok(last_count == 2000, "A68 2,000 tags, asked %d times", i + 1);
        (void) usleep(60000);
    }

    ok(strncmp(list, "t0000 t0001 ", 12) == 0
       && strcmp(list + strlen(list) - 11, "t1998 t1999") == 0,
       "A68 in order");

    /* each exactly once, over all pages */

    seen = 0;
    sorted = 1;
    (void) snprintf(query, sizeof(query), "n=37");

    do {
        for (p = page("many", query); *p != '\0'; p += 5 + (p[5] == ' ')) {
            (void) snprintf(name, sizeof(name), "t%04d", seen++);
            sorted &= (strncmp(p, name, 5) == 0);
        }

        (void) snprintf(query, sizeof(query), "n=37&last=%.5s",
                        strstr(last_link, "last=")
                        ? strstr(last_link, "last=") + 5 : "");
    } while (last_link[0] != '\0');

    ok(seen == 2000 && sorted, "A68 each once, by pages of 37 (%d)", seen);
}


/* Right at once, however the list was kept. */

static void
test_changes(void)
{
    int          i, bad;
    char         text[256];
    reg_store_t  *other;

    other = store_open();
    bad = 0;

    for (i = 0; i < 40; i++) {
        (void) snprintf(text, sizeof(text), "base%02d", i);
        tag("change", text);
    }

    (void) usleep(60000);

    for (i = 0; i < 20; i++) {

        /* now and then the list is old enough to be kept */

        if (i % 4 == 0) {
            (void) usleep(60000);
        }

        (void) page("change", "");
        bad += (last_count != 40);

        tag("change", "zz-new");
        bad += (strcmp(page("change", "last=base39"), "zz-new") != 0);
        bad += (strcmp(page_of(other, "change", "last=base39", text,
                               sizeof(text)), "zz-new") != 0);

        untag("change", "zz-new");
        bad += (strcmp(page("change", "last=base39"), "") != 0);
        bad += (strcmp(page_of(other, "change", "last=base39", text,
                               sizeof(text)), "") != 0);
    }

    is_num(bad, 0, "what was added or removed is seen at once");

    /* a directory that was replaced by another */

    (void) usleep(60000);
    (void) page("change", "");
    (void) rename(at(REPOS "change/_manifests/tags"), at("put-away"));
    tag("change", "alone");
    is(reg_str_of(page("change", "")), "alone", "another directory");
    reg_store_close(other);
}


/* More lists than there is room for. */

static void
test_cache(void)
{
    int          i, k, n, bad;
    char         name[32], t[REG_TAG_MAX + 1];
    reg_store_t  *other;

    other = s;
    s = store_open();
    bad = 0;

    memset(t, 'x', REG_TAG_MAX);
    t[REG_TAG_MAX] = '\0';

    for (i = 0; i < 6; i++) {
        (void) snprintf(name, sizeof(name), "cache%d", i);

        for (k = 0; k < 40; k++) {
            t[0] = (char) ('A' + k % 26);
            t[1] = (char) ('a' + k / 26);
            tag(name, t);
        }
    }

    (void) usleep(60000);

    for (n = 0; n < 3; n++) {
        for (i = 0; i < 6; i++) {
            (void) snprintf(name, sizeof(name), "cache%d", i);
            (void) page(name, "");
            bad += (last_count != 40);
        }
    }

    is_num(bad, 0, "lists that come and go in the cache");

    reg_store_close(s);
    s = other;
}


static reg_rc_t
walk_one(void *ctx, reg_str_t name, const reg_digest_t *d)
{
    char  *text;

    text = ctx;

    if (reg_str_eq(name, reg_str("stop"))) {
        return REG_BUSY;
    }

    if (!reg_digest_eq(d, &target)) {
        return REG_INTERNAL;
    }

    (void) snprintf(text + strlen(text), 256 - strlen(text), "%.*s ",
                    (int) name.len, name.data);

    return REG_OK;
}


static void
test_walk(void)
{
    char  text[256];

    text[0] = '\0';
    is_num(reg_tags_walk(s, reg_str("tags/app"), walk_one, text, NULL),
           REG_OK, "walk");
    is(reg_str_of(text), "10 9 B Z _x a a-b a.b a_b ab b ", "in order");

    text[0] = '\0';
    is_num(reg_tags_walk(s, reg_str("odd"), walk_one, text, NULL), REG_OK,
           "walk over odd ones");
    is(reg_str_of(text), "good ", "leaves them out");

    tag("stops", "a");
    tag("stops", "stop");
    tag("stops", "z");
    text[0] = '\0';
    is_num(reg_tags_walk(s, reg_str("stops"), walk_one, text, NULL),
           REG_BUSY, "walk ends with what the function says");
    is(reg_str_of(text), "a ", "at once");

    is_num(reg_tags_walk(s, reg_str("nowhere"), walk_one, text, NULL),
           REG_OK, "no repository, no tags");
}


/* A handle that saw many lists gives all of them back (with sanitizers). */

static void
test_alloc_free(void)
{
    char          text[256];
    reg_store_t  *other;

    other = store_open();
    (void) page_of(other, "many", "n=1", text, sizeof(text));
    is(reg_str_of(text), "t0000", "a page by a handle of its own");
    reg_store_close(other);
}


static void *
reader(void *ctx)
{
    int       i;
    char      text[4096];
    intptr_t  bad;

    bad = 0;

    for (i = 0; i < 40; i++) {
        (void) page_of(s, ctx, "n=20&last=base", text, sizeof(text));
        bad += (strncmp(text, "base00 base01 ", 14) != 0);
    }

    return (void *) bad;
}


static void *
changer(void *ctx)
{
    int  i;

    for (i = 0; i < 60; i++) {
        tag(ctx, "zz");
        (void) usleep(i % 3 ? 1000 : 55000);
        untag(ctx, "zz");
    }

    return NULL;
}


static void
test_threads(void)
{
    int        i;
    char       text[32];
    void      *rc;
    intptr_t   bad;
    pthread_t  threads[5];

    for (i = 0; i < 40; i++) {
        (void) snprintf(text, sizeof(text), "base%02d", i);
        tag("threads", text);
    }

    (void) usleep(60000);
    bad = 0;

    for (i = 0; i < 5; i++) {
        (void) pthread_create(&threads[i], NULL, i ? reader : changer,
                              (void *) "threads");
    }

    for (i = 0; i < 5; i++) {
        (void) pthread_join(threads[i], &rc);
        bad += (intptr_t) rc;
    }

    is_num(bad, 0, "four readers and one who changes the list");
}
