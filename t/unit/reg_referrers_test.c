
#include "reg_test_age.h"

#include "reg_gc.h"
#include "reg_referrers.h"


#define TYPE_A   "application/vnd.example.a"
#define TYPE_B   "application/vnd.example.b"
#define SCANNED  REPOS "%s/_referrers/scanned"


static void test_none(void);
static void test_listed(void);
static void test_filter(void);
static void test_pages(void);
static void test_deleted(void);
static void test_foreign(void);
static void test_foreign_again(void);
static void test_foreign_collected(void);
static int64_t marked_until(const char *name, time_t until);
static void test_mark(void);
static void test_read_only(void);
static void test_damaged(void);
static void test_other(void);
static void test_large(void);
static void test_deleted_meanwhile(void);
static const char *page(const char *name, const reg_digest_t *subject,
    const char *query);
static reg_digest_t refer(const char *name, const reg_digest_t *subject,
    const char *type, int n);


static reg_store_t  *s;
static char          last_link[2048];
static json_t       *last_page;
static size_t        last_bytes;


int
main(void)
{
    root_make();
    s = store_open();

    test_none();
    test_listed();
    test_filter();
    test_pages();
    test_deleted();
    test_foreign();
    test_foreign_again();
    test_foreign_collected();
    test_mark();
    test_read_only();
    test_damaged();
    test_other();
    test_large();
    test_deleted_meanwhile();

    json_decref(last_page);
    reg_store_close(s);

    return done_testing();
}


/* The digests of a page, each by its first four digits. */

static const char *
page(const char *name, const reg_digest_t *subject, const char *query)
{
    char         path[1024], scratch[1024];
    size_t       i, n;
    reg_op_t     op;
    reg_rc_t     rc;
    json_t      *list;
    reg_page_t   pg;
    const char  *d;
    reg_error_t  e;

    static char  text[4096];

    reg_error_clear(&e);

    (void) snprintf(path, sizeof(path), "/v2/%s/referrers/%s", name,
                    subject->text);

    if (reg_route_parse(&op, REG_METHOD_GET, reg_str_of(path),
                        reg_str_of(query), scratch, &e)
        != REG_OK)
    {
        return "bad query";
    }

    reg_page_init(&pg, &op);
    rc = reg_referrers_page(s, &op, &pg, &e);

    text[0] = '\0';
    last_bytes = pg.body.len;

    (void) snprintf(last_link, sizeof(last_link), "%.*s", (int) pg.link.len,
                    pg.link.data ? pg.link.data : "");

    json_decref(last_page);
    last_page = NULL;

    if (rc != REG_OK) {
        (void) snprintf(text, sizeof(text), "%s", reg_error_code(rc));

    } else {
        last_page = json_loadb(pg.body.data, pg.body.len, 0, NULL);
        list = json_object_get(last_page, "manifests");

        if (!json_is_array(list)
            || json_integer_value(json_object_get(last_page, "schemaVersion"))
               != 2
            || strcmp(json_string_value(json_object_get(last_page,
                                                        "mediaType")),
                      REG_TYPE_OCI_INDEX) != 0)
        {
            (void) snprintf(text, sizeof(text), "bad body");
        }

        for (i = 0; i < json_array_size(list) && i < 500; i++) {
            d = json_string_value(json_object_get(json_array_get(list, i),
                                                  "digest"));
            n = strlen(text);
            (void) snprintf(text + n, sizeof(text) - n, "%s%.4s",
                            i ? " " : "", strchr(d, ':') + 1);
        }
    }

    reg_page_free(&pg);

    return text;
}


/* A manifest that names a subject; n tells them apart. */

static reg_str_t
referrer_text(const reg_digest_t *subject, const char *type, int n)
{
    char          more[1024];
    reg_digest_t  config, layer;

    config = digest_of(REG_SHA256, reg_str("{}"));
    layer = digest_of(REG_SHA256, reg_str("layer"));

    (void) snprintf(more, sizeof(more),
                    ",\"artifactType\":\"%s\",\"annotations\":{\"n\":\"%d\"},"
                    "\"subject\":{\"mediaType\":\"" REG_TYPE_OCI_MANIFEST
                    "\",\"digest\":\"%s\",\"size\":10}",
                    type, n, subject->text);

    return image_text(&config, &layer, more);
}


static reg_digest_t
refer(const char *name, const reg_digest_t *subject, const char *type, int n)
{
    reg_digest_t  d;

    (void) push_blob(s, name, REG_SHA256, reg_str("{}"), NULL);
    (void) push_blob(s, name, REG_SHA256, reg_str("layer"), NULL);

    if (put_manifest(s, name, NULL, referrer_text(subject, type, n), &d, NULL)
        != REG_OK)
    {
        bail("put of a referrer");
    }

    return d;
}


/* A manifest that another registry puts there. */

static reg_digest_t
refer_foreign(const char *name, const reg_digest_t *subject, int n)
{
    reg_str_t     body;
    reg_path_t    path;
    reg_digest_t  d;

    body = referrer_text(subject, TYPE_A, n);
    d = digest_of(REG_SHA256, body);

    reg_layout_blob(&path, &d);
    spit_bytes(at("%s", path.s), body.data, body.len);
    reg_layout_revision(&path, reg_str_of(name), &d);
    spit(at("%s", path.s), d.text);

    return d;
}


/* What page() gives for a list of digests. */

static const char *
those(const reg_digest_t *d, size_t n)
{
    size_t         i, k, len, next;
    const char    *least;
    unsigned char  done[64];

    static char  text[4096];

    memset(done, 0, sizeof(done));
    text[0] = '\0';

    for (i = 0; i < n; i++) {
        least = NULL;
        next = 0;

        for (k = 0; k < n; k++) {
            if (!done[k] && (least == NULL || strcmp(d[k].text, least) < 0)) {
                least = d[k].text;
                next = k;
            }
        }

        done[next] = 1;
        len = strlen(text);
        (void) snprintf(text + len, sizeof(text) - len, "%s%.4s",
                        i ? " " : "", strchr(least, ':') + 1);
    }

    return text;
}


static void
test_none(void)
{
    reg_digest_t  d;

    d = digest_of(REG_SHA512, reg_str("nothing"));
    is(reg_str_of(page("nowhere", &d, "")), "", "A63 no repository");

    (void) push_image(s, "none", "v1", "", &d);
    is(reg_str_of(page("none", &d, "")), "", "A63 no referrers");
    ok(json_array_size(json_object_get(last_page, "manifests")) == 0
       && last_page != NULL, "an empty list");
    is(reg_str_of(last_link), "", "no Link");
}


static void
test_listed(void)
{
    json_t        *m;
    reg_digest_t   subject, d[3];

    subject = digest_of(REG_SHA256, reg_str("subject"));

    d[0] = refer("list", &subject, TYPE_A, 1);
    is(reg_str_of(page("list", &subject, "")), those(d, 1), "one, at once");

    m = json_array_get(json_object_get(last_page, "manifests"), 0);
    is(reg_json_str(m, "mediaType"), REG_TYPE_OCI_MANIFEST, "mediaType");
    is(reg_json_str(m, "digest"), d[0].text, "digest");
    is(reg_json_str(m, "artifactType"), TYPE_A, "artifactType");
    is(reg_json_str(json_object_get(m, "annotations"), "n"), "1",
       "annotations");
    is_num(json_integer_value(json_object_get(m, "size")),
           (long long) referrer_text(&subject, TYPE_A, 1).len, "size");

    d[1] = refer("list", &subject, TYPE_B, 2);
    d[2] = refer("list", &subject, TYPE_A, 3);
    is(reg_str_of(page("list", &subject, "")), those(d, 3),
       "three, in order");

    (void) refer("list", &subject, TYPE_A, 3);
    is(reg_str_of(page("list", &subject, "")), those(d, 3),
       "one of them again");

    /* a subject under sha512 */

    subject = digest_of(REG_SHA512, reg_str("subject"));
    d[0] = refer("list", &subject, TYPE_A, 4);
    is(reg_str_of(page("list", &subject, "")), those(d, 1),
       "a subject of sha512");
}


static void
test_filter(void)
{
    reg_digest_t  subject, d[2];

    subject = digest_of(REG_SHA256, reg_str("filtered"));

    d[0] = refer("filter", &subject, TYPE_A, 1);
    (void) refer("filter", &subject, TYPE_B, 2);
    d[1] = refer("filter", &subject, TYPE_A, 3);

    is(reg_str_of(page("filter", &subject, "artifactType=" TYPE_A)),
       those(d, 2), "of one type");
    is(reg_str_of(page("filter", &subject, "artifactType=" TYPE_A ".x")),
       "", "of none");
    is(reg_str_of(page("filter", &subject, "artifactType=application/vnd")),
       "", "a filter is no prefix");
}


/* From any of them on. */

static void
test_pages(void)
{
    int           i;
    char          all[1024], query[512];
    size_t        k;
    reg_digest_t  subject, d[20];

    subject = digest_of(REG_SHA256, reg_str("paged"));

    for (i = 0; i < 20; i++) {
        d[i] = refer("pages", &subject, i % 2 ? TYPE_A : TYPE_B, i);
    }

    (void) snprintf(all, sizeof(all), "%s", those(d, 20));
    is(reg_str_of(page("pages", &subject, "")), all, "twenty");

    for (i = 0; i < 20; i++) {
        (void) snprintf(query, sizeof(query), "last=%s", d[i].text);
        k = (size_t) (strstr(all, strchr(those(&d[i], 1), '\0') - 4) - all);
        is(reg_str_of(page("pages", &subject, query)),
           (k + 5 < strlen(all)) ? all + k + 5 : "", "those behind one");
    }

    is(reg_str_of(page("pages", &subject, "last=sha256:z")), "",
       "past the end");
    is(reg_str_of(page("pages", &subject, "last=")), all, "an empty last");
}


static void
test_deleted(void)
{
    reg_digest_t  subject, d[2], gone;

    subject = digest_of(REG_SHA256, reg_str("deleted"));

    d[0] = refer("del", &subject, TYPE_A, 1);
    gone = refer("del", &subject, TYPE_A, 2);

    is_num(reg_manifest_delete(s, reg_str("del"), &gone, NULL, NULL), REG_OK,
           "delete of a referrer");
    is(reg_str_of(page("del", &subject, "")), those(d, 1),
       "it is gone at once");
    ok(!is_there(at(REPOS "del/_referrers/sha256/%s/sha256/%s",
                    reg_digest_hex(&subject), reg_digest_hex(&gone))),
       "with its entry");

    d[1] = refer("del", &subject, TYPE_A, 2);
    is(reg_str_of(page("del", &subject, "")), those(d, 2), "and back");

    /* an entry whose revision went some other way */

    (void) nftw(at(REPOS "del/_manifests/revisions/sha256/%s",
                   reg_digest_hex(&d[1])), root_remove_one, 32,
                FTW_DEPTH|FTW_PHYS);
    is(reg_str_of(page("del", &subject, "")), those(d, 1),
       "an entry without its revision is none");
}


/* Manifests that were there before us, or that another registry brings. */

static void
test_foreign(void)
{
    int           i;
    reg_digest_t  subject, d[12];

    subject = digest_of(REG_SHA256, reg_str("foreign"));

    d[0] = refer_foreign("foreign", &subject, 0);
    d[1] = refer_foreign("foreign", &subject, 1);
    is(reg_str_of(page("foreign", &subject, "")), those(d, 2),
       "those from before us");

    (void) usleep(60000);
    is(reg_str_of(page("foreign", &subject, "")), those(d, 2), "again");
    ok(is_there(at(SCANNED, "foreign")), "the index is known to be complete");

    for (i = 2; i < 10; i++) {
        d[i] = (i % 2) ? refer("foreign", &subject, TYPE_A, i)
                       : refer_foreign("foreign", &subject, i);

        if (i % 4 == 0) {
            (void) usleep(60000);
        }

        is(reg_str_of(page("foreign", &subject, "")),
           those(d, (size_t) i + 1), "one more, by one or the other");
    }

    /* ours does not hide that the other one was there before */

    (void) usleep(60000);
    (void) page("foreign", &subject, "");
    d[10] = refer_foreign("foreign", &subject, 10);
    d[11] = refer("foreign", &subject, TYPE_A, 11);
    is(reg_str_of(page("foreign", &subject, "")), those(d, 12),
       "one by the other and one of ours, at once");
}


/* Another registry deletes a manifest by its link alone, and takes it again. */

static void
test_foreign_again(void)
{
    int           i;
    int64_t       left;
    reg_path_t    path;
    reg_digest_t  subject, d[3];

    subject = digest_of(REG_SHA256, reg_str("again"));

    d[0] = refer_foreign("again", &subject, 0);
    d[1] = refer_foreign("again", &subject, 1);

    reg_layout_revision(&path, reg_str("again"), &d[1]);
    (void) unlink(at("%s", path.s));

    (void) usleep(60000);
    is(reg_str_of(page("again", &subject, "")), those(d, 1),
       "one was deleted by another registry");
    left = marked_until("again", 0);
    ok(left > 50 && left <= 60, "the index is complete for a minute");

    d[2] = refer("again", &subject, TYPE_A, 2);
    left = marked_until("again", 0);
    ok(left > 50 && left <= 60, "with one of ours, too");

    spit(at("%s", path.s), d[1].text);

    for (i = 0; i < 2; i++) {

        /* over, or beyond what it may be: the clock was set back */

        (void) marked_until("again", (i == 0) ? 1 : time(NULL) + 70);
        (void) usleep(60000);
        is(reg_str_of(page("again", &subject, "")), those(d, 3),
           "and pushed again, into the directory that was left");

        left = marked_until("again", 0);
        ok(left < 0, "now the index is complete");

        (void) unlink(at(REPOS "again/_referrers/sha256/%s/sha256/%s/link",
                         reg_digest_hex(&subject), reg_digest_hex(&d[1])));
    }
}


/* Collects, untagged manifests, too. */

static reg_rc_t
collect(void)
{
    reg_rc_t       rc;
    reg_gc_t      *g;
    reg_gc_how_t   how;

    memset(&how, 0, sizeof(how));

    how.grace = 3600;
    how.untagged = 3600;

    rc = reg_gc_begin(&g, s, &how, NULL);

    if (rc != REG_OK) {
        return rc;
    }

    while (rc == REG_OK && !reg_gc_done(g)) {
        rc = reg_gc_step(g, NULL);
    }

    reg_gc_end(g);

    return rc;
}


/* Between the two it is collected: the directory is young, the entry is not. */

static void
test_foreign_collected(void)
{
    char          dir[512], link[512], entry[512];
    reg_path_t    path;
    reg_digest_t  subject, d[2];

    subject = digest_of(REG_SHA256, reg_str("swept"));

    d[0] = refer_foreign("swept", &subject, 0);
    d[1] = refer_foreign("swept", &subject, 1);

    reg_layout_revision(&path, reg_str("swept"), &d[1]);
    (void) snprintf(link, sizeof(link), "%s", at("%s", path.s));
    (void) snprintf(dir, sizeof(dir), "%.*s",
                    (int) (strlen(link) - sizeof("/link") + 1), link);
    reg_layout_referrers(&path, reg_str("swept"), &subject, &d[1]);
    (void) snprintf(entry, sizeof(entry), "%s", at("%s", path.s));

    (void) usleep(60000);
    is(reg_str_of(page("swept", &subject, "")), those(d, 2),
       "two of another registry");
    ok(marked_until("swept", 0) < 0 && is_there(entry),
       "the index is complete");

    age_one(entry, 7200);
    (void) unlink(link);
    is_num(collect(), REG_OK, "that deletes one, and we collect");
    ok(is_there(dir), "its directory is not old enough to go");

    (void) refer_foreign("swept", &subject, 1);
    is(reg_str_of(page("swept", &subject, "")), those(d, 2),
       "it is listed when that one has it again");

    (void) unlink(link);
    age_one(dir, 7200);
    is_num(collect(), REG_OK, "deleted for long");
    ok(!is_there(dir) && !is_there(entry), "all that was left of it goes");
    is(reg_str_of(page("swept", &subject, "")), those(d, 1), "it is gone");

    (void) refer_foreign("swept", &subject, 1);
    is(reg_str_of(page("swept", &subject, "")), those(d, 2), "and is back");
}


/*
 * The seconds for which the index of a repository holds, -1 for as long as
 * nobody pushes; first it becomes one that holds until then, if that is not 0.
 */

static int64_t
marked_until(const char *name, time_t until)
{
    char         mark[512], text[600];
    reg_str_t    was;
    const char  *lines;

    was = slurp(at(SCANNED, name));

    (void) snprintf(mark, sizeof(mark), "%.*s", (int) was.len, was.data);

    lines = mark;

    if (strncmp(mark, "until ", 6) == 0) {
        lines = strchr(mark, '\n') + 1;
    }

    if (until != 0) {
        (void) snprintf(text, sizeof(text), "until %" PRId64 "\n%s",
                        (int64_t) until, lines);
        spit(at(SCANNED, name), text);
    }

    return (lines == mark) ? -1 : atoll(mark + 6) - (int64_t) time(NULL);
}


/* Our own pushes and deletes do not make anybody scan. */

static void
test_mark(void)
{
    int           i;
    char          name[REG_PATH_MAX];
    reg_digest_t  subject, other, d[4];
    struct stat   a, b;

    subject = digest_of(REG_SHA256, reg_str("marked"));
    other = digest_of(REG_SHA256, reg_str("other"));

    d[0] = refer("mark", &subject, TYPE_A, 0);
    ok(!is_there(at(SCANNED, "mark")), "no mark before anybody asked");
    (void) usleep(60000);
    (void) page("mark", &subject, "");
    ok(is_there(at(SCANNED, "mark")), "a mark after that");

    for (i = 1; i < 4; i++) {
        d[i] = refer("mark", &subject, TYPE_A, i);
    }

    (void) reg_manifest_delete(s, reg_str("mark"), &d[3], NULL, NULL);
    (void) refer("mark", &other, TYPE_A, 9);

    /* an entry that is taken away comes back only by a scan */

    (void) snprintf(name, sizeof(name), REPOS "mark/_referrers/sha256/%s",
                    reg_digest_hex(&other));
    (void) nftw(at("%s", name), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
    is(reg_str_of(page("mark", &other, "")), "",
       "our own changes need no scan");
    is(reg_str_of(page("mark", &subject, "")), those(d, 3),
       "and nothing is missed");

    /* a mark that is torn, or of another directory, is none */

    spit(at(SCANNED, "mark"), "123");
    ok(page("mark", &other, "")[0] != '\0', "F13 a torn mark");

    (void) nftw(at("%s", name), root_remove_one, 32, FTW_DEPTH|FTW_PHYS);
    (void) stat(at(REPOS "mark/_manifests/revisions/sha256"), &a);
    (void) rename(at(REPOS "mark"), at("put-away"));
    make_dirs(at(REPOS "mark"));

    (void) snprintf(name, sizeof(name),
                    "cp -a '%s/.' '%s'", at("put-away"), at(REPOS "mark"));
    ok(system(name) == 0, "a repository is restored from a copy");
    (void) stat(at(REPOS "mark/_manifests/revisions/sha256"), &b);
    ok(a.st_mtime == b.st_mtime, "with the times it had");
    ok(page("mark", &other, "")[0] != '\0', "its mark is not believed");
}


/* F20: where no entry can be written, the answer is right all the same. */

static void
test_read_only(void)
{
    reg_digest_t  subject, d[2];

    subject = digest_of(REG_SHA256, reg_str("read-only"));

    d[0] = refer_foreign("ro", &subject, 0);
    d[1] = refer_foreign("ro", &subject, 1);
    spit(at(REPOS "ro/_referrers"), "not a directory");

    is(reg_str_of(page("ro", &subject, "")), those(d, 2),
       "F20 entries that cannot be written");
    is(reg_str_of(page("ro", &subject, "artifactType=" TYPE_A)),
       those(d, 2), "F20 filtered");
}


/* F41: revisions without bytes, or with others. */

static void
test_damaged(void)
{
    reg_str_t     text;
    reg_path_t    path;
    reg_digest_t  subject, other, d[3];

    subject = digest_of(REG_SHA256, reg_str("damaged"));

    d[0] = refer("damaged", &subject, TYPE_A, 0);
    d[1] = refer_foreign("damaged", &subject, 1);
    d[2] = refer_foreign("damaged", &subject, 2);

    reg_layout_blob(&path, &d[1]);
    spit(at("%s", path.s), "{garbage");
    reg_layout_blob(&path, &d[2]);
    (void) unlink(at("%s", path.s));
    spit(at(REPOS "damaged/_manifests/revisions/sha256/stray"), "x");
    make_dirs(at(REPOS "damaged/_manifests/revisions/sha256/short"));

    is(reg_str_of(page("damaged", &subject, "")), those(d, 1),
       "F41 the others go on");

    (void) usleep(60000);
    is(reg_str_of(page("damaged", &subject, "")), those(d, 1), "again");
    ok(!is_there(at(SCANNED, "damaged")),
       "F41 the index is not known to be complete");

    /* the disk is mounted again, or a file is copied back */

    (void) refer_foreign("damaged", &subject, 1);
    (void) refer_foreign("damaged", &subject, 2);
    is(reg_str_of(page("damaged", &subject, "")), those(d, 3),
       "F41 their bytes are back, and so are they");
    ok(is_there(at(SCANNED, "damaged")), "the index is complete");

    /* bytes that are what they should be, and no manifest, keep nobody */

    text = reg_str("[]");
    other = digest_of(REG_SHA256, text);
    reg_layout_blob(&path, &other);
    spit_bytes(at("%s", path.s), text.data, text.len);
    reg_layout_revision(&path, reg_str("damaged"), &other);
    spit(at("%s", path.s), other.text);
    (void) usleep(60000);
    (void) unlink(at(SCANNED, "damaged"));
    is(reg_str_of(page("damaged", &subject, "")), those(d, 3), "no manifest");
    ok(is_there(at(SCANNED, "damaged")), "is no reason to look again");
}


/* A94 */

static void
test_other(void)
{
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("subject"));
    is(reg_str_of(page("other", &subject, "")), "",
       "A94 the referrers of one repository are not those of another");
}


/* One page goes up to 4 MiB: clients read no second one. */

static void
test_large(void)
{
    int           i;
    char         *text, *pad;
    size_t        all;
    reg_digest_t  subject, config, layer, d;
    reg_str_t     body;

    subject = digest_of(REG_SHA256, reg_str("large"));

    (void) push_blob(s, "large", REG_SHA256, reg_str("{}"), &config);
    (void) push_blob(s, "large", REG_SHA256, reg_str("layer"), &layer);

    text = malloc(500000);
    pad = malloc(380001);
    memset(pad, 'p', 380000);
    pad[380000] = '\0';
    all = 0;

    for (i = 0; i < 15; i++) {
        (void) snprintf(text, 500000,
                        "{\"schemaVersion\":2,\"mediaType\":\""
                        REG_TYPE_OCI_MANIFEST "\",\"config\":{\"mediaType\":"
                        "\"a/b\",\"digest\":\"%s\",\"size\":2},\"layers\":[],"
                        "\"annotations\":{\"n\":\"%d\",\"pad\":\"%s\"},"
                        "\"subject\":{\"mediaType\":\"" REG_TYPE_OCI_MANIFEST
                        "\",\"digest\":\"%s\",\"size\":10}}",
                        config.text, i, pad, subject.text);
        body = reg_str_of(text);
        (void) put_manifest(s, "large", NULL, body, &d, NULL);

        (void) page("large", &subject, "");

        if (i < 10) {
            ok(json_array_size(json_object_get(last_page, "manifests"))
               == (size_t) i + 1 && last_link[0] == '\0',
               "%d of 380,000 bytes on one page", i + 1);
        }
    }

    all = json_array_size(json_object_get(last_page, "manifests"));
    ok(strstr(last_link, "last=sha256%3A") != NULL, "the Link: %.80s",
       last_link);
    ok(last_bytes <= 4 * 1024 * 1024 && all >= 10 && all < 15
       && last_link[0] != '\0', "more than 4 MiB need another (%zu on one)",
       all);

    (void) page("large", &subject, "artifactType=a%2Fb");
    ok(strstr(last_link, "artifactType=a%2Fb&last=") != NULL,
       "it keeps the filter");

    free(pad);
    free(text);
}


static const reg_driver_t  *real;


static reg_rc_t
read_and_delete(reg_store_t *st, const char *path, size_t max, reg_buf_t *out,
    reg_error_t *e)
{
    reg_rc_t  rc;

    rc = real->read(st, path, max, out, e);

    if (strstr(path, "/blobs/") != NULL) {
        st->driver = real;
        (void) reg_repo_delete(st, reg_str("meanwhile"), NULL);
    }

    return rc;
}


/* Who asks while the repository is deleted leaves nothing in its place. */

static void
test_deleted_meanwhile(void)
{
    reg_digest_t  subject;
    reg_driver_t  driver;

    subject = digest_of(REG_SHA256, reg_str("meanwhile"));
    (void) refer("meanwhile", &subject, TYPE_A, 0);
    (void) nftw(at(REPOS "meanwhile/_referrers"), root_remove_one, 32,
                FTW_DEPTH|FTW_PHYS);
    (void) usleep(60000);

    real = s->driver;
    driver = *real;
    driver.read = read_and_delete;
    s->driver = &driver;

    (void) page("meanwhile", &subject, "");
    s->driver = real;

    ok(!is_there(at(REPOS "meanwhile")),
       "a repository that is deleted while its referrers are looked for");
}
