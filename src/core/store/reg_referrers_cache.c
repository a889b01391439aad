
/*
 * What lists show of manifests, by their digests: it cannot be out of date.
 * Most of it is short.  A long descriptor is left out, and what tells whether
 * a list has to show it is kept all the same.
 */


#include "reg_referrers_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>


#define REG_REFERRERS_BUCKETS  16384

/* what malloc() takes beside what it is asked for */
#define REG_REFERRERS_MALLOC   16


typedef struct reg_referrers_entry_s  reg_referrers_entry_t;

struct reg_referrers_entry_s {
    reg_referrers_entry_t  *next;       /* of the same bucket */
    reg_referrers_entry_t  *newer;      /* in order of use */
    reg_referrers_entry_t  *older;

    uint64_t                size;       /* of the manifest */
    uint32_t                digest;     /* lengths of what data holds */
    uint32_t                target;     /* 0: it is the digest */
    uint32_t                subject;    /* 0: it has none, and nothing else */
    uint32_t                type;
    uint32_t                text;       /* 0: it was too long */
    char                    data[];
};

/* room is made by letting entries go, until there is some */
_Static_assert(REG_REFERRERS_MALLOC + sizeof(reg_referrers_entry_t)
               + 4 * REG_DIGEST_MAX + REG_REFERRERS_TEXT_MAX
               <= REG_REFERRERS_CACHE_MAX, "an entry may be too large");


struct reg_referrers_cache_s {
    pthread_mutex_t         lock;
    size_t                  bytes;
    reg_referrers_entry_t  *newest;
    reg_referrers_entry_t  *oldest;
    reg_referrers_entry_t  *buckets[REG_REFERRERS_BUCKETS];
};


static reg_referrers_entry_t *reg_referrers_entry_make(const reg_digest_t *d,
    const reg_digest_t *target, const reg_referrer_t *r);
static reg_str_t reg_referrers_entry_target(
    const reg_referrers_entry_t *entry);
static reg_referrers_entry_t **reg_referrers_bucket(
    reg_referrers_cache_t *cache, reg_str_t digest);
static reg_referrers_entry_t *reg_referrers_entry_find(
    reg_referrers_cache_t *cache, reg_str_t digest);
static void reg_referrers_entry_link(reg_referrers_cache_t *cache,
    reg_referrers_entry_t *entry);
static void reg_referrers_entry_unlink(reg_referrers_cache_t *cache,
    reg_referrers_entry_t *entry);
static void reg_referrers_entry_free(reg_referrers_cache_t *cache,
    reg_referrers_entry_t *entry);
static size_t reg_referrers_entry_bytes(const reg_referrers_entry_t *entry);


reg_rc_t
reg_referrers_cache_open(reg_store_t *s)
{
    s->referrers = calloc(1, sizeof(reg_referrers_cache_t));

    if (s->referrers == NULL) {
        return REG_NO_MEMORY;
    }

    if (pthread_mutex_init(&s->referrers->lock, NULL) != 0) {
        free(s->referrers);
        s->referrers = NULL;

        return REG_NO_MEMORY;
    }

    return REG_OK;
}


void
reg_referrers_cache_close(reg_store_t *s)
{
    if (s->referrers == NULL) {
        return;
    }

    while (s->referrers->oldest != NULL) {
        reg_referrers_entry_free(s->referrers, s->referrers->oldest);
    }

    (void) pthread_mutex_destroy(&s->referrers->lock);

    free(s->referrers);
    s->referrers = NULL;
}


size_t
reg_referrers_cache_bytes(reg_store_t *s)
{
    size_t  bytes;

    (void) pthread_mutex_lock(&s->referrers->lock);
    bytes = s->referrers->bytes;
    (void) pthread_mutex_unlock(&s->referrers->lock);

    return bytes;
}


int
reg_referrers_cache_find(reg_store_t *s, const reg_digest_t *d,
    const reg_digest_t *target, uint64_t size, reg_referrer_t *r)
{
    const char             *p;
    reg_referrers_cache_t  *cache;
    reg_referrers_entry_t  *entry;

    cache = s->referrers;

    (void) pthread_mutex_lock(&cache->lock);

    entry = reg_referrers_entry_find(cache, reg_digest_str(d));

    if (entry == NULL || entry->size != size
        || !reg_str_eq(reg_referrers_entry_target(entry),
                       reg_digest_str(target)))
    {
        (void) pthread_mutex_unlock(&cache->lock);
        return 0;
    }

    reg_referrers_entry_unlink(cache, entry);
    reg_referrers_entry_link(cache, entry);

    r->size = size;
    r->has_subject = (entry->subject != 0);
    r->has_text = (entry->text != 0);

    if (r->has_subject) {
        p = entry->data + entry->digest + entry->target;

        (void) reg_digest_parse(&r->subject,
                                (reg_str_t) { entry->subject, p }, NULL);
        p += entry->subject;

        (void) reg_digest_parse(&r->type, (reg_str_t) { entry->type, p },
                                NULL);
        p += entry->type;

        reg_buf_add(&r->text, p, entry->text);
    }

    (void) pthread_mutex_unlock(&cache->lock);

    return 1;
}


void
reg_referrers_cache_add(reg_store_t *s, const reg_digest_t *d,
    const reg_digest_t *target, const reg_referrer_t *r)
{
    size_t                  bytes;
    reg_referrers_cache_t  *cache;
    reg_referrers_entry_t  *entry, *old;

    cache = s->referrers;
    entry = reg_referrers_entry_make(d, target, r);

    if (entry == NULL) {
        return;
    }

    bytes = reg_referrers_entry_bytes(entry);

    (void) pthread_mutex_lock(&cache->lock);

    /* another thread may have read the same */

    old = reg_referrers_entry_find(cache, reg_digest_str(d));

    if (old != NULL) {
        reg_referrers_entry_free(cache, old);
    }

    while (cache->bytes + bytes > REG_REFERRERS_CACHE_MAX) {
        reg_referrers_entry_free(cache, cache->oldest);
    }

    cache->bytes += bytes;
    reg_referrers_entry_link(cache, entry);

    (void) pthread_mutex_unlock(&cache->lock);
}


static reg_referrers_entry_t *
reg_referrers_entry_make(const reg_digest_t *d, const reg_digest_t *target,
    const reg_referrer_t *r)
{
    char                   *p;
    reg_referrers_entry_t   lens, *entry;

    memset(&lens, 0, sizeof(lens));

    lens.size = r->size;
    lens.digest = (uint32_t) d->len;

    if (!reg_digest_eq(d, target)) {
        lens.target = (uint32_t) target->len;
    }

    if (r->has_subject) {
        lens.subject = (uint32_t) r->subject.len;
        lens.type = (uint32_t) r->type.len;

        if (r->text.len <= REG_REFERRERS_TEXT_MAX) {
            lens.text = (uint32_t) r->text.len;
        }
    }

    entry = malloc(reg_referrers_entry_bytes(&lens));

    if (entry == NULL) {
        return NULL;
    }

    *entry = lens;
    p = entry->data;

    memcpy(p, d->text, lens.digest);
    p += lens.digest;

    memcpy(p, target->text, lens.target);
    p += lens.target;

    memcpy(p, r->subject.text, lens.subject);
    p += lens.subject;

    memcpy(p, r->type.text, lens.type);
    p += lens.type;

    if (lens.text != 0) {
        memcpy(p, r->text.data, lens.text);
    }

    return entry;
}


static reg_str_t
reg_referrers_entry_target(const reg_referrers_entry_t *entry)
{
    reg_str_t  s;

    s.data = entry->data;
    s.len = entry->digest;

    if (entry->target != 0) {
        s.data += entry->digest;
        s.len = entry->target;
    }

    return s;
}


/* The last digits of a digest are as good as any hash of it. */

static reg_referrers_entry_t **
reg_referrers_bucket(reg_referrers_cache_t *cache, reg_str_t digest)
{
    size_t    i;
    uint32_t  h;

    h = 0;

    for (i = digest.len - 4; i < digest.len; i++) {
        h = h * 16 + (uint32_t) (digest.data[i] % 16
                                 + (digest.data[i] >= 'a' ? 9 : 0));
    }

    return &cache->buckets[h % REG_REFERRERS_BUCKETS];
}


static reg_referrers_entry_t *
reg_referrers_entry_find(reg_referrers_cache_t *cache, reg_str_t digest)
{
    reg_str_t               known;
    reg_referrers_entry_t  *entry;

    for (entry = *reg_referrers_bucket(cache, digest);
         entry != NULL;
         entry = entry->next)
    {
        known.data = entry->data;
        known.len = entry->digest;

        if (reg_str_eq(known, digest)) {
            break;
        }
    }

    return entry;
}


/* Into its bucket, and to the front of the order of use. */

static void
reg_referrers_entry_link(reg_referrers_cache_t *cache,
    reg_referrers_entry_t *entry)
{
    reg_referrers_entry_t  **bucket;

    bucket = reg_referrers_bucket(cache, (reg_str_t) { entry->digest,
                                                       entry->data });

    entry->next = *bucket;
    *bucket = entry;

    entry->newer = NULL;
    entry->older = cache->newest;

    if (cache->newest != NULL) {
        cache->newest->newer = entry;

    } else {
        cache->oldest = entry;
    }

    cache->newest = entry;
}


static void
reg_referrers_entry_unlink(reg_referrers_cache_t *cache,
    reg_referrers_entry_t *entry)
{
    reg_referrers_entry_t  **p;

    for (p = reg_referrers_bucket(cache, (reg_str_t) { entry->digest,
                                                       entry->data });
         *p != entry;
         p = &(*p)->next)
    {
        /* void */
    }

    *p = entry->next;

    if (entry->newer != NULL) {
        entry->newer->older = entry->older;

    } else {
        cache->newest = entry->older;
    }

    if (entry->older != NULL) {
        entry->older->newer = entry->newer;

    } else {
        cache->oldest = entry->newer;
    }
}


static void
reg_referrers_entry_free(reg_referrers_cache_t *cache,
    reg_referrers_entry_t *entry)
{
    reg_referrers_entry_unlink(cache, entry);

    cache->bytes -= reg_referrers_entry_bytes(entry);

    free(entry);
}


static size_t
reg_referrers_entry_bytes(const reg_referrers_entry_t *entry)
{
    return REG_REFERRERS_MALLOC + sizeof(reg_referrers_entry_t)
           + entry->digest + entry->target + entry->subject + entry->type
           + entry->text;
}
