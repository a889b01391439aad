
#include "content.h"
#include "util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>


#define CONTENT_BLOCK  (16 * 1024 * 1024)
#define CONTENT_TAIL   64

#define MANIFEST_TYPE  "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE    "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE     "application/vnd.oci.image.layer.v1.tar+gzip"
#define EMPTY_TYPE     "application/vnd.oci.empty.v1+json"


static unsigned char  *content_block;
static pthread_once_t  content_block_once = PTHREAD_ONCE_INIT;


static void content_make_block(void);
static void content_hash(content_t *c);
static void content_hex(const unsigned char *md, char *digest);


static void
content_make_block(void)
{
    int              n;
    EVP_CIPHER_CTX  *ctx;

    static const unsigned char  key[16] = "bench content 01";
    static const unsigned char  iv[16];

    content_block = xalloc(CONTENT_BLOCK);
    memset(content_block, 0, CONTENT_BLOCK);

    ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL
        || EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) != 1
        || EVP_EncryptUpdate(ctx, content_block, &n, content_block,
                             CONTENT_BLOCK) != 1)
    {
        die("cannot make random content");
    }

    EVP_CIPHER_CTX_free(ctx);
}


void
content_random(content_t *c, uint64_t size, const char *seed)
{
    unsigned char  md[SHA512_DIGEST_LENGTH];

    SHA512((const unsigned char *) seed, strlen(seed), md);

    c->size = size;
    c->tail_len = size < CONTENT_TAIL ? (size_t) size : CONTENT_TAIL;
    c->tail = xalloc(CONTENT_TAIL);
    memcpy(c->tail, md, c->tail_len);

    content_hash(c);
}


void
content_literal(content_t *c, const void *data, size_t len)
{
    c->size = len;
    c->tail_len = len;
    c->tail = xalloc(len + 1);
    memcpy(c->tail, data, len);

    content_hash(c);
}


size_t
content_piece(const content_t *c, uint64_t off, size_t max,
    const unsigned char **p)
{
    size_t    n;
    uint64_t  at, common;

    common = c->size - c->tail_len;

    if (off >= common) {
        *p = c->tail + (off - common);
        n = (size_t) (c->size - off);

    } else {
        pthread_once(&content_block_once, content_make_block);

        at = off % CONTENT_BLOCK;
        *p = content_block + at;
        n = CONTENT_BLOCK - (size_t) at;

        if (n > common - off) {
            n = (size_t) (common - off);
        }
    }

    return n < max ? n : max;
}


static void
content_hash(content_t *c)
{
    size_t                n;
    uint64_t              off, common;
    EVP_MD_CTX           *ctx;
    unsigned char         md[SHA256_DIGEST_LENGTH];
    const unsigned char  *p;

    static uint64_t    known;
    static EVP_MD_CTX *state;       /* after that many common bytes */

    ctx = EVP_MD_CTX_new();
    common = c->size - c->tail_len;

    if (state == NULL || known != common) {
        EVP_MD_CTX_free(state);

        state = EVP_MD_CTX_new();

        if (state == NULL || EVP_DigestInit_ex(state, EVP_sha256(), NULL) != 1)
        {
            die("cannot compute a digest");
        }

        for (off = 0; off < common; off += n) {
            n = content_piece(c, off, CONTENT_BLOCK, &p);
            EVP_DigestUpdate(state, p, n);
        }

        known = common;
    }

    if (ctx == NULL || EVP_MD_CTX_copy_ex(ctx, state) != 1) {
        die("cannot compute a digest");
    }

    EVP_DigestUpdate(ctx, c->tail, c->tail_len);
    EVP_DigestFinal_ex(ctx, md, NULL);
    EVP_MD_CTX_free(ctx);

    content_hex(md, c->digest);
}


void
content_digest(const void *data, size_t len, char *digest)
{
    unsigned char  md[SHA256_DIGEST_LENGTH];

    SHA256(data, len, md);
    content_hex(md, digest);
}


static void
content_hex(const unsigned char *md, char *digest)
{
    int  i;

    digest += sprintf(digest, "sha256:");

    for (i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        digest += sprintf(digest, "%02x", md[i]);
    }
}


void
content_free(content_t *c)
{
    free(c->tail);
    c->tail = NULL;
}


void
image_random(image_t *im, unsigned layers, uint64_t layer_size,
    const char *seed)
{
    char      *config, *manifest, *p, *q;
    unsigned   i;
    char       name[256], pad[1201];

    if (layers > IMAGE_LAYERS_MAX) {
        die("at most %d layers", IMAGE_LAYERS_MAX);
    }

    memset(pad, 'x', sizeof(pad) - 1);
    pad[sizeof(pad) - 1] = '\0';

    config = xalloc(4096);
    manifest = xalloc(4096);

    p = config + sprintf(config, "{\"architecture\":\"amd64\",\"os\":\"linux\","
                         "\"config\":{\"Env\":[\"PAD=%s\"],"
                         "\"Labels\":{\"seed\":\"%s\"}},"
                         "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
                         pad, seed);

    for (i = 0; i < layers; i++) {
        snprintf(name, sizeof(name), "%s layer %u", seed, i);
        content_random(&im->blobs[i + 1], layer_size, name);

        p += sprintf(p, "%s\"%s\"", i ? "," : "", im->blobs[i + 1].digest);
    }

    p += sprintf(p, "]}}");

    content_literal(&im->blobs[0], config, (size_t) (p - config));
    im->nblobs = layers + 1;

    q = manifest + sprintf(manifest, "{\"schemaVersion\":2,"
                           "\"mediaType\":\"" MANIFEST_TYPE "\","
                           "\"config\":{\"mediaType\":\"" CONFIG_TYPE "\","
                           "\"digest\":\"%s\",\"size\":%llu},\"layers\":[",
                           im->blobs[0].digest,
                           (unsigned long long) im->blobs[0].size);

    for (i = 0; i < layers; i++) {
        q += sprintf(q, "%s{\"mediaType\":\"" LAYER_TYPE "\","
                     "\"digest\":\"%s\",\"size\":%llu}", i ? "," : "",
                     im->blobs[i + 1].digest,
                     (unsigned long long) im->blobs[i + 1].size);
    }

    q += sprintf(q, "]}");

    content_literal(&im->manifest, manifest, (size_t) (q - manifest));

    free(config);
    free(manifest);
}


void
image_empty(image_t *im)
{
    int   n;
    char  descriptor[256], manifest[1024];

    content_literal(&im->blobs[0], "{}", 2);
    im->nblobs = 1;

    snprintf(descriptor, sizeof(descriptor), "{\"mediaType\":\"" EMPTY_TYPE
             "\",\"digest\":\"%s\",\"size\":2}", im->blobs[0].digest);

    n = snprintf(manifest, sizeof(manifest), "{\"schemaVersion\":2,"
                 "\"mediaType\":\"" MANIFEST_TYPE "\","
                 "\"config\":%s,\"layers\":[%s]}", descriptor, descriptor);

    content_literal(&im->manifest, manifest, (size_t) n);
}


void
image_free(image_t *im)
{
    size_t  i;

    for (i = 0; i < im->nblobs; i++) {
        content_free(&im->blobs[i]);
    }

    content_free(&im->manifest);
}
