
/* The workloads of many connections: what one costs the server in memory. */

#include "load.h"
#include "util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define SLOW_STACK  (256 * 1024)


typedef struct {
    const load_opt_t   *opt;
    const content_t    *content;
    http_target_t      *target;
    registry_t          registry;
    unsigned            index;
    pthread_t           thread;
    outcome_t           outcome;
    atomic_uint        *arrived;    /* how many have sent all but the end */
    atomic_int         *go;         /* the end may be sent */
} slow_t;


static void *slow_upload(void *data);
static int slow_send(slow_t *s);


/*
 * opt->connections uploads at once: POST, one PATCH whose body is sent in
 * opt->pieces pieces of opt->size bytes with opt->interval seconds between
 * them, an empty PUT.  All wait for each other before they send their last
 * chunk, so that there is a moment at which all of them are under way.
 */

void
load_uploads(const load_opt_t *opt)
{
    char           *seed;
    double          held, highest;
    slow_t         *all;
    meter_t         m;
    unsigned        i;
    content_t      *contents;
    outcome_t       o;
    samples_t       s;
    atomic_int      go;
    atomic_uint     arrived;
    load_probe_t   *probe;
    http_target_t   target;
    meter_usage_t   u;
    pthread_attr_t  attr;

    http_target(&target, opt->url);

    all = xalloc(opt->connections * sizeof(slow_t));
    contents = xalloc(opt->connections * sizeof(content_t));
    memset(all, 0, opt->connections * sizeof(slow_t));
    memset(&o, 0, sizeof(outcome_t));

    for (i = 0; i < opt->connections; i++) {
        seed = xprintf("%s slow %u", opt->seed, i);
        content_random(&contents[i], opt->size * opt->pieces, seed);
        free(seed);
    }

    probe = opt->probe ? load_probe_start(opt) : NULL;
    pause_for(0.2);

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, SLOW_STACK);

    arrived = 0;
    go = 0;
    highest = 0;

    meter_start(&m, opt->pid);

    for (i = 0; i < opt->connections; i++) {
        all[i].opt = opt;
        all[i].content = &contents[i];
        all[i].target = &target;
        all[i].index = i;
        all[i].arrived = &arrived;
        all[i].go = &go;

        if (pthread_create(&all[i].thread, &attr, slow_upload, &all[i]) != 0) {
            die("cannot start %u threads", opt->connections);
        }
    }

    while (arrived < opt->connections) {
        pause_for(0.1);

        meter_read(&m, &u);

        if (u.rss > highest) {
            highest = u.rss;
        }
    }

    meter_read(&m, &u);
    held = u.rss;
    go = 1;

    for (i = 0; i < opt->connections; i++) {
        pthread_join(all[i].thread, NULL);
        outcome_append(&o, &all[i].outcome);
    }

    result_open(&m, &o);

    meter_read(&m, &u);

    result_number("connections", opt->connections);
    result_number("held_kib_each", (held - m.start.rss) / opt->connections);
    result_number("peak_kib_each", (u.peak - m.start.rss) / opt->connections);
    result_number("sampled_mib", highest / 1024);

    if (probe) {
        load_probe_stop(probe, &s);
        result_samples("probe_", &s);
    }

    result_close();
}


static void *
slow_upload(void *data)
{
    slow_t *s = data;

    double  began;

    began = now();

    s->registry.files = s->opt->files;
    http_conn_init(&s->registry.conn, s->target);

    if (slow_send(s) == 0) {
        samples_add(&s->outcome.latency, now() - began);
        s->outcome.bytes = s->content->size;

    } else {
        outcome_error(&s->outcome, s->registry.conn.error);
    }

    http_conn_free(&s->registry.conn);

    return NULL;
}


static int
slow_send(slow_t *s)
{
    int                   rc, counted;
    char                  path[2048], line[32];
    size_t                n;
    uint64_t              off, next;
    http_conn_t          *c;
    http_request_t        q;
    http_response_t       r;
    const unsigned char  *p;

    c = &s->registry.conn;
    rc = -1;
    counted = 0;

    memset(&q, 0, sizeof(http_request_t));
    q.method = "PATCH";
    q.path = path;
    q.headers = "Content-Type: application/octet-stream\r\n";
    q.body = s->content;
    q.chunk = (size_t) s->opt->size;

    if (s->opt->files) {
        q.method = "PUT";
        snprintf(path, sizeof(path), "/v2/%s/blobs/%s", s->opt->repo,
                 s->content->digest);

    } else if (registry_start(&s->registry, s->opt->repo, path, sizeof(path))
               == -1)
    {
        goto done;
    }

    /* apart from each other, as clients are */

    pause_for(s->opt->interval * s->index / s->opt->connections);

    if (http_connect(c) == -1 || http_send_header(c, &q) == -1) {
        goto done;
    }

    for (off = 0; off < s->content->size; /* void */) {

        sprintf(line, "%llx\r\n", (unsigned long long) s->opt->size);

        if (http_write(c, line, strlen(line)) == -1) {
            goto done;
        }

        for (next = off + s->opt->size; off < next; off += n) {
            n = content_piece(s->content, off, (size_t) (next - off), &p);

            if (http_write(c, p, n) == -1) {
                goto done;
            }
        }

        if (http_write(c, "\r\n", 2) == -1) {
            goto done;
        }

        pause_for(s->opt->interval);
    }

    counted = 1;
    (*s->arrived)++;

    while (!*s->go) {
        pause_for(0.05);
    }

    if (http_write(c, "0\r\n\r\n", 5) == -1 || http_receive(c, &q, &r) == -1) {
        goto done;
    }

    if (s->opt->files ? r.status != 201 : r.status != 202) {
        snprintf(c->error, sizeof(c->error), "%s: status %d", q.method,
                 r.status);
        goto done;
    }

    rc = 0;

    if (!s->opt->files) {
        snprintf(path, sizeof(path), "%s", r.location);
        rc = registry_relative(&s->registry, path);

        if (rc == 0) {
            rc = registry_commit(&s->registry, path, s->content->digest);
        }
    }

done:

    if (!counted) {
        (*s->arrived)++;
    }

    return rc;
}


/*
 * opt->connections connections, on each of which one request was answered,
 * and which are kept alive.
 */

void
load_idle(const load_opt_t *opt)
{
    load_t          l;
    meter_t         m;
    unsigned        i;
    outcome_t       o;
    registry_t     *warm;
    meter_usage_t   u;

    load_init(&l, opt);
    memset(&o, 0, sizeof(outcome_t));

    /* what the first connection costs is the process's, not a connection's */

    warm = &l.workers[0].registry;

    if (registry_ping(warm) == -1) {
        die("%s", warm->conn.error);
    }

    meter_start(&m, opt->pid);

    for (i = 1; i < opt->connections; i++) {
        if (registry_ping(&l.workers[i].registry) == 0) {
            samples_add(&o.latency, 0);

        } else {
            outcome_error(&o, l.workers[i].registry.conn.error);
        }
    }

    pause_for(1);
    meter_read(&m, &u);

    result_open(&m, &o);
    result_number("connections", opt->connections);
    result_number("held_kib_each",
                  (u.rss - m.start.rss) / (opt->connections - 1));
    result_close();
}
