
/* The workloads whose operations are short: pushes, pulls, requests, lists. */

#include "load.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define WORK_PATH  1024


typedef struct {
    content_t   *blobs;
    image_t     *images;
    char       **paths;
    content_t  **wanted;        /* what is behind each path */
    size_t       n;
    int          verify;

    char       **names;         /* of repositories or tags to be made */
    char       **pages;         /* of a list */
    image_t      empty;
} work_t;


static void work_make_images(work_t *w, const load_opt_t *opt, uint64_t n);
static void work_make_blobs(work_t *w, const load_opt_t *opt);
static int work_push_blob(load_worker_t *w, uint64_t i);
static int work_push_done(load_worker_t *w, uint64_t i);
static int work_pull_blob(load_worker_t *w, uint64_t i);
static int work_push_image(load_worker_t *w, uint64_t i);
static int work_check_image(load_worker_t *w, uint64_t i);
static int work_pull_image(load_worker_t *w, uint64_t i);
static int work_fetch(load_worker_t *w, uint64_t i);
static int work_list(load_worker_t *w, uint64_t i);
static int work_change(load_worker_t *w, const char *name);
static int work_ping(load_worker_t *w, uint64_t i);


static void
work_make_images(work_t *w, const load_opt_t *opt, uint64_t n)
{
    size_t  i;

    w->n = (size_t) n;
    w->images = xalloc(w->n * sizeof(image_t));

    for (i = 0; i < w->n; i++) {
        load_image(&w->images[i], opt, i);
    }
}


/*
 * On a virtual machine whose host takes free memory away, whoever touches a
 * page first pays for it, some 2 seconds of CPU a GiB, and which pages are
 * next depends on how the server writes.  So with opt->root, below which the
 * server keeps it, each blob is removed after it was pushed, and one is pushed
 * before all others: they reuse its memory.
 */

void
load_push_blob(const load_opt_t *opt)
{
    load_t  l;
    work_t  work;

    memset(&work, 0, sizeof(work_t));
    load_init(&l, opt);
    l.data = &work;

    work_make_blobs(&work, opt);

    if (opt->root) {
        load_prepare(&l, work_push_blob, 1);

        work.blobs++;
        l.after = work_push_done;
        (void) work_push_done(&l.workers[0], (uint64_t) -1);
    }

    load_measure(&l, work_push_blob);
    result_close();
}


/* One more than is asked for. */

static void
work_make_blobs(work_t *w, const load_opt_t *opt)
{
    char    *seed;
    size_t   i;

    w->n = (size_t) opt->count + 1;
    w->blobs = xalloc(w->n * sizeof(content_t));

    for (i = 0; i < w->n; i++) {
        seed = xprintf("%s blob %zu", opt->seed, i);
        content_random(&w->blobs[i], opt->size, seed);
        free(seed);
    }
}


static int
work_push_blob(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    w->bytes = work->blobs[i].size;

    return registry_push_blob(&w->registry, w->load->opt->repo,
                              &work->blobs[i]);
}


/* What was answered with 201 must be there, with its length; then away. */

static int
work_push_done(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    int                rc;
    char              *path;
    const content_t   *c;
    const load_opt_t  *opt;

    opt = w->load->opt;
    c = &work->blobs[(int64_t) i];

    if (opt->files) {
        path = xprintf("%s/v2/%s/blobs/%s", opt->root, opt->repo, c->digest);

    } else {
        path = xprintf("%s/docker/registry/v2/blobs/sha256/%.2s/%s/data",
                       opt->root, c->digest + 7, c->digest + 7);

        if (registry_has_blob(&w->registry, opt->repo, c) != 1) {
            die("%s is not there after its upload", c->digest);
        }

        /*
         * A server that still has the file open would free it in the stead of
         * unlink(), as part of what is metered next.
         */

        if (registry_ping(&w->registry) == -1) {
            die("GET /v2/ after an upload: %s", w->registry.conn.error);
        }
    }

    rc = unlink(path);

    if (rc == -1) {
        die("unlink(%s): %s", path, strerror(errno));
    }

    free(path);

    return rc;
}


void
load_pull_blob(const load_opt_t *opt)
{
    char       *seed;
    load_t      l;
    work_t      work;
    content_t   blob;

    memset(&work, 0, sizeof(work_t));
    load_init(&l, opt);
    l.data = &work;

    seed = xprintf("%s blob", opt->seed);
    content_random(&blob, opt->size, seed);
    free(seed);

    work.n = 1;
    work.blobs = &blob;
    work.verify = 1;

    load_prepare(&l, work_pull_blob, opt->connections);

    work.verify = 0;

    load_measure(&l, work_pull_blob);
    result_close();
}


static int
work_pull_blob(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    char  path[WORK_PATH];

    (void) i;

    snprintf(path, sizeof(path), "/v2/%s/blobs/%s", w->load->opt->repo,
             work->blobs->digest);

    w->bytes = work->blobs->size;

    return registry_fetch(&w->registry, "GET", path, work->blobs,
                          work->verify);
}


void
load_push_image(const load_opt_t *opt)
{
    load_t  l;
    work_t  work;

    memset(&work, 0, sizeof(work_t));
    load_init(&l, opt);
    l.data = &work;

    work_make_images(&work, opt, opt->count);

    load_measure(&l, work_push_image);

    if (!opt->files) {
        load_prepare(&l, work_check_image, opt->count);
    }

    result_close();
}


static int
work_push_image(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    int    rc;
    char  *tag;

    tag = load_tag(i);
    rc = registry_push_image(&w->registry, w->load->opt->repo, tag,
                             &work->images[i]);
    free(tag);

    return rc;
}


static int
work_check_image(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    int    rc;
    char  *tag;

    tag = load_tag(i % work->n);
    rc = registry_pull_image(&w->registry, w->load->opt->repo, tag,
                             &work->images[i % work->n], 1);
    free(tag);

    return rc;
}


void
load_pull_image(const load_opt_t *opt)
{
    load_t  l;
    work_t  work;

    memset(&work, 0, sizeof(work_t));
    load_init(&l, opt);
    l.data = &work;

    work_make_images(&work, opt, opt->images);

    load_prepare(&l, work_check_image, opt->images);
    load_measure(&l, work_pull_image);
    result_close();
}


static int
work_pull_image(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    int    rc;
    char  *tag;

    i %= work->n;

    tag = load_tag(i);
    rc = registry_pull_image(&w->registry, w->load->opt->repo, tag,
                             &work->images[i], 0);
    free(tag);

    return rc;
}


/* One kind of request: a manifest by tag or digest, or a small blob. */

void
load_request(const load_opt_t *opt)
{
    char    *tag;
    size_t   i;
    image_t *im;
    load_t   l;
    work_t   work;

    memset(&work, 0, sizeof(work_t));
    load_init(&l, opt);
    l.data = &work;

    work_make_images(&work, opt, opt->images);

    work.paths = xalloc(work.n * sizeof(char *));
    work.wanted = xalloc(work.n * sizeof(content_t *));

    for (i = 0; i < work.n; i++) {
        im = &work.images[i];
        work.wanted[i] = &im->manifest;

        if (strcmp(opt->by, "tag") == 0) {
            tag = load_tag(i);
            work.paths[i] = xprintf("/v2/%s/manifests/%s", opt->repo, tag);
            free(tag);

        } else if (strcmp(opt->by, "digest") == 0) {
            work.paths[i] = xprintf("/v2/%s/manifests/%s", opt->repo,
                                    im->manifest.digest);

        } else {
            work.wanted[i] = &im->blobs[1];
            work.paths[i] = xprintf("/v2/%s/blobs/%s", opt->repo,
                                    im->blobs[1].digest);
        }
    }

    work.verify = 1;

    load_prepare(&l, work_fetch, 4 * work.n);

    work.verify = 0;

    load_measure(&l, work_fetch);
    result_close();
}


static int
work_fetch(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    i %= work->n;

    return registry_fetch(&w->registry, w->load->opt->method, work->paths[i],
                          work->wanted[i], work->verify);
}


/*
 * Pages of tags or repositories.  With opt->change each page is asked for
 * just after an entry was added, behind the name that stands before it, so
 * that the page is right only if it begins with the new one.
 */

void
load_list(const load_opt_t *opt)
{
    size_t  i;
    load_t  l;
    work_t  work;

    memset(&work, 0, sizeof(work_t));
    load_init(&l, opt);
    l.data = &work;

    if (opt->change) {
        if (opt->count == 0) {
            die("--change needs --count");
        }

        image_empty(&work.empty);

        work.names = xalloc(opt->count * sizeof(char *));
        work.pages = xalloc(opt->count * sizeof(char *));

        for (i = 0; i < opt->count; i++) {
            work.names[i] = xprintf("z-%s-%06zu", opt->seed, 2 * i + 1);
            work.pages[i] = xprintf("%s%clast=z-%s-%06zu", opt->path,
                                    strchr(opt->path, '?') ? '&' : '?',
                                    opt->seed, 2 * i);
        }
    }

    load_measure(&l, work_list);
    result_number("entries", (double) work.n);
    result_close();
}


static int
work_list(load_worker_t *w, uint64_t i)
{
    work_t *work = w->load->data;

    char              *p, *end;
    size_t             entries;
    http_conn_t       *c;
    http_request_t     q;
    http_response_t    r;
    const load_opt_t  *opt;

    c = &w->registry.conn;
    opt = w->load->opt;

    memset(&q, 0, sizeof(http_request_t));
    q.method = "GET";
    q.path = opt->path;
    q.keep = 1;

    if (opt->change) {
        if (work_change(w, work->names[i]) == -1) {
            return -1;
        }

        q.path = work->pages[i];
        w->began = now();
    }

    if (registry_do(&w->registry, &q, &r, 200, 0) == -1) {
        return -1;
    }

    /* names hold no quotes: two of them make an entry */

    entries = 0;
    end = c->body + c->body_len;

    for (p = c->body; (p = memchr(p, '"', (size_t) (end - p))) != NULL; p++) {
        entries++;
    }

    entries = entries / 2 - opt->strings;
    work->n = entries;

    if (opt->change) {
        if (strstr(c->body, work->names[i]) == NULL) {
            snprintf(c->error, sizeof(c->error),
                     "%s was added and is not in the list", work->names[i]);
            return -1;
        }

    } else if (entries < opt->expect) {
        snprintf(c->error, sizeof(c->error), "%zu entries, fewer than %u",
                 entries, opt->expect);
        return -1;
    }

    return 0;
}


/* Adds a tag to opt->repo or, where it is "-", a repository. */

static int
work_change(load_worker_t *w, const char *name)
{
    work_t *work = w->load->data;

    const char  *repo;

    repo = w->load->opt->repo;

    if (strcmp(repo, "-") != 0) {
        return registry_put_manifest(&w->registry, repo, name,
                                     &work->empty.manifest);
    }

    if (registry_mount(&w->registry, name, "many/r000000",
                       work->empty.blobs[0].digest)
        == -1)
    {
        return -1;
    }

    return registry_put_manifest(&w->registry, name, "latest",
                                 &work->empty.manifest);
}


void
load_ping(const load_opt_t *opt)
{
    load_t  l;

    load_init(&l, opt);
    load_measure(&l, work_ping);
    result_close();
}


static int
work_ping(load_worker_t *w, uint64_t i)
{
    (void) i;

    return registry_ping(&w->registry);
}
