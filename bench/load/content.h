
/*
 * Byte strings that cost nothing to make: repetitions of one random block
 * that all contents share, then a short tail of its own, which makes the
 * digest unique.  The block is longer than the window of any compressor, so
 * the repetition cannot be used by a server or a file system.
 */

#ifndef BENCH_CONTENT_H
#define BENCH_CONTENT_H


#include <stddef.h>
#include <stdint.h>


#define CONTENT_DIGEST_LEN  71      /* "sha256:" and 64 hexadecimal digits */


typedef struct {
    unsigned char  *tail;
    size_t          tail_len;
    uint64_t        size;           /* bytes, tail included */
    char            digest[CONTENT_DIGEST_LEN + 1];
} content_t;


/*
 * A content which depends only on its size and on the seed.  What contents of
 * one size have in common is hashed once; not to be called from two threads.
 */
void content_random(content_t *c, uint64_t size, const char *seed);

/* A content of exactly these bytes; they are copied. */
void content_literal(content_t *c, const void *data, size_t len);

/*
 * Points *p at up to max consecutive bytes at offset off (which is below
 * c->size) and returns how many there are.  They must not be modified.
 */
size_t content_piece(const content_t *c, uint64_t off, size_t max,
    const unsigned char **p);

/* "sha256:" and the digest of data in hexadecimal, and a zero. */
void content_digest(const void *data, size_t len, char *digest);

void content_free(content_t *c);


/* A small image: a config, a few layers, a manifest which names them. */

#define IMAGE_LAYERS_MAX  8

typedef struct {
    content_t       blobs[IMAGE_LAYERS_MAX + 1];    /* the config is first */
    size_t          nblobs;
    content_t       manifest;
} image_t;


void image_random(image_t *im, unsigned layers, uint64_t layer_size,
    const char *seed);

/* The smallest one: the blob "{}" is its config and its only layer. */
void image_empty(image_t *im);

void image_free(image_t *im);


#endif /* BENCH_CONTENT_H */
