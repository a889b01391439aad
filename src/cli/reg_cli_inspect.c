
/* registryctl inspect: an overview of tags, or all about one image. */


#include "reg_cli_store.h"
#include "reg_cli_text.h"

#include "reg_image.h"
#include "reg_repo.h"
#include "reg_tags.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


/* how often a tag is looked at that moves while it is looked at */
#define INSPECT_TRIES  5


typedef struct {
    reg_store_t         *s;
    reg_cli_target_t     target;
    reg_cli_rows_t       rows;
    reg_cli_progress_t   progress;
    reg_error_t          e;
    unsigned             lost:1;       /* a tag's manifest cannot be read */
} inspect_t;


static reg_cli_exit_e inspect_run(const reg_cli_t *c);
static reg_cli_exit_e inspect_tags(const reg_cli_t *c, inspect_t *in);
static reg_rc_t inspect_tag(void *data, reg_str_t tag,
    const reg_digest_t *d);
static reg_rc_t inspect_lost(inspect_t *in, reg_str_t tag,
    const reg_digest_t *d, const char *why);
static const char *inspect_why(inspect_t *in, const reg_digest_t *d,
    reg_rc_t rc, const reg_error_t *e, reg_buf_t *why);
static void inspect_row(inspect_t *in, reg_str_t tag,
    const reg_image_t *image);
static reg_cli_exit_e inspect_one(const reg_cli_t *c, inspect_t *in);
static void inspect_lines(reg_buf_t *b, const inspect_t *in,
    const reg_image_t *image, const json_t *referrers, int brief);
static void inspect_line(reg_buf_t *b, const char *key, reg_str_t value);
static void inspect_labels(reg_buf_t *b, const char *key,
    const json_t *labels);
static void inspect_child(reg_buf_t *b, const char *key, const json_t *d,
    int brief);
static void inspect_members(reg_buf_t *b, const reg_image_t *image);
static void inspect_json(reg_buf_t *b, const inspect_t *in,
    const reg_image_t *image, const json_t *referrers);
static void inspect_map(reg_buf_t *b, const char *key, const json_t *map);
static void inspect_list(reg_buf_t *b, const char *key, const json_t *list);
static reg_rc_t inspect_referrer(void *data, const reg_digest_t *d,
    const reg_manifest_t *m, uint64_t size);


static const reg_cli_option_t  options[] = {
    { "json", 0, NULL, 0, 0, "print JSON instead of lines" },
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "", { "ROOT", "REPOSITORY[:TAG|@DIGEST]" },
      "Shows what there is under the tags of a repository, or all about one "
      "image: when it was made and for what, its size, children, labels and "
      "referrers.",
      inspect_run, options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_inspect = {
    "inspect",
    "What images say of themselves",
    commands,
    "ROOT is the directory that the directive registry names.  Of a repository "
    "there is a table on a terminal, and in a pipe a line for each tag with "
    "tabs between its parts.\nExit status: 0 done; 1 there is no such thing, "
    "or a manifest cannot be read; 2 called wrongly; 3 the store could not be "
    "read."
};


static reg_cli_exit_e
inspect_run(const reg_cli_t *c)
{
    inspect_t        in;
    reg_cli_exit_e   rc;

    memset(&in, 0, sizeof(in));
    reg_error_clear(&in.e);

    if (reg_cli_target(&in.target, c->operands[1], 0) != 0) {
        return REG_CLI_USAGE;
    }

    in.s = reg_cli_store_there(c->operands[0]);

    if (in.s == NULL) {
        return REG_CLI_FAILED;
    }

    switch (reg_repo_exists(in.s, in.target.repository, &in.e)) {

    case 1:
        rc = (in.target.tag.len == 0 && !in.target.has_digest)
             ? inspect_tags(c, &in) : inspect_one(c, &in);
        break;

    case 0:
        rc = reg_cli_fail(REG_CLI_NO, "there is no repository \"%.*s\"",
                          (int) in.target.repository.len,
                          in.target.repository.data);
        break;

    default:
        rc = reg_cli_error(c->operands[0], &in.e);
        break;
    }

    reg_store_close(in.s);

    return rc;
}


/* --- all tags ------------------------------------------------------------ */

static reg_cli_exit_e
inspect_tags(const reg_cli_t *c, inspect_t *in)
{
    reg_rc_t        rc;
    reg_cli_exit_e  written;

    reg_cli_rows_begin(&in->rows, c,
                       "TAG\tCREATED\tSIZE\tPLATFORMS\tDIGEST\tDESCRIPTION",
                       "images");

    rc = reg_tags_all(in->s, in->target.repository, inspect_tag, in, &in->e);

    reg_cli_progress_end(&in->progress);

    written = reg_cli_rows_end(&in->rows, NULL);

    if (written != REG_CLI_OK) {
        return written;
    }

    if (rc != REG_OK) {
        return reg_cli_error(c->operands[0], &in->e);
    }

    return in->lost ? REG_CLI_NO : REG_CLI_OK;
}


/* d is NULL for a tag whose link is damaged. */

static reg_rc_t
inspect_tag(void *data, reg_str_t tag, const reg_digest_t *d)
{
    reg_rc_t       rc;
    reg_buf_t      text;
    unsigned       tries;
    inspect_t     *in;
    reg_image_t    image;
    reg_error_t    e, why;
    reg_digest_t   now, next;

    in = data;

    if (d == NULL) {
        return inspect_lost(in, tag, NULL, "the link of the tag names nothing");
    }

    now = *d;

    for (tries = 1; /* void */ ; tries++) {
        reg_error_clear(&e);
        reg_error_clear(&why);

        rc = reg_image_read(in->s, in->target.repository, &now, &image, &e);

        if (rc != REG_MANIFEST_UNKNOWN || tries == INSPECT_TRIES) {
            break;
        }

        /* it may have been deleted a moment ago, or the tag moved on */

        rc = reg_tag_read(in->s, in->target.repository, tag, &next, &why);

        if (rc == REG_MANIFEST_UNKNOWN && !why.damage) {
            return REG_OK;
        }

        if (rc != REG_OK || reg_digest_eq(&now, &next)) {
            rc = REG_MANIFEST_UNKNOWN;
            break;
        }

        now = next;
    }

    if (rc == REG_MANIFEST_UNKNOWN || rc == REG_MANIFEST_INVALID
        || (rc != REG_OK
            && reg_error_unread(NULL, rc, &e) == REG_DIGEST_MISMATCH))
    {
        reg_buf_init(&text, sizeof(e.detail) + REG_DIGEST_MAX + 128);

        rc = inspect_lost(in, tag, &now,
                          inspect_why(in, &now, rc, &e, &text));
        reg_buf_free(&text);

        return rc;
    }

    if (rc != REG_OK) {
        in->e = e;
        return rc;
    }

    inspect_row(in, tag, &image);
    reg_image_free(&image);

    if (reg_cli_progress_due(&in->progress)) {
        reg_cli_progress(&in->progress, "%" PRIu64 " tags ...", in->rows.n);
    }

    return reg_cli_row_end(&in->rows);
}


/* Names a tag of which no more than its digest is known, or not even that. */

static reg_rc_t
inspect_lost(inspect_t *in, reg_str_t tag, const reg_digest_t *d,
    const char *why)
{
    reg_image_t  image;

    in->lost = 1;
    memset(&image, 0, sizeof(image));
    image.missing = 1;

    if (d != NULL) {
        image.digest = *d;
    }

    reg_cli_progress_end(&in->progress);
    reg_cli_say("%.*s:%.*s: %s", (int) in->target.repository.len,
                in->target.repository.data, (int) tag.len, tag.data, why);

    inspect_row(in, tag, &image);

    return reg_cli_row_end(&in->rows);
}


/* A sentence, which lives as long as the buffer. */

static const char *
inspect_why(inspect_t *in, const reg_digest_t *d, reg_rc_t rc,
    const reg_error_t *e, reg_buf_t *why)
{
    reg_digest_t  target;

    if (rc != REG_MANIFEST_UNKNOWN) {
        reg_buf_printf(why, "the manifest %s cannot be read: %s", d->text,
                       (e->sys != 0) ? strerror(e->sys) : e->detail);

    } else if (reg_revision_find(in->s, in->target.repository, d, &target,
                                 NULL, NULL)
               == REG_MANIFEST_UNKNOWN)
    {
        reg_buf_printf(why, "there is no manifest %s", d->text);

    } else {
        reg_buf_printf(why, "the bytes of the manifest %s are missing or "
                       "damaged", d->text);
    }

    reg_buf_add(why, "", 1);

    return reg_buf_failed(why) ? reg_error_text(REG_NO_MEMORY) : why->data;
}


static void
inspect_row(inspect_t *in, reg_str_t tag, const reg_image_t *image)
{
    reg_buf_t  *b;

    b = &in->rows.b;

    reg_cli_row_begin(&in->rows);

    if (in->rows.json) {
        reg_buf_str(b, reg_str("{"));
        reg_cli_member(b, "tag", tag);
        reg_buf_str(b, reg_str(","));
        inspect_members(b, image);
        reg_buf_str(b, reg_str("}"));

        return;
    }

    reg_cli_plain(b, tag);
    reg_buf_str(b, reg_str("\t"));

    reg_cli_plain(b, (image->created.len == 0) ? reg_str("-")
                                               : image->created);
    reg_buf_str(b, reg_str("\t"));

    reg_cli_bytes(b, image->size, in->rows.terminal);
    reg_buf_str(b, reg_str("\t"));

    reg_cli_plain(b, (image->platforms.len == 0)
                     ? reg_str("-") : reg_buf_slice(&image->platforms));

    reg_buf_printf(b, "\t%s\t",
                   (image->digest.len != 0) ? image->digest.text : "-");
    reg_cli_plain(b, image->description);
}


/* What is told of an image wherever. */

static void
inspect_members(reg_buf_t *b, const reg_image_t *image)
{
    reg_str_t    rest, one;
    const char  *p;

    reg_cli_member(b, "digest", (image->digest.len != 0)
                                ? reg_digest_str(&image->digest)
                                : reg_null_str);
    reg_buf_str(b, reg_str(","));
    reg_cli_member(b, "mediaType", (image->media_type[0] != '\0')
                                   ? reg_str_of(image->media_type)
                                   : reg_null_str);
    reg_buf_str(b, reg_str(","));
    reg_cli_member(b, "artifactType",
                   (image->m.artifact_type.len == 0) ? reg_null_str
                                                     : image->m.artifact_type);
    reg_buf_str(b, reg_str(","));
    reg_cli_member(b, "created", image->created);
    reg_buf_printf(b, ",\"size\":%" PRIu64 ",\"complete\":%s,\"platforms\":[",
                   image->size, image->missing ? "false" : "true");

    for (rest = reg_buf_slice(&image->platforms); rest.len != 0; /* void */) {
        one = rest;
        p = memchr(rest.data, ',', rest.len);

        if (p != NULL) {
            one.len = (size_t) (p - rest.data);
        }

        reg_cli_quoted(b, one);

        if (p != NULL) {
            reg_buf_str(b, reg_str(","));
        }

        rest.data += one.len + (p != NULL);
        rest.len -= one.len + (p != NULL);
    }

    reg_buf_str(b, reg_str("],"));
    reg_cli_member(b, "description", image->description);
}


/* --- one of them --------------------------------------------------------- */

static reg_cli_exit_e
inspect_one(const reg_cli_t *c, inspect_t *in)
{
    json_t          *referrers;
    reg_rc_t         rc;
    reg_buf_t        b;
    reg_digest_t     d;
    reg_image_t      image;
    reg_cli_exit_e   written;

    d = in->target.digest;
    rc = REG_OK;

    if (!in->target.has_digest) {
        rc = reg_tag_read(in->s, in->target.repository, in->target.tag, &d,
                          &in->e);
    }

    if (rc == REG_MANIFEST_UNKNOWN) {
        return reg_cli_fail(REG_CLI_NO, "%s: %s", c->operands[1],
                            in->e.detail);
    }

    if (rc == REG_OK) {
        rc = reg_image_read(in->s, in->target.repository, &d, &image, &in->e);
    }

    if (rc == REG_MANIFEST_UNKNOWN || rc == REG_MANIFEST_INVALID) {
        reg_buf_init(&b, sizeof(in->e.detail) + REG_DIGEST_MAX + 128);

        written = reg_cli_fail(REG_CLI_NO, "%s: %s", c->operands[1],
                               inspect_why(in, &d, rc, &in->e, &b));
        reg_buf_free(&b);

        return written;
    }

    if (rc != REG_OK) {
        return reg_cli_error(c->operands[0], &in->e);
    }

    referrers = json_array();

    rc = reg_image_referrers(in->s, in->target.repository, &d,
                             inspect_referrer, referrers, &in->e);

    if (rc != REG_OK) {
        json_decref(referrers);
        reg_image_free(&image);

        return reg_cli_error(c->operands[0], &in->e);
    }

    reg_buf_init(&b, SIZE_MAX / 4);
    reg_cli_rows_begin(&in->rows, c, "", "");
    reg_buf_free(&in->rows.b);

    if (in->rows.json) {
        inspect_json(&b, in, &image, referrers);
        written = reg_cli_print(&b);

    } else {
        inspect_lines(&b, in, &image, referrers, in->rows.terminal);
        written = in->rows.terminal ? reg_cli_table(&b) : reg_cli_print(&b);
    }

    json_decref(referrers);
    reg_buf_free(&b);
    reg_image_free(&image);

    return written;
}


/* An array of their descriptors, as the API gives them. */

static reg_rc_t
inspect_referrer(void *data, const reg_digest_t *d, const reg_manifest_t *m,
    uint64_t size)
{
    json_t     *one, *list;
    reg_buf_t   b;

    list = data;

    reg_buf_init(&b, SIZE_MAX / 4);

    one = (reg_manifest_descriptor(&b, m, d, size) == 0)
          ? reg_json_load(b.data, b.len, NULL) : NULL;

    reg_buf_free(&b);

    return (json_array_append_new(list, one) == 0) ? REG_OK : REG_NO_MEMORY;
}


static void
inspect_lines(reg_buf_t *b, const inspect_t *in, const reg_image_t *image,
    const json_t *referrers, int brief)
{
    size_t         i;
    const json_t  *d;

    inspect_line(b, "repository", in->target.repository);
    inspect_line(b, "tag", in->target.tag);
    inspect_line(b, "digest", reg_digest_str(&image->digest));
    inspect_line(b, "type", reg_str_of(image->media_type));
    inspect_line(b, "artifact", image->m.artifact_type);
    inspect_line(b, "created", image->created);

    reg_buf_str(b, reg_str("size\t"));
    reg_cli_bytes(b, image->size, brief);
    reg_buf_str(b, reg_str("\n"));

    if (image->missing) {
        inspect_line(b, "incomplete", reg_str("a part of it is not here"));
    }

    inspect_line(b, "platforms", reg_buf_slice(&image->platforms));
    inspect_line(b, "description", image->description);

    if (image->m.has_subject) {
        inspect_line(b, "subject", reg_digest_str(&image->m.subject));
    }

    json_array_foreach(json_object_get(image->m.root, "manifests"), i, d) {
        inspect_child(b, "child", d, brief);
    }

    json_array_foreach(json_object_get(image->m.root, "layers"), i, d) {
        inspect_child(b, "layer", d, brief);
    }

    json_array_foreach(referrers, i, d) {
        inspect_child(b, "referrer", d, brief);
    }

    inspect_labels(b, "annotation", image->m.annotations);
    inspect_labels(b, "label", reg_image_labels(image));
}


static void
inspect_line(reg_buf_t *b, const char *key, reg_str_t value)
{
    if (value.len != 0) {
        reg_buf_printf(b, "%s\t", key);
        reg_cli_plain(b, value);
        reg_buf_str(b, reg_str("\n"));
    }
}


static void
inspect_labels(reg_buf_t *b, const char *key, const json_t *labels)
{
    void        *at;
    reg_str_t    value;
    const char  *name;

    for (at = json_object_iter((json_t *) labels); at != NULL;
         at = json_object_iter_next((json_t *) labels, at))
    {
        name = json_object_iter_key(at);
        value = reg_json_str(labels, name);

        reg_buf_printf(b, "%s\t", key);
        reg_cli_plain(b, reg_str_of(name));
        reg_buf_str(b, reg_str("="));
        reg_cli_plain(b, value);
        reg_buf_str(b, reg_str("\n"));
    }
}


/* digest, size, platform or type */

static void
inspect_child(reg_buf_t *b, const char *key, const json_t *d, int brief)
{
    size_t         before;
    reg_buf_t      text;
    json_int_t     size;
    const json_t  *platform;

    size = json_integer_value(json_object_get(d, "size"));
    platform = json_object_get(d, "platform");

    reg_buf_printf(b, "%s\t", key);
    reg_cli_plain(b, reg_json_str(d, "digest"));
    reg_buf_str(b, reg_str(" "));
    reg_cli_bytes(b, (size < 0) ? 0 : (uint64_t) size, brief);
    reg_buf_str(b, reg_str(" "));

    before = b->len;

    if (platform != NULL) {
        reg_buf_init(&text, 1024);
        reg_image_platform(&text, platform);
        reg_cli_plain(b, reg_buf_slice(&text));
        reg_buf_free(&text);

    } else {
        reg_cli_plain(b, reg_json_str(d, "artifactType"));
    }

    if (b->len == before) {
        reg_cli_plain(b, reg_json_str(d, "mediaType"));
    }

    reg_buf_str(b, reg_str("\n"));
}


static void
inspect_json(reg_buf_t *b, const inspect_t *in, const reg_image_t *image,
    const json_t *referrers)
{
    reg_buf_str(b, reg_str("{"));
    reg_cli_member(b, "repository", in->target.repository);
    reg_buf_str(b, reg_str(","));
    reg_cli_member(b, "tag", in->target.tag);
    reg_buf_str(b, reg_str(","));
    inspect_members(b, image);
    reg_buf_str(b, reg_str(","));
    reg_cli_member(b, "subject", image->m.has_subject
                                 ? reg_digest_str(&image->m.subject)
                                 : reg_null_str);

    inspect_list(b, "children",
                 json_object_get(image->m.root, "manifests"));
    inspect_list(b, "layers", json_object_get(image->m.root, "layers"));
    inspect_list(b, "referrers", referrers);
    inspect_map(b, "annotations", image->m.annotations);
    inspect_map(b, "labels", reg_image_labels(image));

    reg_buf_str(b, reg_str("}\n"));
}


static void
inspect_map(reg_buf_t *b, const char *key, const json_t *map)
{
    int          first;
    void        *at;
    const char  *name;

    reg_buf_printf(b, ",\n\"%s\":{", key);

    first = 1;

    for (at = json_object_iter((json_t *) map); at != NULL;
         at = json_object_iter_next((json_t *) map, at))
    {
        name = json_object_iter_key(at);

        if (!first) {
            reg_buf_str(b, reg_str(","));
        }

        first = 0;

        reg_cli_quoted(b, reg_str_of(name));
        reg_buf_str(b, reg_str(":"));
        reg_cli_quoted(b, reg_json_str(map, name));
    }

    reg_buf_str(b, reg_str("}"));
}


static void
inspect_list(reg_buf_t *b, const char *key, const json_t *list)
{
    size_t         i;
    json_int_t     size;
    reg_buf_t      platform;
    const json_t  *d;

    reg_buf_printf(b, ",\n\"%s\":[", key);

    json_array_foreach(list, i, d) {
        size = json_integer_value(json_object_get(d, "size"));

        reg_buf_init(&platform, 1024);
        reg_image_platform(&platform, json_object_get(d, "platform"));

        reg_buf_str(b, (i == 0) ? reg_str("{") : reg_str(",{"));
        reg_cli_member(b, "digest", reg_json_str(d, "digest"));
        reg_buf_str(b, reg_str(","));
        reg_cli_member(b, "mediaType", reg_json_str(d, "mediaType"));
        reg_buf_str(b, reg_str(","));
        reg_cli_member(b, "artifactType", reg_json_str(d, "artifactType"));
        reg_buf_str(b, reg_str(","));
        reg_cli_member(b, "platform", reg_buf_slice(&platform));
        reg_buf_printf(b, ",\"size\":%" PRId64 "}", (int64_t) size);

        reg_buf_free(&platform);
    }

    reg_buf_str(b, reg_str("]"));
}
