
/*
 * The files of an image, made and synced in the order that makes a push
 * durable, and nothing besides: no server, no request, no session, no hash.
 * What that costs on this file system nobody who keeps this layout can be
 * below.
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


#define DURABLE_V2    "docker/registry/v2"
#define DURABLE_TEMP  "tmp"
#define HEX(c)        ((c)->digest + 7)


typedef struct {
    int       root;
    image_t  *images;
} durable_t;


static int durable_image(load_worker_t *w, uint64_t i);
static void durable_blob(durable_t *d, const content_t *c);
static void durable_link(durable_t *d, char *path, const content_t *c);
static void durable_file(durable_t *d, const char *path,
    const content_t *c, int link);
static void durable_named(durable_t *d, const char *temp, const char *path);
static int durable_dir(durable_t *d, char *path);
static void durable_sync(int fd, const char *path);


void
load_sync_image(const load_opt_t *opt)
{
    load_t      l;
    uint64_t    i;
    durable_t   d;
    load_opt_t  own;

    own = *opt;
    own.pid = getpid();

    load_init(&l, &own);
    l.data = &d;

    d.images = xalloc(opt->count * sizeof(image_t));

    for (i = 0; i < opt->count; i++) {
        load_image(&d.images[i], opt, i);
    }

    if (mkdir(opt->root, 0755) == -1 && errno != EEXIST) {
        die("mkdir(%s): %s", opt->root, strerror(errno));
    }

    d.root = open(opt->root, O_RDONLY|O_DIRECTORY);

    if (d.root == -1) {
        die("open(%s): %s", opt->root, strerror(errno));
    }

    (void) durable_dir(&d, (char []) { DURABLE_TEMP });

    load_measure(&l, durable_image);
    result_close();
}


static int
durable_image(load_worker_t *w, uint64_t i)
{
    durable_t *d = w->load->data;

    char        *tag;
    size_t       j;
    image_t     *im;
    const char  *repo;

    im = &d->images[i];
    repo = w->load->opt->repo;

    for (j = 0; j < im->nblobs; j++) {
        durable_blob(d, &im->blobs[j]);
        durable_link(d, xprintf(DURABLE_V2 "/repositories/%s/_layers/sha256/"
                                "%s/link", repo, HEX(&im->blobs[j])),
                     &im->blobs[j]);
    }

    tag = load_tag(i);

    durable_blob(d, &im->manifest);
    durable_link(d, xprintf(DURABLE_V2 "/repositories/%s/_manifests/revisions/"
                            "sha256/%s/link", repo, HEX(&im->manifest)),
                 &im->manifest);
    durable_link(d, xprintf(DURABLE_V2 "/repositories/%s/_manifests/tags/%s/"
                            "index/sha256/%s/link", repo, tag,
                            HEX(&im->manifest)),
                 &im->manifest);
    durable_link(d, xprintf(DURABLE_V2 "/repositories/%s/_manifests/tags/%s/"
                            "current/link", repo, tag),
                 &im->manifest);

    free(tag);

    return 0;
}


static void
durable_blob(durable_t *d, const content_t *c)
{
    char  *path;

    path = xprintf(DURABLE_V2 "/blobs/sha256/%.2s/%s/data", HEX(c), HEX(c));
    durable_file(d, path, c, 0);
    free(path);
}


/* Frees the path. */

static void
durable_link(durable_t *d, char *path, const content_t *c)
{
    durable_file(d, path, c, 1);
    free(path);
}


static void
durable_file(durable_t *d, const char *path, const content_t *c, int link)
{
    int                   fd;
    char                 *temp;
    size_t                n;
    uint64_t              off;
    const unsigned char  *p;

    temp = xprintf(DURABLE_TEMP "/%s-%d", HEX(c), gettid());
    fd = openat(d->root, temp, O_WRONLY|O_CREAT|O_EXCL, 0644);

    if (fd == -1) {
        die("open(%s): %s", temp, strerror(errno));
    }

    p = (const unsigned char *) c->digest;
    n = CONTENT_DIGEST_LEN;

    for (off = 0; off < (link ? n : c->size); off += n) {

        if (!link) {
            n = content_piece(c, off, 1024 * 1024, &p);
        }

        if (write(fd, p, n) != (ssize_t) n) {
            die("write(%s): %s", temp, strerror(errno));
        }
    }

    if (fdatasync(fd) == -1) {
        die("fdatasync(%s): %s", temp, strerror(errno));
    }

    close(fd);

    durable_named(d, temp, path);
    free(temp);
}


/* Every directory that gains an entry is synced, those above new ones too. */

static void
durable_named(durable_t *d, const char *temp, const char *path)
{
    int    fd, made;
    char  *dir, *p;

    dir = xprintf("%s", path);
    *strrchr(dir, '/') = '\0';
    made = 0;

    fd = openat(d->root, dir, O_RDONLY|O_DIRECTORY);

    if (fd == -1) {
        made = durable_dir(d, dir);
        fd = openat(d->root, dir, O_RDONLY|O_DIRECTORY);
    }

    if (fd == -1 || renameat(d->root, temp, d->root, path) == -1) {
        die("rename(%s): %s", path, strerror(errno));
    }

    durable_sync(fd, dir);

    while (made-- > 0) {
        p = strrchr(dir, '/');

        if (p == NULL) {
            break;
        }

        *p = '\0';
        durable_sync(openat(d->root, dir, O_RDONLY|O_DIRECTORY), dir);
    }

    free(dir);
}


/* How many directories were made, of a path and of those above it. */

static int
durable_dir(durable_t *d, char *path)
{
    int    made;
    char  *p;

    if (mkdirat(d->root, path, 0755) == 0) {
        return 1;
    }

    p = strrchr(path, '/');
    made = 0;

    if (errno == ENOENT && p != NULL) {
        *p = '\0';
        made = durable_dir(d, path);
        *p = '/';

        if (mkdirat(d->root, path, 0755) == 0) {
            return made + 1;
        }
    }

    if (errno != EEXIST) {
        die("mkdir(%s): %s", path, strerror(errno));
    }

    return made;
}


/* Closes it. */

static void
durable_sync(int fd, const char *path)
{
    if (fd == -1 || fsync(fd) == -1) {
        die("fsync(%s): %s", path, strerror(errno));
    }

    close(fd);
}
