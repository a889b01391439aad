
/* What a slice of a list of referrers may do, and what none does again. */


#include "reg_test_store.h"

#include "reg_referrers_private.h"


#define SMALL  (16 * 1024)
#define OTHER  "application/vnd.other"


static void test_remembered(void);
static void test_slices(void);
static void test_large(void);
static void test_rest(void);
static void test_lost(void);
static void test_cut(void);


static reg_store_t         *s;
static const reg_driver_t  *real;
static reg_driver_t         counting;
static size_t               reads;         /* of manifests */
static size_t               most;          /* of them in one slice */
static size_t               dearest;       /* bytes of them in one slice */
static size_t               bytes;
static size_t               slices;
static size_t               asked;         /* slices that told their need */
static int                  resting;
static uint64_t             limit;         /* of a page; 0: its own */
static char                 last_link[2048];


static reg_rc_t
count_read(reg_store_t *st, const char *path, size_t max, reg_buf_t *out,
    reg_error_t *e)
{
    reg_rc_t  rc;

    rc = real->read(st, path, max, out, e);

    if (strstr(path, "/blobs/") != NULL) {
        reads++;
        bytes += out->len;
    }

    return rc;
}


static void
open_counting(void)
{
    s = store_open();
    real = s->driver;
    counting = *real;
    counting.read = count_read;
    s->driver = &counting;
}


/* The handle of a process that has seen nothing. */

static void
open_again(void)
{
    s->driver = real;
    reg_store_close(s);
    open_counting();
}


int
main(void)
{
    root_make();
    open_counting();

    test_remembered();
    test_slices();
    test_large();
    test_rest();
    test_lost();
    test_cut();

    s->driver = real;
    reg_store_close(s);

    return done_testing();
}


/* A referrer of so many bytes, put there as another registry does. */

static void
refer(const char *name, const reg_digest_t *subject, int n, size_t len)
{
    char          *text;
    size_t         used;
    reg_path_t     path;
    reg_digest_t   d;

    text = malloc(len + 1024);

    used = (size_t) sprintf(text, "{\"schemaVersion\":2,\"mediaType\":\""
                            REG_TYPE_OCI_INDEX "\",\"manifests\":[],"
                            "\"artifactType\":\"a/b\",\"annotations\":{"
                            "\"n\":\"%d\"},\"subject\":{\"mediaType\":\""
                            REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\","
                            "\"size\":10},\"x\":\"", n, subject->text);

    while (used < len) {
        text[used++] = 'p';
    }

    used += (size_t) sprintf(text + used, "\"}");

    reg_digest_of(&d, REG_SHA256, text, used);

    reg_layout_blob(&path, &d);
    spit_bytes(at("%s", path.s), text, used);
    reg_layout_revision(&path, reg_str_of(name), &d);
    spit(at("%s", path.s), d.text);

    free(text);
}


/* Makes a page by slices; the number of its referrers, or -1. */

static long
page(const char *name, const reg_digest_t *subject, const char *query,
    size_t large)
{
    char                    path[1024], scratch[4096];
    long                    n;
    size_t                  was, was_bytes;
    json_t                 *body;
    reg_op_t                op;
    reg_rc_t                rc;
    reg_page_t              pg;
    reg_error_t             e;
    reg_referrers_list_t   *l;
    reg_referrers_slice_t   slice;

    reg_error_clear(&e);

    (void) snprintf(path, sizeof(path), "/v2/%s/referrers/%s", name,
                    subject->text);

    if (reg_route_parse(&op, REG_METHOD_GET, reg_str_of(path),
                        reg_str_of(query), scratch, &e)
        != REG_OK)
    {
        bail("query");
    }

    reg_page_init(&pg, &op);

    if (limit != 0) {
        pg.limit = limit;
    }

    if (reg_referrers_open(&l, s, &op, &pg, &e) != REG_OK) {
        bail("reg_referrers_open");
    }

    reads = 0;
    bytes = 0;
    most = 0;
    dearest = 0;
    slices = 0;
    asked = 0;
    slice.need = 0;

    do {
        was = reads;
        was_bytes = bytes;

        rc = reg_referrers_slice(l, slice.need > large ? slice.need : large,
                                 &slice, &e);
        slices++;
        asked += (slice.more && slice.need > large);

        if (reads - was > most) {
            most = reads - was;
        }

        if (bytes - was_bytes > dearest) {
            dearest = bytes - was_bytes;
        }

        if (resting) {
            reg_referrers_rest(l);
        }

    } while (rc == REG_OK && slice.more && slices < 100000);

    reg_referrers_close(l);

    (void) snprintf(last_link, sizeof(last_link), "%.*s", (int) pg.link.len,
                    pg.link.data ? pg.link.data : "");

    n = -1;

    if (rc == REG_OK) {
        body = json_loadb(pg.body.data, pg.body.len, 0, NULL);
        n = (long) json_array_size(json_object_get(body, "manifests"));
        json_decref(body);
    }

    reg_page_free(&pg);

    return n;
}


static void
test_remembered(void)
{
    int           i;
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("remembered"));

    for (i = 0; i < 20; i++) {
        refer("seen", &subject, i, 1000);
    }

    is_num(page("seen", &subject, "", SMALL), 20, "twenty");
    is_num((long long) reads, 20, "each of them is read once");

    is_num(page("seen", &subject, "", SMALL), 20, "and again");
    is_num((long long) reads, 0, "A48 what was seen is not read again");

    is_num(page("seen", &subject, "artifactType=" OTHER, SMALL), 0,
           "of another type");
    is_num((long long) reads, 0, "A48 nor is it for a filter");

    refer("seen", &subject, 20, 1000);
    is_num(page("seen", &subject, "artifactType=a/b", SMALL), 21, "one more");
    is_num((long long) reads, 1, "is read alone");
}


static void
test_slices(void)
{
    int           i;
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("sliced"));

    for (i = 0; i < 200; i++) {
        refer("slices", &subject, i, 700);
    }

    is_num(page("slices", &subject, "", SMALL), 200, "two hundred");
    is_num((long long) most, REG_REFERRERS_READS,
           "a slice reads no more than some");
    ok(slices >= 200 / REG_REFERRERS_READS, "there are several");
    is_num((long long) asked, 0, "none of them was large");

    is_num(page("slices", &subject, "", SMALL), 200, "again");
    is_num((long long) slices, 1, "at once");

    (void) usleep(60000);
    (void) page("slices", &subject, "", SMALL);
    open_again();

    is_num(page("slices", &subject, "artifactType=" OTHER, SMALL), 0,
           "none of a type");
    is_num((long long) reads, 200, "each of them is read");
    is_num((long long) most, REG_REFERRERS_READS, "in slices");
}


static void
test_large(void)
{
    int           i;
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("large"));

    for (i = 0; i < 12; i++) {
        refer("large", &subject, i, (i % 2) ? 300000 : 700);
    }

    is_num(page("large", &subject, "", SMALL), 12, "some large ones");
    is_num((long long) asked, 6, "A48 each of them has a slice asked for it");
    ok(dearest <= REG_REFERRERS_BYTES,
       "A48 a slice reads no more bytes than it may (%zu)", dearest);

    /* the next one may be larger than a slice */

    refer("large", &subject, i, 3 * REG_REFERRERS_BYTES);
    is_num(page("large", &subject, "", SMALL), 13, "a very large one");
    is_num((long long) most, 1, "has its slice alone");
}


/* Slices that are far apart. */

static void
test_rest(void)
{
    int           i;
    char          query[512], *p;
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("rest"));

    for (i = 0; i < 150; i++) {
        refer("rest", &subject, i, 700);
    }

    resting = 1;

    is_num(page("rest", &subject, "", SMALL), 150, "with rests, the scan");
    ok(slices > 2, "several slices");

    (void) usleep(60000);
    (void) page("rest", &subject, "", SMALL);
    open_again();

    is_num(page("rest", &subject, "", SMALL), 150, "the page");
    ok(slices > 2 && reads == 150, "several slices");

    limit = 100;
    is_num(page("rest", &subject, "", SMALL), 100, "a part of it");
    p = strstr(last_link, "last=sha256%3A");
    ok(p != NULL, "with a Link: %s", last_link);

    if (p != NULL) {
        (void) snprintf(query, sizeof(query), "%.*s", (int) strcspn(p, ">"), p);
        open_again();
        is_num(page("rest", &subject, query, SMALL), 50, "and the rest of it");
    }

    resting = 0;
    limit = 0;
}


/* F20: entries that cannot be written are not forgotten in a rest. */

static void
test_lost(void)
{
    int           i;
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("lost"));

    for (i = 0; i < 100; i++) {
        refer("lost", &subject, i, 700);
    }

    spit(at(REPOS "lost/_referrers"), "not a directory");

    resting = 1;
    is_num(page("lost", &subject, "", SMALL), 100,
           "F20 all that was found, without an index");
    resting = 0;
}


/* Where very much would have to be read the page ends early. */

static void
test_cut(void)
{
    int           i;
    char          query[1024], *p;
    long          n;
    size_t        all;
    reg_digest_t  subject;

    subject = digest_of(REG_SHA256, reg_str("cut"));

    for (i = 0; i < 36; i++) {
        refer("cut", &subject, i, 2 * 1024 * 1024);
    }

    (void) usleep(60000);
    is_num(page("cut", &subject, "", SMALL), 36, "72 MiB, the scan");
    is(reg_str_of(last_link), "", "is no page's work");
    open_again();

    is_num(page("cut", &subject, "artifactType=" OTHER, SMALL), 0,
           "a page of none");
    all = reads;
    ok(bytes < REG_REFERRERS_WORK + 4 * 1024 * 1024,
       "A48 reads no more than it may (%zu)", bytes);
    p = strstr(last_link, "last=sha256%3A");
    ok(p != NULL, "A48 and links to the rest: %s", last_link);

    if (p != NULL) {
        (void) snprintf(query, sizeof(query), "artifactType=" OTHER "&%.*s",
                        (int) strcspn(p, ">"), p);
        n = page("cut", &subject, query, SMALL);
        ok(n == 0 && last_link[0] == '\0', "where nothing is left out");
        is_num((long long) (all + reads), 36, "and nothing is read twice");
    }

    is_num(page("cut", &subject, "artifactType=" OTHER, SMALL), 0,
           "once more");
    is(reg_str_of(last_link), "", "now it is known, and the page is whole");
}
