
/*
 * Routes: method, path and query become one reg_op_t.
 *
 * The path is read from its right end, because a repository name may hold
 * the words that make up a route ("a/manifests/b", "a/blobs/uploads").  Names,
 * tags, digests and upload ids are checked against their grammar here and
 * nowhere else: what stands in a reg_op_t is safe in a path of the store.
 */


#ifndef REG_ROUTE_H_INCLUDED
#define REG_ROUTE_H_INCLUDED


#include "reg_condition.h"
#include "reg_digest.h"
#include "reg_error.h"
#include "reg_range.h"


/* What the user must be allowed to do to the repository. */
typedef enum {
    REG_ACTION_NONE = 0,     /* a login where one is wanted, nothing more */
    REG_ACTION_PULL,
    REG_ACTION_PUSH,
    REG_ACTION_DELETE,
    REG_ACTION_LIST          /* the catalogue */
} reg_action_e;


/* What becomes of the request's body. */
typedef enum {
    REG_BODY_NONE = 0,       /* discarded */
    REG_BODY_MEMORY,         /* whole, up to the manifest limit */
    REG_BODY_UPLOAD          /* streamed into an upload session */
} reg_body_e;


/*
 * Every operation there is: symbol, name (for variables and metrics; the
 * binding's functions carry it too), access, body.  A new one does not link
 * before the binding has its function.
 */
#define REG_OP_TABLE(X)                                                       \
    X(REG_OP_BASE,             base,             NONE,    NONE)               \
    X(REG_OP_PREFLIGHT,        preflight,        NONE,    NONE)               \
    X(REG_OP_CATALOG,          catalog,          LIST,    NONE)               \
    X(REG_OP_TAGS,             tags,             PULL,    NONE)               \
    X(REG_OP_REFERRERS,        referrers,        PULL,    NONE)               \
    X(REG_OP_BLOB_READ,        blob_read,        PULL,    NONE)               \
    X(REG_OP_BLOB_DELETE,      blob_delete,      DELETE,  NONE)               \
    X(REG_OP_MANIFEST_READ,    manifest_read,    PULL,    NONE)               \
    X(REG_OP_MANIFEST_WRITE,   manifest_write,   PUSH,    MEMORY)             \
    X(REG_OP_MANIFEST_DELETE,  manifest_delete,  DELETE,  NONE)               \
    X(REG_OP_UPLOAD_START,     upload_start,     PUSH,    UPLOAD)             \
    X(REG_OP_UPLOAD_STATUS,    upload_status,    PUSH,    NONE)               \
    X(REG_OP_UPLOAD_APPEND,    upload_append,    PUSH,    UPLOAD)             \
    X(REG_OP_UPLOAD_FINISH,    upload_finish,    PUSH,    UPLOAD)             \
    X(REG_OP_UPLOAD_CANCEL,    upload_cancel,    PUSH,    NONE)               \
    X(REG_OP_REPO_DELETE,      repo_delete,      DELETE,  NONE)               \
    X(REG_OP_TOKEN,            token_issue,      NONE,    MEMORY)


typedef enum {
#define REG_OP_SYMBOL(symbol, name, action, body)  symbol,
    REG_OP_TABLE(REG_OP_SYMBOL)
#undef REG_OP_SYMBOL
    REG_OP_N
} reg_op_e;


typedef enum {
    REG_METHOD_OTHER = 0,
    REG_METHOD_GET,
    REG_METHOD_HEAD,
    REG_METHOD_POST,
    REG_METHOD_PUT,
    REG_METHOD_PATCH,
    REG_METHOD_DELETE,
    REG_METHOD_OPTIONS,
    REG_METHOD_N
} reg_method_e;


/* distribution-spec wants at least 10 tag parameters on a manifest PUT */
#define REG_TAGS_MAX        64

/* page sizes: what an absurd n is clamped to */
#define REG_PAGE_N_MAX      100000


/*
 * One request.  Slices borrow from the path or from the scratch memory that
 * was given to reg_route_parse(); they live as long as both.
 */
typedef struct {
    reg_op_e      op;
    reg_method_e  method;
    const char   *allow;          /* what the route answers, for "Allow" */
    const char   *allow_kept;     /* and where nothing may be deleted */

    reg_str_t     name;           /* repository, empty when op has none */
    reg_str_t     tag;            /* reference of a manifest, if it is a tag */
    reg_str_t     upload;         /* upload id */

    unsigned      has_digest:1;   /* in the path, or ?digest= of an upload */
    unsigned      mount:1;        /* ?mount= is there: ?digest= is ignored */
    unsigned      has_alg:1;      /* ?digest-algorithm= */
    unsigned      has_n:1;

    reg_condition_t  when;        /* the caller's to fill: of what changes a
                                     manifest or a blob */

    reg_digest_t  digest;
    reg_digest_t  mount_digest;
    reg_str_t     from;           /* ?from=, empty: any repository */
    reg_alg_e     alg;

    uint64_t      n;              /* <= REG_PAGE_N_MAX, when has_n */
    reg_str_t     last;           /* ?last=, decoded, any bytes but NUL */
    reg_str_t     artifact_type;  /* ?artifactType=, decoded */
    unsigned      has_artifact_type:1;

    reg_str_t     tags[REG_TAGS_MAX];     /* ?tag= of a manifest PUT */
    size_t        ntags;
} reg_op_t;


/*
 * Fills op from a decoded path (RFC 3986, 6.2.2 is nginx's work) that begins
 * with "/v2/" and a raw query string.  scratch must hold query.len bytes.
 *
 * REG_OK, or the error that answers the request.  After an error op->op and
 * op->name tell what is known: op->op is REG_OP_N when no route matched, and
 * op->name is empty unless it is a valid name.  REG_OP_TOKEN is said for each
 * method on its path: it is no part of the registry proper, and not everywhere.
 * Parameters that the operation does not know are ignored; of a repeated one
 * the first counts.
 */
reg_rc_t reg_route_parse(reg_op_t *op, reg_method_e method, reg_str_t path,
    reg_str_t query, char *scratch, reg_error_t *e);

/* "blob_read", ...; REG_OP_N gives "unknown". */
reg_str_t reg_op_name(reg_op_e op);

reg_action_e reg_op_action(reg_op_e op);
reg_body_e reg_op_body(reg_op_e op);

/* Whether it changes something; to ask how far an upload has come does not. */
int reg_op_writes(reg_op_e op);


#endif /* REG_ROUTE_H_INCLUDED */
