
#include "reg_route.h"
#include "reg_name.h"
#include "reg_params.h"


/* the shapes a path can have; what a method makes of them is in the table */
typedef enum {
    REG_ROUTE_BASE = 0,
    REG_ROUTE_CATALOG,
    REG_ROUTE_TOKEN,            /* the last without a name */
    REG_ROUTE_TAGS,
    REG_ROUTE_REFERRERS,
    REG_ROUTE_MANIFEST,
    REG_ROUTE_BLOB,
    REG_ROUTE_UPLOADS,          /* the collection: where uploads begin */
    REG_ROUTE_UPLOAD,           /* one session */
    REG_ROUTE_REPO,
    REG_ROUTE_N                 /* none of them */
} reg_route_e;


/* The operations of a route, by method; REG_OP_N is none. */
typedef struct {
    reg_op_e     get;           /* and HEAD */
    reg_op_e     post;
    reg_op_e     put;
    reg_op_e     patch;
    reg_op_e     delete;
    const char  *allow;
    const char  *kept;          /* the same where nothing may be deleted */
} reg_route_t;


/* A path taken apart; nothing in it is checked yet. */
typedef struct {
    reg_route_e  route;
    reg_str_t    name;
    reg_str_t    last;          /* the last segment */
} reg_route_parts_t;


static void reg_route_clear(reg_op_t *op, reg_method_e method);
static void reg_route_split(reg_route_parts_t *parts, reg_str_t rest);
static reg_str_t reg_route_pop(reg_str_t *path);
static reg_op_e reg_route_op(const reg_route_t *route, reg_method_e method);
static reg_rc_t reg_route_segment(reg_op_t *op,
    const reg_route_parts_t *parts, reg_error_t *e);


#define REG_NONE  REG_OP_N


static const reg_route_t  reg_routes[REG_ROUTE_N] = {

    /* GET, HEAD, POST, PUT, PATCH, DELETE */

    { REG_OP_BASE, REG_NONE, REG_NONE, REG_NONE, REG_NONE,
      "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS" },

    { REG_OP_CATALOG, REG_NONE, REG_NONE, REG_NONE, REG_NONE,
      "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS" },

    { REG_OP_TOKEN, REG_OP_TOKEN, REG_NONE, REG_NONE, REG_NONE,
      "GET, HEAD, POST, OPTIONS", "GET, HEAD, POST, OPTIONS" },

    { REG_OP_TAGS, REG_NONE, REG_NONE, REG_NONE, REG_NONE,
      "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS" },

    { REG_OP_REFERRERS, REG_NONE, REG_NONE, REG_NONE, REG_NONE,
      "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS" },

    { REG_OP_MANIFEST_READ, REG_NONE, REG_OP_MANIFEST_WRITE, REG_NONE,
      REG_OP_MANIFEST_DELETE,
      "GET, HEAD, PUT, DELETE, OPTIONS", "GET, HEAD, PUT, OPTIONS" },

    { REG_OP_BLOB_READ, REG_NONE, REG_NONE, REG_NONE, REG_OP_BLOB_DELETE,
      "GET, HEAD, DELETE, OPTIONS", "GET, HEAD, OPTIONS" },

    { REG_NONE, REG_OP_UPLOAD_START, REG_NONE, REG_NONE, REG_NONE,
      "POST, OPTIONS", "POST, OPTIONS" },

    { REG_OP_UPLOAD_STATUS, REG_NONE, REG_OP_UPLOAD_FINISH,
      REG_OP_UPLOAD_APPEND, REG_OP_UPLOAD_CANCEL,
      "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
      "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },

    { REG_NONE, REG_NONE, REG_NONE, REG_NONE, REG_OP_REPO_DELETE,
      "DELETE, OPTIONS", "OPTIONS" }
};


reg_rc_t
reg_route_parse(reg_op_t *op, reg_method_e method, reg_str_t path,
    reg_str_t query, char *scratch, reg_error_t *e)
{
    reg_rc_t            rc;
    reg_route_parts_t   parts;
    const reg_route_t  *route;

    reg_route_clear(op, method);

    if (!reg_str_starts(path, reg_str("/v2/"))
        && !reg_str_eq(path, reg_str("/v2")))
    {
        return reg_error_set(e, REG_ROUTE_UNKNOWN, NULL);
    }

    if (path.len == 3) {
        path.len = 0;

    } else {
        path.data += 4;
        path.len -= 4;
    }

    reg_route_split(&parts, path);

    if (parts.route != REG_ROUTE_N) {
        op->allow = reg_routes[parts.route].allow;
        op->allow_kept = reg_routes[parts.route].kept;
    }

    if (method == REG_METHOD_OPTIONS) {
        op->op = REG_OP_PREFLIGHT;
        return REG_OK;
    }

    if (parts.route == REG_ROUTE_N) {
        return reg_error_set(e, REG_ROUTE_UNKNOWN, NULL);
    }

    route = &reg_routes[parts.route];

    op->op = reg_route_op(route, method);

    if (parts.route > REG_ROUTE_TOKEN) {

        if (!reg_name_valid(parts.name)) {
            return reg_error_set(e, REG_NAME_INVALID, "%.*s",
                                 (int) ((parts.name.len < REG_NAME_MAX)
                                        ? parts.name.len : REG_NAME_MAX),
                                 parts.name.data);
        }

        op->name = parts.name;
    }

    if (op->op == REG_OP_N) {
        op->op = (parts.route == REG_ROUTE_TOKEN) ? REG_OP_TOKEN : REG_OP_N;
        return reg_error_set(e, REG_METHOD_UNKNOWN, NULL);
    }

    rc = reg_route_segment(op, &parts, e);

    if (rc != REG_OK) {
        return rc;
    }

    return reg_params_parse(op, query, scratch, e);
}


/* Not memset(): the tags alone are a kilobyte, and few requests have any. */

static void
reg_route_clear(reg_op_t *op, reg_method_e method)
{
    op->op = REG_OP_N;
    op->method = method;
    op->allow = NULL;
    op->allow_kept = NULL;

    op->name = reg_null_str;
    op->tag = reg_null_str;
    op->upload = reg_null_str;

    op->has_digest = 0;
    op->mount = 0;
    op->has_alg = 0;
    op->has_n = 0;
    op->has_artifact_type = 0;

    op->when.match = reg_null_str;
    op->when.none_match = reg_null_str;

    op->digest.alg = REG_SHA256;
    op->digest.len = 0;
    op->digest.text[0] = '\0';

    op->mount_digest.alg = REG_SHA256;
    op->mount_digest.len = 0;
    op->mount_digest.text[0] = '\0';

    op->from = reg_null_str;
    op->alg = REG_SHA256;

    op->n = 0;
    op->last = reg_null_str;
    op->artifact_type = reg_null_str;

    op->ntags = 0;
}


/*
 * Reads a path from its right end.  No two shapes fit the same path, because
 * the second segment from the right differs; the one exception is
 * ".../blobs/uploads", which is the collection and not a blob.
 */

static void
reg_route_split(reg_route_parts_t *parts, reg_str_t rest)
{
    reg_str_t  second;

    parts->route = REG_ROUTE_N;
    parts->name = reg_null_str;
    parts->last = reg_null_str;

    if (rest.len == 0) {
        parts->route = REG_ROUTE_BASE;
        return;
    }

    if (reg_str_eq(rest, reg_str("_catalog"))) {
        parts->route = REG_ROUTE_CATALOG;
        return;
    }

    if (reg_str_eq(rest, reg_str("_nginx/token"))) {
        parts->route = REG_ROUTE_TOKEN;
        return;
    }

    parts->last = reg_route_pop(&rest);
    second = reg_route_pop(&rest);

    if (reg_str_eq(second, reg_str("manifests"))) {
        parts->route = REG_ROUTE_MANIFEST;

    } else if (reg_str_eq(second, reg_str("blobs"))) {
        parts->route = reg_str_eq(parts->last, reg_str("uploads"))
                       ? REG_ROUTE_UPLOADS : REG_ROUTE_BLOB;

    } else if (reg_str_eq(second, reg_str("uploads"))) {

        if (reg_str_eq(reg_route_pop(&rest), reg_str("blobs"))) {
            parts->route = (parts->last.len == 0)
                           ? REG_ROUTE_UPLOADS : REG_ROUTE_UPLOAD;
        }

    } else if (reg_str_eq(second, reg_str("tags"))) {

        if (reg_str_eq(parts->last, reg_str("list"))) {
            parts->route = REG_ROUTE_TAGS;
        }

    } else if (reg_str_eq(second, reg_str("referrers"))) {
        parts->route = REG_ROUTE_REFERRERS;

    } else if (reg_str_eq(second, reg_str("repository"))) {

        if (reg_str_eq(parts->last, reg_str("content"))
            && reg_str_eq(reg_route_pop(&rest), reg_str("_nginx")))
        {
            parts->route = REG_ROUTE_REPO;
        }
    }

    parts->name = rest;
}


/* Takes the last segment, and the slash before it, off the path. */

static reg_str_t
reg_route_pop(reg_str_t *path)
{
    size_t     i;
    reg_str_t  segment;

    i = path->len;

    while (i > 0 && path->data[i - 1] != '/') {
        i--;
    }

    segment.data = (i == 0) ? path->data : path->data + i;
    segment.len = path->len - i;

    path->len = (i == 0) ? 0 : i - 1;

    return segment;
}


static reg_op_e
reg_route_op(const reg_route_t *route, reg_method_e method)
{
    switch (method) {

    case REG_METHOD_GET:
    case REG_METHOD_HEAD:
        return route->get;

    case REG_METHOD_POST:
        return route->post;

    case REG_METHOD_PUT:
        return route->put;

    case REG_METHOD_PATCH:
        return route->patch;

    case REG_METHOD_DELETE:
        return route->delete;

    default:
        return REG_OP_N;
    }
}


/* Checks what stands behind the name. */

static reg_rc_t
reg_route_segment(reg_op_t *op, const reg_route_parts_t *parts,
    reg_error_t *e)
{
    size_t     i;
    reg_rc_t   rc;
    reg_str_t  last;

    last = parts->last;

    switch (parts->route) {

    case REG_ROUTE_MANIFEST:

        /* no tag holds a colon, and every digest does */

        for (i = 0; i < last.len && last.data[i] != ':'; i++) { /* void */ }

        if (i < last.len) {
            break;
        }

        /* what cannot be a tag can be asked for, and is not there */

        if (!reg_tag_valid(last)) {
            return reg_error_set(e, (op->op == REG_OP_MANIFEST_READ)
                                    ? REG_MANIFEST_UNKNOWN : REG_TAG_INVALID,
                                 "%.*s",
                                 (int) ((last.len < 2 * REG_TAG_MAX)
                                        ? last.len : 2 * REG_TAG_MAX),
                                 last.data);
        }

        op->tag = last;

        return REG_OK;

    case REG_ROUTE_BLOB:
    case REG_ROUTE_REFERRERS:
        break;

    case REG_ROUTE_UPLOAD:

        if (!reg_uuid_valid(last)) {
            return reg_error_set(e, REG_UPLOAD_UNKNOWN, NULL);
        }

        op->upload = last;

        return REG_OK;

    default:
        return REG_OK;
    }

    rc = reg_digest_parse(&op->digest, last, e);

    op->has_digest = (rc == REG_OK);

    return rc;
}


reg_str_t
reg_op_name(reg_op_e op)
{
    static const reg_str_t  names[] = {
#define REG_OP_NAME(symbol, name, action, body)  reg_str(#name),
        REG_OP_TABLE(REG_OP_NAME)
#undef REG_OP_NAME
        reg_str("unknown")
    };

    return names[((unsigned) op < REG_OP_N) ? op : REG_OP_N];
}


reg_action_e
reg_op_action(reg_op_e op)
{
    static const reg_action_e  actions[] = {
#define REG_OP_ACTION(symbol, name, action, body)  REG_ACTION_##action,
        REG_OP_TABLE(REG_OP_ACTION)
#undef REG_OP_ACTION
        REG_ACTION_NONE
    };

    return actions[((unsigned) op < REG_OP_N) ? op : REG_OP_N];
}


reg_body_e
reg_op_body(reg_op_e op)
{
    static const reg_body_e  bodies[] = {
#define REG_OP_BODY(symbol, name, action, body)  REG_BODY_##body,
        REG_OP_TABLE(REG_OP_BODY)
#undef REG_OP_BODY
        REG_BODY_NONE
    };

    return bodies[((unsigned) op < REG_OP_N) ? op : REG_OP_N];
}


int
reg_op_writes(reg_op_e op)
{
    reg_action_e  action;

    action = reg_op_action(op);

    return (action == REG_ACTION_PUSH || action == REG_ACTION_DELETE)
           && op != REG_OP_UPLOAD_STATUS;
}
