
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_tags.h"

#include "reg_fs.h"
#include "reg_names.h"
#include "reg_repo.h"
#include "reg_time.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


#define REG_TAGS_BUCKETS  256

/* fewer tags are read again as fast as they are looked up */
#define REG_TAGS_WORTH    32


/*
 * One list.  It is made by one thread, then never changed, and freed by the
 * last of those who use it; the cache is one of them as long as it holds it.
 * All links of the cache and refs are under its lock.
 */
typedef struct reg_tag_list_s  reg_tag_list_t;

struct reg_tag_list_s {
    reg_tag_list_t  *next;        /* of the same bucket */
    reg_tag_list_t  *newer;       /* in order of use */
    reg_tag_list_t  *older;
    unsigned         refs;

    uint64_t         ino;         /* of the directory, when it was read */
    int64_t          ctime;

    reg_names_t      tags;
    unsigned         nomem:1;

    size_t           name_len;
    char             name[REG_NAME_MAX + 1];
};


/* A walk over all of them. */
typedef struct {
    reg_store_t     *s;
    reg_str_t        name;
    reg_tag_pt       fn;
    void            *ctx;
    reg_error_t     *e;
} reg_tags_walk_t;


struct reg_tags_s {
    pthread_mutex_t  lock;
    size_t           bytes;
    reg_tag_list_t  *buckets[REG_TAGS_BUCKETS];
    reg_tag_list_t  *newest;
    reg_tag_list_t  *oldest;
};


static reg_rc_t reg_tags_each(void *ctx, reg_str_t tag);
static reg_rc_t reg_tags_get(reg_store_t *s, reg_str_t name,
    reg_tag_list_t **list, reg_error_t *e);
static reg_rc_t reg_tags_scan(reg_store_t *s, reg_str_t name,
    const char *path, const reg_stat_t *st, reg_tag_list_t **out,
    reg_error_t *e);
static reg_rc_t reg_tags_entry(void *ctx, reg_str_t name, int dir);
static unsigned reg_tags_hash(reg_str_t name);
static reg_tag_list_t *reg_tags_lookup(reg_tags_t *cache, reg_str_t name,
    const reg_stat_t *st);
static void reg_tags_insert(reg_tags_t *cache, reg_tag_list_t *list);
static void reg_tags_link(reg_tags_t *cache, reg_tag_list_t *list);
static void reg_tags_unlink(reg_tags_t *cache, reg_tag_list_t *list);
static void reg_tags_evict(reg_tags_t *cache, reg_tag_list_t *list);
static size_t reg_tags_bytes(const reg_tag_list_t *list);
static void reg_tags_release(reg_tags_t *cache, reg_tag_list_t *list);
static void reg_tags_free(reg_tag_list_t *list);


reg_rc_t
reg_tags_page(reg_store_t *s, const reg_op_t *op, reg_page_t *p,
    reg_error_t *e)
{
    size_t           i;
    reg_rc_t         rc;
    reg_str_t        tag, last;
    reg_path_t       path;
    reg_error_t      why;
    reg_digest_t     d;
    reg_tag_list_t  *list;

    rc = reg_tags_get(s, op->name, &list, e);

    if (rc != REG_OK && rc != REG_ABSENT) {
        return rc;
    }

    if (rc == REG_ABSENT) {

        /* a repository of blobs alone has no tags yet */

        switch (reg_repo_exists(s, op->name, e)) {

        case 1:
            break;

        case 0:
            return reg_error_set(e, REG_NAME_UNKNOWN, "%.*s",
                                 (int) op->name.len, op->name.data);

        default:
            return (e != NULL && e->rc != REG_OK) ? e->rc : REG_STORAGE;
        }
    }

    reg_buf_str(&p->body, reg_str("{\"name\":\""));
    reg_buf_json(&p->body, op->name);
    reg_buf_str(&p->body, reg_str("\",\"tags\":["));

    rc = REG_OK;
    last = reg_null_str;

    for (i = (list == NULL) ? 0 : reg_names_after(&list->tags, op->last);
         list != NULL && i < list->tags.n && p->limit > 0;
         i++)
    {
        tag = reg_names_get(&list->tags, i);

        reg_error_clear(&why);

        rc = reg_tag_read(s, op->name, tag, &d, &why);

        if (rc == REG_MANIFEST_UNKNOWN) {
            rc = REG_OK;
            continue;
        }

        if (rc != REG_OK) {

            if (e != NULL && e->rc == REG_OK) {
                *e = why;
            }

            break;
        }

        if (!reg_page_fits(p, tag.len + sizeof("\"\",") - 1)) {
            break;
        }

        reg_page_add(p, tag);
        last = tag;
    }

    reg_buf_str(&p->body, reg_str("]}\n"));

    reg_layout_repo(&path, op->name, "/tags/list");

    if (rc == REG_OK && p->more) {
        memcpy(path.s, "/v2/", 4);
        memmove(path.s + 4, path.s + sizeof(REG_LAYOUT_REPOS),
                path.len + 1 - sizeof(REG_LAYOUT_REPOS));

        reg_page_link(p, op, path.s, last);
    }

    if (list != NULL) {
        reg_tags_release(s->tags, list);
    }

    if (rc == REG_OK && (reg_buf_failed(&p->body) || reg_buf_failed(&p->link)))
    {
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    return rc;
}


reg_rc_t
reg_tags_walk(reg_store_t *s, reg_str_t name, reg_tag_pt fn, void *ctx,
    reg_error_t *e)
{
    size_t           i;
    reg_rc_t         rc;
    reg_str_t        tag;
    reg_path_t       path;
    reg_digest_t     d;
    reg_tag_list_t  *list;

    rc = reg_tags_get(s, name, &list, e);

    if (rc != REG_OK) {
        return (rc == REG_ABSENT) ? REG_OK : rc;
    }

    for (i = 0; i < list->tags.n && rc == REG_OK; i++) {
        tag = reg_names_get(&list->tags, i);

        reg_layout_tag(&path, name, tag, "/current/link");

        rc = reg_link_read(s, path.s, &d, e);

        if (rc == REG_OK) {
            rc = fn(ctx, tag, &d);

        } else if (rc == REG_ABSENT) {
            rc = REG_OK;
        }
    }

    reg_tags_release(s->tags, list);

    return rc;
}


reg_rc_t
reg_tags_names(reg_store_t *s, reg_str_t name, reg_tag_name_pt fn, void *ctx,
    reg_error_t *e)
{
    size_t           i;
    reg_rc_t         rc;
    reg_path_t       path;
    reg_tag_list_t  *list;

    rc = reg_tags_get(s, name, &list, e);

    if (rc == REG_ABSENT) {
        reg_layout_repo(&path, name, "/_manifests/tags");

        if (reg_fs_there(reg_fs_of(s), path.s) != 1) {
            return REG_OK;
        }

        /* it may have been made meanwhile */

        rc = reg_tags_get(s, name, &list, e);
    }

    if (rc != REG_OK) {
        return (rc != REG_ABSENT)
               ? rc : reg_error_damage(e, REG_MANIFEST_UNKNOWN,
                                       "the tags of %.*s are no directory",
                                       (int) name.len, name.data);
    }

    for (i = 0; i < list->tags.n && rc == REG_OK; i++) {
        rc = fn(ctx, reg_names_get(&list->tags, i));
    }

    reg_tags_release(s->tags, list);

    return rc;
}


reg_rc_t
reg_tags_all(reg_store_t *s, reg_str_t name, reg_tag_pt fn, void *ctx,
    reg_error_t *e)
{
    reg_tags_walk_t  w;

    w.s = s;
    w.name = name;
    w.fn = fn;
    w.ctx = ctx;
    w.e = e;

    return reg_tags_names(s, name, reg_tags_each, &w, e);
}


static reg_rc_t
reg_tags_each(void *ctx, reg_str_t tag)
{
    reg_rc_t          rc;
    reg_error_t       why;
    reg_digest_t      d;
    reg_tags_walk_t  *w;

    w = ctx;
    reg_error_clear(&why);

    rc = reg_tag_read(w->s, w->name, tag, &d, &why);

    if (rc == REG_OK) {
        return w->fn(w->ctx, tag, &d);
    }

    if (rc == REG_MANIFEST_UNKNOWN) {
        return why.damage ? w->fn(w->ctx, tag, NULL) : REG_OK;
    }

    rc = reg_error_unread(w->e, rc, &why);

    return (rc == REG_DIGEST_MISMATCH) ? w->fn(w->ctx, tag, NULL) : rc;
}


/*
 * The list as it is now, from memory or from the disk; it goes to
 * reg_tags_release().  REG_ABSENT, and NULL, without a directory of tags.
 */

static reg_rc_t
reg_tags_get(reg_store_t *s, reg_str_t name, reg_tag_list_t **out,
    reg_error_t *e)
{
    reg_rc_t         rc;
    reg_stat_t       st;
    reg_path_t       path;
    reg_tag_list_t  *list;

    *out = NULL;

    reg_layout_repo(&path, name, "/_manifests/tags");

    rc = s->driver->stat(s, path.s, &st, e);

    if (rc != REG_OK) {
        return rc;
    }

    if (!st.dir) {
        return REG_ABSENT;
    }

    list = reg_tags_lookup(s->tags, name, &st);

    if (list != NULL) {
        *out = list;
        return REG_OK;
    }

    return reg_tags_scan(s, name, path.s, &st, out, e);
}


static reg_rc_t
reg_tags_scan(reg_store_t *s, reg_str_t name, const char *path,
    const reg_stat_t *st, reg_tag_list_t **out, reg_error_t *e)
{
    int64_t           now;
    reg_rc_t          rc;
    reg_stat_t        after;
    struct timespec   ts;
    reg_tag_list_t   *list;

    /*
     * The one thing a clock is read for here: a directory that was changed an
     * instant ago may change again without showing it, see reg_fs_tick().
     */

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    now = reg_time_ns(&ts);

    list = calloc(1, sizeof(reg_tag_list_t));

    if (list == NULL || name.len > REG_NAME_MAX) {
        free(list);
        return reg_error_set(e, REG_NO_MEMORY, NULL);
    }

    list->refs = 1;
    list->ino = st->ino;
    list->ctime = st->ctime;
    list->name_len = name.len;
    memcpy(list->name, name.data, name.len);

    rc = s->driver->list(s, path, reg_tags_entry, list, e);

    if (rc == REG_OK && reg_names_sort(&list->tags) != 0) {
        list->nomem = 1;
        rc = REG_NO_MEMORY;
    }

    if (rc == REG_OK && list->tags.n >= REG_TAGS_WORTH
        && st->ctime <= now - reg_fs_tick(st->ctime)
        && s->driver->stat(s, path, &after, NULL) == REG_OK
        && after.ino == st->ino && after.ctime == st->ctime)
    {
        reg_tags_insert(s->tags, list);
    }

    if (rc != REG_OK) {
        rc = list->nomem ? reg_error_set(e, REG_NO_MEMORY, NULL) : rc;
        reg_tags_release(s->tags, list);

        return rc;
    }

    *out = list;

    return REG_OK;
}


static reg_rc_t
reg_tags_entry(void *ctx, reg_str_t name, int dir)
{
    reg_tag_list_t  *list;

    list = ctx;

    /* what is no directory may have been a tag, and has no link to be listed */

    (void) dir;

    if (!reg_tag_valid(name)) {
        return REG_OK;
    }

    if (reg_names_add(&list->tags, name) != 0) {
        list->nomem = 1;
        return REG_NO_MEMORY;
    }

    return REG_OK;
}


reg_rc_t
reg_tags_cache_open(reg_store_t *s)
{
    s->tags = calloc(1, sizeof(reg_tags_t));

    if (s->tags == NULL) {
        return REG_NO_MEMORY;
    }

    if (pthread_mutex_init(&s->tags->lock, NULL) != 0) {
        free(s->tags);
        s->tags = NULL;

        return REG_NO_MEMORY;
    }

    return REG_OK;
}


void
reg_tags_cache_close(reg_store_t *s)
{
    if (s->tags == NULL) {
        return;
    }

    while (s->tags->oldest != NULL) {
        reg_tags_evict(s->tags, s->tags->oldest);
    }

    (void) pthread_mutex_destroy(&s->tags->lock);

    free(s->tags);
    s->tags = NULL;
}


static unsigned
reg_tags_hash(reg_str_t name)
{
    size_t    i;
    uint32_t  h;

    h = UINT32_C(2166136261);

    for (i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char) name.data[i]) * UINT32_C(16777619);
    }

    return (h ^ (h >> 16)) % REG_TAGS_BUCKETS;
}


/* A list that is still true, with one more user, or NULL. */

static reg_tag_list_t *
reg_tags_lookup(reg_tags_t *cache, reg_str_t name, const reg_stat_t *st)
{
    reg_str_t        known;
    reg_tag_list_t  *list;

    (void) pthread_mutex_lock(&cache->lock);

    for (list = cache->buckets[reg_tags_hash(name)];
         list != NULL;
         list = list->next)
    {
        known.data = list->name;
        known.len = list->name_len;

        if (reg_str_eq(known, name)) {
            break;
        }
    }

    if (list != NULL) {

        if (list->ino == st->ino && list->ctime == st->ctime) {
            list->refs++;

            reg_tags_unlink(cache, list);
            reg_tags_link(cache, list);

        } else {
            reg_tags_evict(cache, list);
            list = NULL;
        }
    }

    (void) pthread_mutex_unlock(&cache->lock);

    return list;
}


static void
reg_tags_insert(reg_tags_t *cache, reg_tag_list_t *list)
{
    reg_str_t        name, known;
    reg_tag_list_t  *old, *next;

    if (reg_tags_bytes(list) > REG_TAGS_CACHE_MAX) {
        return;
    }

    name.data = list->name;
    name.len = list->name_len;

    (void) pthread_mutex_lock(&cache->lock);

    /* another thread may have read the same */

    for (old = cache->buckets[reg_tags_hash(name)]; old != NULL; old = next) {
        next = old->next;

        known.data = old->name;
        known.len = old->name_len;

        if (reg_str_eq(known, name)) {
            reg_tags_evict(cache, old);
        }
    }

    while (cache->bytes + reg_tags_bytes(list) > REG_TAGS_CACHE_MAX) {
        reg_tags_evict(cache, cache->oldest);
    }

    list->refs++;

    cache->bytes += reg_tags_bytes(list);
    reg_tags_link(cache, list);

    (void) pthread_mutex_unlock(&cache->lock);
}


/* Into its bucket, and to the front of the order of use. */

static void
reg_tags_link(reg_tags_t *cache, reg_tag_list_t *list)
{
    unsigned   h;
    reg_str_t  name;

    name.data = list->name;
    name.len = list->name_len;

    h = reg_tags_hash(name);

    list->next = cache->buckets[h];
    cache->buckets[h] = list;

    list->newer = NULL;
    list->older = cache->newest;

    if (cache->newest != NULL) {
        cache->newest->newer = list;

    } else {
        cache->oldest = list;
    }

    cache->newest = list;
}


static void
reg_tags_unlink(reg_tags_t *cache, reg_tag_list_t *list)
{
    reg_str_t         name;
    reg_tag_list_t  **p;

    name.data = list->name;
    name.len = list->name_len;

    for (p = &cache->buckets[reg_tags_hash(name)];
         *p != list;
         p = &(*p)->next)
    {
        /* void */
    }

    *p = list->next;

    if (list->newer != NULL) {
        list->newer->older = list->older;

    } else {
        cache->newest = list->older;
    }

    if (list->older != NULL) {
        list->older->newer = list->newer;

    } else {
        cache->oldest = list->newer;
    }
}


/* The cache lets go of a list; under its lock, or when nobody else is left. */

static void
reg_tags_evict(reg_tags_t *cache, reg_tag_list_t *list)
{
    reg_tags_unlink(cache, list);

    cache->bytes -= reg_tags_bytes(list);

    if (--list->refs == 0) {
        reg_tags_free(list);
    }
}


static size_t
reg_tags_bytes(const reg_tag_list_t *list)
{
    return sizeof(reg_tag_list_t) + reg_names_bytes(&list->tags);
}


static void
reg_tags_release(reg_tags_t *cache, reg_tag_list_t *list)
{
    int  last;

    (void) pthread_mutex_lock(&cache->lock);
    last = (--list->refs == 0);
    (void) pthread_mutex_unlock(&cache->lock);

    if (last) {
        reg_tags_free(list);
    }
}


static void
reg_tags_free(reg_tag_list_t *list)
{
    reg_names_free(&list->tags);
    free(list);
}
