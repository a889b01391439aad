
/*
 * The distribution protocol over one connection, as docker speaks it.  All
 * functions return -1 on failure, with the reason in conn->error.
 */

#ifndef BENCH_REGISTRY_H
#define BENCH_REGISTRY_H


#include "content.h"
#include "http.h"


#define REGISTRY_CHUNK  (32 * 1024)     /* of a body of unknown length */

#define REGISTRY_ACCEPT                                                       \
    "Accept: application/vnd.oci.image.manifest.v1+json, "                    \
    "application/vnd.oci.image.index.v1+json, "                               \
    "application/vnd.docker.distribution.manifest.v2+json, "                  \
    "application/vnd.docker.distribution.manifest.list.v2+json, */*\r\n"


typedef struct {
    http_conn_t  conn;
    unsigned     files:1;       /* no registry: a file server with PUT */
} registry_t;


/*
 * Sends a request and checks the status against one or two expected ones (0:
 * no second one).
 */
int registry_do(registry_t *g, const http_request_t *q, http_response_t *r,
    int status, int other);

int registry_ping(registry_t *g);

/* Leaves the path and query of a Location, which may be relative or not. */
int registry_relative(registry_t *g, char *location);

/*
 * Uploads a blob: POST, one PATCH in chunks of unknown number, an empty PUT.
 * A file server gets one PUT with Content-Length.
 */
int registry_push_blob(registry_t *g, const char *repo, const content_t *b);

/* Opens an upload; its path goes to location, which has this many bytes. */
int registry_start(registry_t *g, const char *repo, char *location,
    size_t size);

/* The closing, empty PUT. */
int registry_commit(registry_t *g, const char *location, const char *digest);

/* HEAD: 1 it is there with this size, 0 it is not there. */
int registry_has_blob(registry_t *g, const char *repo, const content_t *b);

int registry_mount(registry_t *g, const char *repo, const char *from,
    const char *digest);

int registry_put_manifest(registry_t *g, const char *repo, const char *ref,
    const content_t *m);

/* HEAD and upload of each blob, then the manifest by tag. */
int registry_push_image(registry_t *g, const char *repo, const char *tag,
    const image_t *im);

/*
 * GET of the manifest by tag, then of each blob.  With verify the digests of
 * what arrives are computed and compared.
 */
int registry_pull_image(registry_t *g, const char *repo, const char *tag,
    const image_t *im, int verify);

/* GET or HEAD of one thing which must have c's length, and digest if verify. */
int registry_fetch(registry_t *g, const char *method, const char *path,
    const content_t *c, int verify);


#endif /* BENCH_REGISTRY_H */
