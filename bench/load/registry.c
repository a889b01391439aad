
#include "registry.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define REGISTRY_PATH  4096

#define OCTETS         "Content-Type: application/octet-stream\r\n"
#define MANIFEST       "Content-Type: "                                       \
                       "application/vnd.oci.image.manifest.v1+json\r\n"


static int registry_location(registry_t *g, const http_response_t *r,
    char *location, size_t size);


int
registry_do(registry_t *g, const http_request_t *q, http_response_t *r,
    int status, int other)
{
    http_conn_t  *c;

    c = &g->conn;

    if (http_do(c, q, r) == -1) {
        return -1;
    }

    if (r->status == status || (other && r->status == other)) {
        return 0;
    }

    snprintf(c->error, sizeof(c->error), "%s %.80s: status %d: %.100s",
             q->method, q->path, r->status, c->body_len ? c->body : "");

    return -1;
}


int
registry_ping(registry_t *g)
{
    http_request_t   q;
    http_response_t  r;

    memset(&q, 0, sizeof(http_request_t));
    q.method = "GET";
    q.path = "/v2/";

    return registry_do(g, &q, &r, 200, 0);
}


int
registry_relative(registry_t *g, char *location)
{
    const char  *p;

    p = location;

    if (strncmp(p, "http", 4) == 0) {
        p = strstr(p, "://");
        p = p ? strchr(p + 3, '/') : NULL;
    }

    if (p == NULL || *p != '/') {
        snprintf(g->conn.error, sizeof(g->conn.error),
                 "bad Location \"%.100s\"", location);
        return -1;
    }

    memmove(location, p, strlen(p) + 1);

    return 0;
}


static int
registry_location(registry_t *g, const http_response_t *r, char *location,
    size_t size)
{
    snprintf(location, size, "%s", r->location);

    return registry_relative(g, location);
}


int
registry_start(registry_t *g, const char *repo, char *location, size_t size)
{
    char             path[REGISTRY_PATH];
    http_request_t   q;
    http_response_t  r;

    snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/", repo);

    memset(&q, 0, sizeof(http_request_t));
    q.method = "POST";
    q.path = path;

    if (registry_do(g, &q, &r, 202, 0) == -1) {
        return -1;
    }

    return registry_location(g, &r, location, size);
}


int
registry_commit(registry_t *g, const char *location, const char *digest)
{
    char             path[REGISTRY_PATH];
    http_request_t   q;
    http_response_t  r;

    snprintf(path, sizeof(path), "%s%cdigest=%s", location,
             strchr(location, '?') ? '&' : '?', digest);

    memset(&q, 0, sizeof(http_request_t));
    q.method = "PUT";
    q.path = path;

    return registry_do(g, &q, &r, 201, 0);
}


int
registry_push_blob(registry_t *g, const char *repo, const content_t *b)
{
    char             location[REGISTRY_PATH - 256];
    http_request_t   q;
    http_response_t  r;

    memset(&q, 0, sizeof(http_request_t));
    q.headers = OCTETS;
    q.body = b;
    q.path = location;

    if (g->files) {
        snprintf(location, sizeof(location), "/v2/%s/blobs/%s", repo,
                 b->digest);
        q.method = "PUT";

        return registry_do(g, &q, &r, 201, 204);
    }

    if (registry_start(g, repo, location, sizeof(location)) == -1) {
        return -1;
    }

    q.method = "PATCH";
    q.chunk = REGISTRY_CHUNK;

    if (registry_do(g, &q, &r, 202, 0) == -1
        || registry_location(g, &r, location, sizeof(location)) == -1)
    {
        return -1;
    }

    return registry_commit(g, location, b->digest);
}


int
registry_has_blob(registry_t *g, const char *repo, const content_t *b)
{
    char             path[REGISTRY_PATH];
    http_request_t   q;
    http_response_t  r;

    snprintf(path, sizeof(path), "/v2/%s/blobs/%s", repo, b->digest);

    memset(&q, 0, sizeof(http_request_t));
    q.method = "HEAD";
    q.path = path;

    if (registry_do(g, &q, &r, 200, 404) == -1) {
        return -1;
    }

    if (r.status == 200 && r.content_length != (int64_t) b->size) {
        snprintf(g->conn.error, sizeof(g->conn.error),
                 "%s has %lld bytes instead of %llu", b->digest,
                 (long long) r.content_length, (unsigned long long) b->size);
        return -1;
    }

    return r.status == 200;
}


int
registry_mount(registry_t *g, const char *repo, const char *from,
    const char *digest)
{
    char             path[REGISTRY_PATH];
    http_request_t   q;
    http_response_t  r;

    snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/?mount=%s&from=%s",
             repo, digest, from);

    memset(&q, 0, sizeof(http_request_t));
    q.method = "POST";
    q.path = path;

    return registry_do(g, &q, &r, 201, 0);
}


int
registry_put_manifest(registry_t *g, const char *repo, const char *ref,
    const content_t *m)
{
    char             path[REGISTRY_PATH];
    http_request_t   q;
    http_response_t  r;

    snprintf(path, sizeof(path), "/v2/%s/manifests/%s", repo, ref);

    memset(&q, 0, sizeof(http_request_t));
    q.method = "PUT";
    q.path = path;
    q.headers = MANIFEST;
    q.body = m;

    return registry_do(g, &q, &r, 201, g->files ? 204 : 0);
}


int
registry_push_image(registry_t *g, const char *repo, const char *tag,
    const image_t *im)
{
    int     rc;
    size_t  i;

    for (i = 0; i < im->nblobs; i++) {
        rc = registry_has_blob(g, repo, &im->blobs[i]);

        if (rc == 0) {
            rc = registry_push_blob(g, repo, &im->blobs[i]);
        }

        if (rc == -1) {
            return -1;
        }
    }

    return registry_put_manifest(g, repo, tag, &im->manifest);
}


int
registry_pull_image(registry_t *g, const char *repo, const char *tag,
    const image_t *im, int verify)
{
    char    path[REGISTRY_PATH];
    size_t  i;

    snprintf(path, sizeof(path), "/v2/%s/manifests/%s", repo, tag);

    if (registry_fetch(g, "GET", path, &im->manifest, verify) == -1) {
        return -1;
    }

    for (i = 0; i < im->nblobs; i++) {
        snprintf(path, sizeof(path), "/v2/%s/blobs/%s", repo,
                 im->blobs[i].digest);

        if (registry_fetch(g, "GET", path, &im->blobs[i], verify) == -1) {
            return -1;
        }
    }

    return 0;
}


int
registry_fetch(registry_t *g, const char *method, const char *path,
    const content_t *c, int verify)
{
    int64_t          length;
    http_request_t   q;
    http_response_t  r;

    memset(&q, 0, sizeof(http_request_t));
    q.method = method;
    q.path = path;
    q.headers = REGISTRY_ACCEPT;
    q.verify = verify ? 1 : 0;

    if (registry_do(g, &q, &r, 200, 0) == -1) {
        return -1;
    }

    if (strcmp(method, "HEAD") == 0) {
        length = r.content_length;
        verify = 0;

    } else {
        length = (int64_t) r.length;
    }

    if (length != (int64_t) c->size
        || (verify && strcmp(r.body_digest, c->digest) != 0))
    {
        snprintf(g->conn.error, sizeof(g->conn.error),
                 "%.100s: %lld bytes of %s instead of %llu", path,
                 (long long) length, verify ? "wrong digest" : "body",
                 (unsigned long long) c->size);
        return -1;
    }

    return 0;
}
