
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
#include <unistd.h>


#define SEED_V2  "docker/registry/v2"
#define HEX(c)   ((c)->digest + 7)


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

    if (write(fd, data, len) != (ssize_t) len || close(fd) == -1) {
        die("write(%s): %s", path, strerror(errno));
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

    close(fd);
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
