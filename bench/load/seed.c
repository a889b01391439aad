
/*
 * Stores made on disk, in the layout that distribution and we share, for the
 * workloads that only read: it takes seconds where pushes would take minutes.
 * Nothing here is synced; it is thrown away at the end.
 */

#include "load.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


#define SEED_V2  "docker/registry/v2"
#define HEX(c)   ((c)->digest + 7)

/* seconds since what may be collected was pushed */
#define SEED_AGE   (2 * 3600)

/* layers of a manifest of less than 4 MiB; a file has as many names */
#define SEED_WIDE  20000


/* of files that are made; 0: they are new */
static time_t  seed_age;


static void seed_parents(char *path);
static int seed_open(const char *path);
static void seed_file(const char *path, const void *data, size_t len);
static void seed_link(const char *path, const content_t *c);
static void seed_mirror(const load_opt_t *opt, const content_t *c,
    const char *kind, const char *name);
static char *seed_data_path(const load_opt_t *opt, const content_t *c);
static void seed_content(const load_opt_t *opt, const content_t *c);
static void seed_layer(const load_opt_t *opt, const char *repo,
    const content_t *c);
static void seed_revision(const load_opt_t *opt, const char *repo,
    const content_t *m);
static void seed_tag(const load_opt_t *opt, const char *repo, const char *tag,
    const content_t *m);
static void seed_old(int fd, const char *path);
static char *seed_wide(const load_opt_t *opt, uint64_t from, uint64_t n);
static void seed_hex(char *hex, uint64_t i);


/* Makes the directories above a path; those that are there are quick. */

static void
seed_parents(char *path)
{
    char  *p;

    p = strrchr(path, '/');

    if (p == NULL || p == path) {
        return;
    }

    *p = '\0';

    if (mkdir(path, 0755) == -1 && errno == ENOENT) {
        seed_parents(path);

        if (mkdir(path, 0755) == -1 && errno != EEXIST) {
            die("mkdir(%s): %s", path, strerror(errno));
        }
    }

    *p = '/';
}


static int
seed_open(const char *path)
{
    int   fd;
    char *copy;

    fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0644);

    if (fd == -1 && errno == ENOENT) {
        copy = xprintf("%s", path);
        seed_parents(copy);
        free(copy);

        fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0644);
    }

    if (fd == -1) {
        die("open(%s): %s", path, strerror(errno));
    }

    return fd;
}


static void
seed_file(const char *path, const void *data, size_t len)
{
    int  fd;

    fd = seed_open(path);

    if (write(fd, data, len) != (ssize_t) len) {
        die("write(%s): %s", path, strerror(errno));
    }

    seed_old(fd, path);
    close(fd);
}


/* Whoever collects takes what is young for a push that goes on. */

static void
seed_old(int fd, const char *path)
{
    struct timespec  ts[2];

    if (seed_age == 0) {
        return;
    }

    if (clock_gettime(CLOCK_REALTIME, &ts[0]) == -1) {
        die("clock_gettime: %s", strerror(errno));
    }

    ts[0].tv_sec -= seed_age;
    ts[1] = ts[0];

    if ((fd == -1 ? utimensat(AT_FDCWD, path, ts, 0) : futimens(fd, ts))
        == -1)
    {
        die("utimensat(%s): %s", path, strerror(errno));
    }
}


static void
seed_link(const char *path, const content_t *c)
{
    seed_file(path, c->digest, CONTENT_DIGEST_LEN);
}


/* The same file under the path of its URL, for a static file server. */

static void
seed_mirror(const load_opt_t *opt, const content_t *c, const char *kind,
    const char *name)
{
    char  *from, *to;

    if (opt->mirror == NULL) {
        return;
    }

    from = seed_data_path(opt, c);
    to = xprintf("%s/v2/%s/%s/%s", opt->mirror, opt->repo, kind, name);

    seed_parents(to);

    if (link(from, to) == -1 && errno != EEXIST) {
        die("link(%s): %s", to, strerror(errno));
    }

    free(from);
    free(to);
}


static char *
seed_data_path(const load_opt_t *opt, const content_t *c)
{
    return xprintf("%s/" SEED_V2 "/blobs/sha256/%.2s/%s/data", opt->root,
                   HEX(c), HEX(c));
}


static void
seed_content(const load_opt_t *opt, const content_t *c)
{
    int                   fd;
    char                 *path;
    size_t                n;
    uint64_t              off;
    const unsigned char  *p;

    path = seed_data_path(opt, c);
    fd = seed_open(path);

    for (off = 0; off < c->size; off += n) {
        n = content_piece(c, off, 1024 * 1024, &p);

        if (write(fd, p, n) != (ssize_t) n) {
            die("write(%s): %s", path, strerror(errno));
        }
    }

    seed_old(fd, path);
    close(fd);

    /* of a blob its directory has an age, too */

    *strrchr(path, '/') = '\0';
    seed_old(-1, path);
    free(path);
}


static void
seed_layer(const load_opt_t *opt, const char *repo, const content_t *c)
{
    char  *path;

    path = xprintf("%s/" SEED_V2 "/repositories/%s/_layers/sha256/%s/link",
                   opt->root, repo, HEX(c));
    seed_link(path, c);
    free(path);
}


static void
seed_revision(const load_opt_t *opt, const char *repo, const content_t *m)
{
    char  *path;

    path = xprintf("%s/" SEED_V2 "/repositories/%s/_manifests/revisions/"
                   "sha256/%s/link", opt->root, repo, HEX(m));
    seed_link(path, m);
    free(path);
}


/* Without the tag's history (its index folder), which no read needs. */

static void
seed_tag(const load_opt_t *opt, const char *repo, const char *tag,
    const content_t *m)
{
    char  *path;

    path = xprintf("%s/" SEED_V2 "/repositories/%s/_manifests/tags/%s/"
                   "current/link", opt->root, repo, tag);
    seed_link(path, m);
    free(path);
}


void
load_seed_blob(const load_opt_t *opt)
{
    char       *seed;
    content_t   c;

    seed = xprintf("%s blob", opt->seed);
    content_random(&c, opt->size, seed);
    free(seed);

    seed_content(opt, &c);
    seed_layer(opt, opt->repo, &c);
    seed_mirror(opt, &c, "blobs", c.digest);

    printf("{\"digest\":\"%s\"}\n", c.digest);
}


void
load_seed_images(const load_opt_t *opt)
{
    char     *tag;
    size_t    i, j;
    image_t   im;

    for (i = 0; i < opt->images; i++) {
        load_image(&im, opt, i);
        tag = load_tag(i);

        for (j = 0; j < im.nblobs; j++) {
            seed_content(opt, &im.blobs[j]);
            seed_layer(opt, opt->repo, &im.blobs[j]);
            seed_mirror(opt, &im.blobs[j], "blobs", im.blobs[j].digest);
        }

        seed_content(opt, &im.manifest);
        seed_revision(opt, opt->repo, &im.manifest);
        seed_tag(opt, opt->repo, tag, &im.manifest);
        seed_mirror(opt, &im.manifest, "manifests", im.manifest.digest);
        seed_mirror(opt, &im.manifest, "manifests", tag);

        free(tag);
        image_free(&im);
    }

    printf("{\"images\":%u}\n", opt->images);
}


/* opt->count tags of one small image in opt->repo. */

void
load_seed_tags(const load_opt_t *opt)
{
    char      *tag;
    image_t    im;
    uint64_t   i;

    image_empty(&im);

    seed_content(opt, &im.blobs[0]);
    seed_content(opt, &im.manifest);
    seed_layer(opt, opt->repo, &im.blobs[0]);
    seed_revision(opt, opt->repo, &im.manifest);

    for (i = 0; i < opt->count; i++) {
        tag = load_tag(i);
        seed_tag(opt, opt->repo, tag, &im.manifest);
        free(tag);
    }

    printf("{\"tags\":%llu}\n", (unsigned long long) opt->count);
}


/* opt->count repositories, many/r000000 and so on, with one tag each. */

void
load_seed_repos(const load_opt_t *opt)
{
    char      *repo;
    image_t    im;
    uint64_t   i;

    image_empty(&im);

    seed_content(opt, &im.blobs[0]);
    seed_content(opt, &im.manifest);

    for (i = 0; i < opt->count; i++) {
        repo = xprintf("many/r%06llu", (unsigned long long) i);

        seed_layer(opt, repo, &im.blobs[0]);
        seed_revision(opt, repo, &im.manifest);
        seed_tag(opt, repo, "latest", &im.manifest);

        free(repo);
    }

    printf("{\"repositories\":%llu}\n", (unsigned long long) opt->count);
}


/*
 * opt->count images of a config and a layer, so many of them to a repository,
 * for collectors.  The manifest of every fourth was deleted: its tag and its
 * revision are not there, its three blobs and two links are garbage.
 */

void
load_seed_garbage(const load_opt_t *opt)
{
    int        kept;
    char      *repo, *tag;
    image_t    im;
    uint64_t   i, gone;

    gone = 0;
    seed_age = SEED_AGE;

    for (i = 0; i < opt->count; i++) {
        load_garbage_image(&im, opt, i);
        repo = load_garbage_repo(i);
        kept = load_garbage_kept(i);

        seed_content(opt, &im.blobs[0]);
        seed_content(opt, &im.blobs[1]);
        seed_content(opt, &im.manifest);
        seed_layer(opt, repo, &im.blobs[0]);
        seed_layer(opt, repo, &im.blobs[1]);

        if (kept) {
            tag = load_tag(i);
            seed_revision(opt, repo, &im.manifest);
            seed_tag(opt, repo, tag, &im.manifest);
            free(tag);
        }

        gone += kept ? 0 : 3;

        free(repo);
        image_free(&im);
    }

    printf("{\"blobs\":%llu,\"garbage\":%llu}\n",
           (unsigned long long) (3 * opt->count), (unsigned long long) gone);
}


/*
 * One repository with opt->count layers, named by as few manifests as can be:
 * what a collector has to remember, without the blobs, which it never reads.
 * Files are shared by many names.
 */

void
load_seed_wide(const load_opt_t *opt)
{
    char       *text, *tag;
    uint64_t    i, n;
    content_t   m;

    seed_age = SEED_AGE;

    for (i = 0; i < opt->count; i += n) {
        n = opt->count - i < SEED_WIDE ? opt->count - i : SEED_WIDE;

        text = seed_wide(opt, i, n);
        content_literal(&m, text, strlen(text));
        free(text);

        tag = load_tag(i);
        seed_content(opt, &m);
        seed_revision(opt, opt->repo, &m);
        seed_tag(opt, opt->repo, tag, &m);
        free(tag);

        content_free(&m);
    }

    printf("{\"blobs\":%llu}\n", (unsigned long long) opt->count);
}


static char *
seed_wide(const load_opt_t *opt, uint64_t from, uint64_t n)
{
    char       *text, *p, *first, *path, *link_text, hex[65];
    uint64_t    i;

    first = NULL;
    text = xalloc((size_t) (n + 2) * 200);

    seed_hex(hex, from);

    p = text + sprintf(text, "{\"schemaVersion\":2,\"mediaType\":"
                       "\"application/vnd.oci.image.manifest.v1+json\","
                       "\"config\":{\"mediaType\":"
                       "\"application/vnd.oci.image.config.v1+json\","
                       "\"digest\":\"sha256:%s\",\"size\":3},\"layers\":[",
                       hex);

    for (i = from; i < from + n; i++) {
        seed_hex(hex, i);

        p += sprintf(p, "%s{\"mediaType\":"
                     "\"application/vnd.oci.image.layer.v1.tar\","
                     "\"digest\":\"sha256:%s\",\"size\":3}",
                     i == from ? "" : ",", hex);

        path = xprintf("%s/" SEED_V2 "/repositories/%s/_layers/sha256/%s/link",
                       opt->root, opt->repo, hex);

        if (first == NULL) {
            link_text = xprintf("sha256:%s", hex);
            seed_file(path, link_text, CONTENT_DIGEST_LEN);
            free(link_text);

            first = path;
            continue;
        }

        seed_parents(path);

        if (link(first, path) == -1) {
            die("link(%s): %s", path, strerror(errno));
        }

        free(path);
    }

    strcpy(p, "]}");
    free(first);

    return text;
}


/* The digest of a blob that is nowhere. */

static void
seed_hex(char *hex, uint64_t i)
{
    char  digest[CONTENT_DIGEST_LEN + 1];

    content_digest(&i, sizeof(uint64_t), digest);
    strcpy(hex, digest + 7);
}
