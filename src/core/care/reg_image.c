
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_image.h"

#include "reg_links.h"
#include "reg_repo.h"
#include "reg_sums.h"

#include <stdio.h>
#include <string.h>


#define REG_IMAGE_PLATFORMS  4096
#define REG_IMAGE_PLATFORM   128

#define REG_IMAGE_CREATED      "org.opencontainers.image.created"
#define REG_IMAGE_DESCRIPTION  "org.opencontainers.image.description"
#define REG_IMAGE_OLD          "org.label-schema.description"


/* A reading: what was met already counts once. */
typedef struct {
    reg_store_t  *s;
    reg_str_t     name;
    reg_image_t  *image;
    reg_sums_t    sums;
    unsigned      depth;
    reg_error_t  *e;
} reg_image_run_t;


/* A search for referrers. */
typedef struct {
    reg_store_t            *s;
    reg_str_t               name;
    const reg_digest_t     *subject;
    reg_image_referrer_pt   fn;
    void                   *ctx;
    reg_buf_t               body;
    reg_error_t            *e;
} reg_image_search_t;


static reg_rc_t reg_image_manifest(reg_image_run_t *r, const reg_digest_t *d,
    reg_buf_t *body, char *media_type);
static reg_rc_t reg_image_parts(reg_image_run_t *r, const reg_manifest_t *m);
static reg_rc_t reg_image_blob(reg_image_run_t *r, const reg_reference_t *ref);
static reg_rc_t reg_image_child(reg_image_run_t *r,
    const reg_reference_t *ref, const json_t *d);
static reg_rc_t reg_image_referrer(void *data, const reg_digest_t *d);
static void reg_image_newest(reg_image_t *image, reg_str_t created);
static json_t *reg_image_config(reg_store_t *s, reg_str_t name,
    const reg_manifest_t *m);
static void reg_image_tell(reg_image_t *image);
static void reg_image_add_platform(reg_image_t *image,
    const json_t *platform);
static const json_t *reg_image_entry(const reg_manifest_t *m, size_t i);


reg_rc_t
reg_image_read(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_image_t *image, reg_error_t *e)
{
    reg_rc_t         rc;
    reg_buf_t        body;
    reg_image_run_t  r;

    memset(image, 0, sizeof(reg_image_t));
    memset(&r, 0, sizeof(r));

    image->digest = *d;
    reg_buf_init(&image->platforms, REG_IMAGE_PLATFORMS);
    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);

    r.s = s;
    r.name = name;
    r.image = image;
    r.e = e;

    rc = reg_image_manifest(&r, d, &body, image->media_type);

    if (rc == REG_OK) {
        image->bytes = body.len;
        rc = reg_manifest_read(&image->m, body.data, body.len, e);
    }

    if (rc == REG_OK) {

        if (!image->m.index) {
            image->config = reg_image_config(s, name, &image->m);
        }

        reg_image_tell(image);
        rc = reg_image_parts(&r, &image->m);
    }

    reg_buf_free(&body);
    reg_sums_free(&r.sums);

    if (rc != REG_OK) {
        reg_image_free(image);
    }

    return rc;
}


void
reg_image_free(reg_image_t *image)
{
    json_decref(image->config);
    reg_manifest_free(&image->m);
    reg_buf_free(&image->platforms);

    memset(image, 0, sizeof(reg_image_t));
}


/* Reads one and counts its own bytes. */

static reg_rc_t
reg_image_manifest(reg_image_run_t *r, const reg_digest_t *d,
    reg_buf_t *body, char *media_type)
{
    reg_rc_t      rc;
    reg_digest_t  target;

    rc = reg_revision_find(r->s, r->name, d, &target, NULL, r->e);

    if (rc == REG_OK) {
        rc = reg_revision_read(r->s, &target, body, media_type, r->e);
    }

    if (rc != REG_OK) {
        return rc;
    }

    if (reg_sums_add(&r->sums, d, NULL) == NULL) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    r->image->size += body->len;

    return REG_OK;
}


static reg_rc_t
reg_image_parts(reg_image_run_t *r, const reg_manifest_t *m)
{
    size_t                  i;
    reg_rc_t                rc;
    const reg_reference_t  *ref;

    for (i = 0; i < m->nrefs; i++) {
        ref = &m->refs[i];

        rc = ref->manifest
             ? reg_image_child(r, ref, m->index ? reg_image_entry(m, i) : NULL)
             : reg_image_blob(r, ref);

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


/* The entry of an index; the references are in their order, unless some were
   passed over. */

static const json_t *
reg_image_entry(const reg_manifest_t *m, size_t i)
{
    size_t         at;
    const json_t  *list, *d;

    list = json_object_get(m->root, "manifests");

    for (at = i; at < json_array_size(list); at++) {
        d = json_array_get(list, at);

        if (reg_str_eq(reg_json_str(d, "digest"),
                       reg_digest_str(&m->refs[i].digest)))
        {
            return d;
        }
    }

    return NULL;
}


/* The length is that of the bytes, not what the manifest says. */

static reg_rc_t
reg_image_blob(reg_image_run_t *r, const reg_reference_t *ref)
{
    int           fresh;
    reg_rc_t      rc;
    reg_stat_t    st;
    reg_path_t    path;
    reg_digest_t  target;

    if (reg_sums_add(&r->sums, &ref->digest, &fresh) == NULL) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    if (!fresh) {
        return REG_OK;
    }

    reg_layout_layer(&path, r->name, &ref->digest);

    rc = reg_link_read(r->s, path.s, &target, r->e);

    if (rc == REG_OK) {
        reg_layout_blob(&path, &target);
        rc = r->s->driver->stat(r->s, path.s, &st, r->e);
    }

    if (rc == REG_OK) {
        r->image->size += st.size;

    } else if (rc == REG_ABSENT && !ref->foreign) {
        r->image->missing = 1;
    }

    return (rc == REG_ABSENT) ? REG_OK : rc;
}


static reg_rc_t
reg_image_child(reg_image_run_t *r, const reg_reference_t *ref,
    const json_t *d)
{
    char             media_type[REG_MEDIA_TYPE_MAX + 1];
    json_t          *config;
    reg_rc_t         rc;
    reg_buf_t        body;
    const json_t    *platform;
    reg_error_t      why;
    reg_error_t     *e;
    reg_manifest_t   m;

    /* one manifest may be there for several platforms */

    platform = json_object_get(d, "platform");

    if (platform != NULL) {
        reg_image_add_platform(r->image, platform);
    }

    if (reg_sums_find(&r->sums, &ref->digest) != NULL) {
        return REG_OK;
    }

    reg_buf_init(&body, REG_MANIFEST_READ_MAX + 1);
    reg_error_clear(&why);

    e = r->e;
    r->e = &why;
    rc = reg_image_manifest(r, &ref->digest, &body, media_type);
    r->e = e;

    if (rc == REG_OK) {
        rc = reg_manifest_read(&m, body.data, body.len, &why);
    }

    reg_buf_free(&body);

    if (rc != REG_OK) {

        if (rc == REG_MANIFEST_UNKNOWN || rc == REG_MANIFEST_INVALID) {
            r->image->missing = 1;
            return REG_OK;
        }

        if (e != NULL && e->rc == REG_OK) {
            *e = why;
        }

        return rc;
    }

    if (!m.index) {
        config = reg_image_config(r->s, r->name, &m);

        if (platform == NULL) {
            reg_image_add_platform(r->image, config);
        }

        reg_image_newest(r->image, reg_json_str(config, "created"));
        json_decref(config);
    }

    if (r->depth < REG_IMAGE_DEPTH) {
        r->depth++;
        rc = reg_image_parts(r, &m);
        r->depth--;
    }

    reg_manifest_free(&m);

    return rc;
}


/* Such times in one zone compare as text. */

static void
reg_image_newest(reg_image_t *image, reg_str_t created)
{
    if (created.len == 0 || created.len >= sizeof(image->born)
        || (image->created.len != 0 && image->created.data != image->born)
        || reg_str_cmp(created, image->created) <= 0)
    {
        return;
    }

    memcpy(image->born, created.data, created.len);
    image->born[created.len] = '\0';

    image->created.data = image->born;
    image->created.len = created.len;
}


/* NULL when there is none that can be read. */

static json_t *
reg_image_config(reg_store_t *s, reg_str_t name, const reg_manifest_t *m)
{
    json_t        *config;
    reg_buf_t      body;
    reg_path_t     path;
    reg_digest_t   target;

    if (m->nrefs == 0 || m->refs[0].manifest
        || !reg_manifest_type_known(m->media_type)
        || m->refs[0].size > REG_IMAGE_CONFIG_MAX)
    {
        return NULL;
    }

    reg_layout_layer(&path, name, &m->refs[0].digest);

    if (reg_link_read(s, path.s, &target, NULL) != REG_OK) {
        return NULL;
    }

    config = NULL;

    reg_layout_blob(&path, &target);
    reg_buf_init(&body, REG_IMAGE_CONFIG_MAX + 1);

    if (s->driver->read(s, path.s, REG_IMAGE_CONFIG_MAX, &body, NULL)
        == REG_OK)
    {
        config = reg_json_load(body.data, body.len, NULL);
    }

    reg_buf_free(&body);

    if (!json_is_object(config)) {
        json_decref(config);
        return NULL;
    }

    return config;
}


static void
reg_image_tell(reg_image_t *image)
{
    const json_t  *labels, *notes;

    notes = image->m.annotations;
    labels = reg_image_labels(image);

    image->created = reg_json_str(image->config, "created");

    if (image->created.len == 0) {
        image->created = reg_json_str(notes, REG_IMAGE_CREATED);
    }

    image->description = reg_json_str(notes, REG_IMAGE_DESCRIPTION);

    if (image->description.len == 0) {
        image->description = reg_json_str(labels, REG_IMAGE_DESCRIPTION);
    }

    if (image->description.len == 0) {
        image->description = reg_json_str(labels, REG_IMAGE_OLD);
    }

    if (image->config != NULL) {
        reg_image_add_platform(image, image->config);
    }
}


const json_t *
reg_image_labels(const reg_image_t *image)
{
    const json_t  *labels;

    labels = json_object_get(json_object_get(image->config, "config"),
                             "Labels");

    return json_is_object(labels) ? labels : NULL;
}


void
reg_image_platform(reg_buf_t *b, const json_t *platform)
{
    size_t     i;
    reg_str_t  part;

    static const char  *const parts[] = { "os", "architecture", "variant" };

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        part = reg_json_str(platform, parts[i]);

        if (part.len == 0) {
            return;
        }

        if (i > 0) {
            reg_buf_str(b, reg_str("/"));
        }

        reg_buf_str(b, part);
    }
}


/* Each once; what is there beside an image, such as the proof of its build, is
   for "unknown/unknown". */

static void
reg_image_add_platform(reg_image_t *image, const json_t *platform)
{
    reg_buf_t    b;
    reg_str_t    rest, s;
    const char  *p;

    reg_buf_init(&b, REG_IMAGE_PLATFORM);
    reg_image_platform(&b, platform);

    s = reg_buf_slice(&b);

    if (s.len == 0 || reg_buf_failed(&b)
        || reg_str_eq(s, reg_str("unknown/unknown")))
    {
        reg_buf_free(&b);
        return;
    }

    for (rest = reg_buf_slice(&image->platforms); rest.len != 0; /* void */) {
        p = memchr(rest.data, ',', rest.len);

        if (p == NULL) {
            p = rest.data + rest.len;
        }

        if ((size_t) (p - rest.data) == s.len
            && memcmp(rest.data, s.data, s.len) == 0)
        {
            reg_buf_free(&b);
            return;
        }

        rest.len -= (size_t) (p - rest.data);
        rest.data = p;

        if (rest.len != 0) {
            rest.data++;
            rest.len--;
        }
    }

    if (image->platforms.len + s.len + 1 < image->platforms.max) {

        if (image->platforms.len != 0) {
            reg_buf_str(&image->platforms, reg_str(","));
        }

        reg_buf_str(&image->platforms, s);
    }

    reg_buf_free(&b);
}


reg_rc_t
reg_image_referrers(reg_store_t *s, reg_str_t name, const reg_digest_t *d,
    reg_image_referrer_pt fn, void *ctx, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_image_search_t  search;

    search.s = s;
    search.name = name;
    search.subject = d;
    search.fn = fn;
    search.ctx = ctx;
    search.e = e;

    reg_buf_init(&search.body, REG_MANIFEST_READ_MAX + 1);

    rc = reg_links_walk(s, name, "/_manifests/revisions", reg_image_referrer,
                        &search, e);

    reg_buf_free(&search.body);

    return rc;
}


/* One that cannot be read refers to nothing. */

static reg_rc_t
reg_image_referrer(void *data, const reg_digest_t *d)
{
    reg_rc_t             rc;
    reg_path_t           path;
    reg_digest_t         target;
    reg_manifest_t       m;
    reg_image_search_t  *search;

    search = data;

    if (reg_revision_find(search->s, search->name, d, &target, NULL, NULL)
        != REG_OK)
    {
        return REG_OK;
    }

    reg_buf_reset(&search->body);
    reg_layout_blob(&path, &target);

    if (search->s->driver->read(search->s, path.s, REG_MANIFEST_READ_MAX,
                                &search->body, NULL)
        != REG_OK)
    {
        return REG_OK;
    }

    /* a parser is slow, and most do not name it at all */

    if (memmem(search->body.data, search->body.len, search->subject->text,
               search->subject->len)
        == NULL
        || reg_manifest_read(&m, search->body.data, search->body.len, NULL)
           != REG_OK)
    {
        return REG_OK;
    }

    rc = REG_OK;

    if (m.has_subject && reg_digest_eq(&m.subject, search->subject)) {
        rc = search->fn(search->ctx, d, &m, search->body.len);
    }

    reg_manifest_free(&m);

    return rc;
}
