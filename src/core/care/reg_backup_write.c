
#include "reg_backup_private.h"

#include "reg_fs.h"
#include "reg_time.h"

#include <errno.h>
#include <inttypes.h>


/* so much of the listing is collected before it is written */
#define REG_BACKUP_BUFFER  65536


static void reg_backup_entry(reg_backup_run_t *r);
static void reg_backup_names(reg_backup_run_t *r, const char *key,
    const reg_manifest_t *m, unsigned manifest);
static int reg_backup_complete(const reg_backup_run_t *r,
    const reg_manifest_t *m);
static int reg_backup_has(const reg_backup_run_t *r,
    const reg_reference_t *ref);


reg_rc_t
reg_backup_begin(reg_backup_run_t *r)
{
    char  created[REG_TIME_LEN + 1];

    if (reg_time_print(r->how->now, created) != 0) {
        return reg_error_set(r->e, REG_INTERNAL, "no such time");
    }

    reg_buf_printf(&r->out, "{\"nginx_registry_backup\":1,\"id\":\"%s\","
                   "\"created\":\"%s\",\"contents\":[", r->how->id, created);

    return REG_OK;
}


void
reg_backup_write_repository(reg_backup_run_t *r)
{
    reg_backup_entry(r);
    reg_buf_str(&r->out, reg_str("}"));
}


void
reg_backup_write_manifest(reg_backup_run_t *r, const reg_digest_t *d,
    const reg_manifest_t *m, size_t size)
{
    reg_backup_entry(r);

    reg_buf_printf(&r->out, ",\"manifest\":\"%s\",\"mediaType\":\"", d->text);
    reg_buf_json(&r->out, m->media_type);
    reg_buf_printf(&r->out, "\",\"size\":%zu,", size);

    reg_backup_names(r, "manifests", m, 1);
    reg_buf_str(&r->out, reg_str(","));
    reg_backup_names(r, "blobs", m, 0);

    if (m->has_subject) {
        reg_buf_printf(&r->out, ",\"subject\":\"%s\"", m->subject.text);
    }

    if (!reg_backup_complete(r, m)) {
        reg_buf_str(&r->out, reg_str(",\"incomplete\":true"));
    }

    reg_buf_str(&r->out, reg_str("}"));
}


void
reg_backup_write_tag(reg_backup_run_t *r, reg_str_t tag,
    const reg_digest_t *d)
{
    reg_backup_entry(r);
    reg_buf_str(&r->out, reg_str(",\"tag\":\""));
    reg_buf_json(&r->out, tag);
    reg_buf_printf(&r->out, "\",\"manifest\":\"%s\"}", d->text);
}


void
reg_backup_write_left_out(reg_backup_run_t *r, const char *what,
    const char *why)
{
    reg_backup_entry(r);
    reg_buf_str(&r->out, reg_str(",\"left_out\":\""));
    reg_buf_json(&r->out, reg_str_of(what));
    reg_buf_str(&r->out, reg_str("\",\"why\":\""));
    reg_buf_json(&r->out, reg_str_of(why));
    reg_buf_str(&r->out, reg_str("\"}"));
}


/* What the lines begin with. */

static void
reg_backup_entry(reg_backup_run_t *r)
{
    reg_buf_str(&r->out, r->lines ? reg_str(",\n{\"repository\":\"")
                                  : reg_str("\n{\"repository\":\""));
    reg_buf_json(&r->out, r->name);
    reg_buf_str(&r->out, reg_str("\""));

    r->lines = 1;
}


static int
reg_backup_complete(const reg_backup_run_t *r, const reg_manifest_t *m)
{
    size_t  i;

    for (i = 0; i < m->nrefs; i++) {
        if (!m->refs[i].foreign && !reg_backup_has(r, &m->refs[i])) {
            return 0;
        }
    }

    return 1;
}


/*
 * What was taken for another repository is none of this one's without a link,
 * which what may not be missing has: the manifest would not be written.
 */

static int
reg_backup_has(const reg_backup_run_t *r, const reg_reference_t *ref)
{
    reg_path_t        path;
    const reg_sum_t  *sum;

    sum = reg_sums_find(ref->manifest ? &r->manifests : &r->blobs,
                        &ref->digest);

    if (sum == NULL || !(sum->bits & REG_BACKUP_WHOLE)) {
        return 0;
    }

    if (ref->manifest || !(ref->foreign || r->how->sparse)) {
        return 1;
    }

    reg_layout_layer(&path, r->name, &ref->digest);

    return reg_backup_linked(r, path.s);
}


/* Those that were taken. */

static void
reg_backup_names(reg_backup_run_t *r, const char *key,
    const reg_manifest_t *m, unsigned manifest)
{
    size_t       i;
    const char  *comma;

    reg_buf_printf(&r->out, "\"%s\":[", key);
    comma = "";

    for (i = 0; i < m->nrefs; i++) {

        if (m->refs[i].manifest != manifest
            || !reg_backup_has(r, &m->refs[i]))
        {
            continue;
        }

        reg_buf_printf(&r->out, "%s\"%s\"", comma, m->refs[i].digest.text);
        comma = ",";
    }

    reg_buf_str(&r->out, reg_str("]"));
}


reg_rc_t
reg_backup_flush(reg_backup_run_t *r)
{
    if (reg_buf_failed(&r->out)) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    if (r->out.len < REG_BACKUP_BUFFER) {
        return REG_OK;
    }

    reg_hash_update(&r->hash, r->out.data, r->out.len);

    if (reg_fs_write(r->fd, r->out.data, r->out.len) == -1) {
        return reg_backup_error(r->e, reg_error_sys(r->e, errno, "write",
                                                    "listing"));
    }

    reg_buf_reset(&r->out);

    return REG_OK;
}


reg_rc_t
reg_backup_end(reg_backup_run_t *r)
{
    reg_digest_t                d;
    const reg_backup_counts_t  *c;

    c = r->counts;

    reg_buf_str(&r->out, reg_str("\n],\n"));

    if (reg_buf_failed(&r->out)) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    reg_hash_update(&r->hash, r->out.data, r->out.len);
    reg_hash_final(&r->hash, &d);

    reg_buf_printf(&r->out, "\"counts\":{\"repositories\":%" PRIu64
                   ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64
                   ",\"blobs\":%" PRIu64 ",\"left_out\":%" PRIu64
                   "},\"digest\":\"%s\"}\n", c->repositories, c->manifests,
                   c->tags, c->blobs, c->left_out, d.text);

    if (reg_buf_failed(&r->out)) {
        return reg_error_set(r->e, REG_NO_MEMORY, NULL);
    }

    return (reg_fs_write(r->fd, r->out.data, r->out.len) == 0)
           ? REG_OK
           : reg_backup_error(r->e, reg_error_sys(r->e, errno, "write",
                                                  "listing"));
}


reg_rc_t
reg_backup_error(reg_error_t *e, reg_rc_t rc)
{
    if (rc != REG_OK && e != NULL && e->rc != REG_OK) {
        e->backup = 1;
    }

    return rc;
}
