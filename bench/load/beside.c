
/*
 * HEAD and PUT of manifests at the same time, each on connections of its own,
 * while nothing else is done, or until the server says that it has collected.
 */

#include "load.h"
#include "util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BESIDE_PATH   512

/* seconds between two looks at the log */
#define BESIDE_LOOK   0.05

/* what nginx says then, at the level "notice" */
#define BESIDE_SAID   "collected garbage of "


typedef struct {
    image_t      *images;       /* all of those that are kept, up to n */
    char        **repos;
    char        **tags;
    size_t        n;
} beside_images_t;


typedef struct {
    pthread_t     thread;
    load_t        load;
    load_op_pt    op;
    outcome_t     outcome;
} beside_t;


static void beside_images(beside_images_t *b, const load_opt_t *opt);
static void *beside_run(void *data);
static int beside_head(load_worker_t *w, uint64_t i);
static int beside_put(load_worker_t *w, uint64_t i);
static int beside_said(const load_opt_t *opt);


/*
 * opt->connections of each kind, over opt->images of the opt->count images of
 * a store that "seed-garbage" made.
 */

void
load_beside(const load_opt_t *opt)
{
    double            began;
    meter_t           m;
    unsigned          i;
    outcome_t         o;
    beside_t          kinds[2];
    beside_images_t   images;

    beside_images(&images, opt);

    for (i = 0; i < 2; i++) {
        memset(&kinds[i], 0, sizeof(beside_t));
        load_init(&kinds[i].load, opt);
        kinds[i].load.data = &images;
        kinds[i].op = i ? beside_put : beside_head;

        /* what is old is renewed when it is asked for, once */

        load_prepare(&kinds[i].load, kinds[i].op, 4 * images.n);
    }

    meter_start(&m, opt->pid);

    for (i = 0; i < 2; i++) {
        if (pthread_create(&kinds[i].thread, NULL, beside_run, &kinds[i])
            != 0)
        {
            die("cannot start a thread");
        }
    }

    began = now();

    while (now() - began < opt->duration) {
        pause_for(BESIDE_LOOK);

        if (opt->until && beside_said(opt)) {
            break;
        }
    }

    kinds[0].load.stop = 1;
    kinds[1].load.stop = 1;

    for (i = 0; i < 2; i++) {
        pthread_join(kinds[i].thread, NULL);
    }

    if (opt->until && !beside_said(opt)) {
        die("nothing was collected within %.0f seconds", opt->duration);
    }

    o = kinds[0].outcome;
    o.errors += kinds[1].outcome.errors;

    if (o.error[0] == '\0') {
        memcpy(o.error, kinds[1].outcome.error, sizeof(o.error));
    }

    result_open(&m, &o);
    result_number("puts", (double) kinds[1].outcome.latency.n);
    result_samples("put_", &kinds[1].outcome.latency);
    result_close();
}


static void
beside_images(beside_images_t *b, const load_opt_t *opt)
{
    uint64_t  i, step;

    b->n = 0;
    b->images = xalloc(opt->images * sizeof(image_t));
    b->repos = xalloc(opt->images * sizeof(char *));
    b->tags = xalloc(opt->images * sizeof(char *));

    step = opt->count / opt->images;
    step = step ? step | 1 : 1;

    for (i = 0; i < opt->count && b->n < opt->images; i += step) {
        if (load_garbage_kept(i)) {
            load_garbage_image(&b->images[b->n], opt, i);
            b->repos[b->n] = load_garbage_repo(i);
            b->tags[b->n++] = load_tag(i);
        }
    }

    if (b->n == 0) {
        die("no image is kept");
    }
}


static void *
beside_run(void *data)
{
    beside_t *k = data;

    load_run(&k->load, k->op, 0, 1e9, &k->outcome);

    return NULL;
}


/* A manifest by its tag, and a layer, in turn. */

static int
beside_head(load_worker_t *w, uint64_t i)
{
    beside_images_t *b = w->load->data;

    char              path[BESIDE_PATH];
    size_t            k;
    const content_t  *c;

    k = (i / 2) % b->n;

    if (i % 2) {
        c = &b->images[k].blobs[1];
        snprintf(path, sizeof(path), "/v2/%s/blobs/%s", b->repos[k],
                 c->digest);

    } else {
        c = &b->images[k].manifest;
        snprintf(path, sizeof(path), "/v2/%s/manifests/%s", b->repos[k],
                 b->tags[k]);
    }

    return registry_fetch(&w->registry, "HEAD", path, c, 0);
}


/* The image that is there, with a remark: a new manifest under a new tag. */

static int
beside_put(load_worker_t *w, uint64_t i)
{
    beside_images_t *b = w->load->data;

    int               rc;
    char             *text, *tag;
    size_t            k, len;
    content_t         m;
    const content_t  *old;

    k = i % b->n;
    old = &b->images[k].manifest;
    len = old->tail_len - 1;

    tag = xprintf("put-%u-%x-%llu", (unsigned) (now() * 1e3),
                  (unsigned) (w - w->load->workers), (unsigned long long) i);
    text = xprintf("%.*s,\"annotations\":{\"remark\":\"%s\"}}", (int) len,
                   (char *) old->tail, tag);

    content_literal(&m, text, strlen(text));

    w->began = now();
    rc = registry_put_manifest(&w->registry, b->repos[k], tag, &m);

    content_free(&m);
    free(text);
    free(tag);

    return rc;
}


static int
beside_said(const load_opt_t *opt)
{
    int    said;
    FILE  *f;
    char   line[4096];

    f = fopen(opt->until, "r");

    if (f == NULL) {
        die("cannot read %s", opt->until);
    }

    for (said = 0; !said && fgets(line, sizeof(line), f) != NULL; /* void */) {
        said = (strstr(line, BESIDE_SAID) != NULL);
    }

    fclose(f);

    return said;
}
