
/*
 * Input: a byte that chooses the method ('0' to '7', in the order of
 * reg_method_e), a path, and a query behind the first "?".
 */

#include "fuzz.h"
#include "reg_name.h"
#include "reg_route.h"


typedef struct {
    const char  *path;
    size_t       path_len;
    const char  *scratch;
    size_t       scratch_len;
} bounds_t;


static void check(const reg_op_t *op, reg_rc_t rc, const bounds_t *bounds);
static void check_page(const reg_op_t *op);
static void check_again(const reg_op_t *op);
static int within(reg_str_t s, const bounds_t *bounds);
static int is_text(reg_str_t s);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *path, *query, *scratch;
    size_t          path_len, query_len;
    bounds_t        bounds;
    reg_op_t        op;
    reg_rc_t        rc;
    reg_error_t     e;
    const uint8_t  *mark;

    if (size == 0) {
        return 0;
    }

    mark = (size == 1) ? NULL : memchr(data + 1, '?', size - 1);

    path_len = (mark == NULL) ? size - 1 : (size_t) (mark - data - 1);
    query_len = (mark == NULL) ? 0 : size - path_len - 2;

    path = fuzz_copy(data + 1, path_len);
    query = fuzz_copy((mark == NULL) ? data : mark + 1, query_len);
    scratch = malloc(query_len ? query_len : 1);
    must(scratch != NULL);

    memset(&op, 0xa5, sizeof(reg_op_t));
    reg_error_clear(&e);

    rc = reg_route_parse(&op, (reg_method_e) (data[0] % REG_METHOD_N),
                         fuzz_str(path, path_len), fuzz_str(query, query_len),
                         scratch, &e);

    must(rc == e.rc);
    must(op.method == (reg_method_e) (data[0] % REG_METHOD_N));

    bounds.path = path;
    bounds.path_len = path_len;
    bounds.scratch = scratch;
    bounds.scratch_len = query_len;

    check(&op, rc, &bounds);

    free(path);
    free(query);
    free(scratch);

    return 0;
}


static int
within(reg_str_t s, const bounds_t *bounds)
{
    return s.len == 0
           || (s.data >= bounds->path
               && s.data + s.len <= bounds->path + bounds->path_len)
           || (s.data >= bounds->scratch
               && s.data + s.len <= bounds->scratch + bounds->scratch_len);
}


static int
is_text(reg_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if ((unsigned char) s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static void
check(const reg_op_t *op, reg_rc_t rc, const bounds_t *bounds)
{
    size_t        i, j;
    reg_digest_t  d;

    must((unsigned) op->op <= REG_OP_N);
    must((op->allow == NULL) == (op->allow_kept == NULL));
    must(rc != REG_METHOD_UNKNOWN || op->allow != NULL);
    must(rc != REG_OK || op->op == REG_OP_PREFLIGHT || op->allow != NULL);
    must(rc != REG_ROUTE_UNKNOWN || op->allow == NULL);
    must(rc != REG_ROUTE_UNKNOWN || op->op == REG_OP_N);
    must(rc != REG_OK || op->op != REG_OP_N);

    must(within(op->name, bounds) && within(op->tag, bounds)
         && within(op->upload, bounds) && within(op->from, bounds)
         && within(op->last, bounds) && within(op->artifact_type, bounds));

    must(op->name.len == 0 || reg_name_valid(op->name));
    must(op->tag.len == 0 || reg_tag_valid(op->tag));
    must(op->upload.len == 0 || reg_uuid_valid(op->upload));
    must(op->from.len == 0 || reg_name_valid(op->from));
    must(is_text(op->last) && is_text(op->artifact_type));
    must(op->n <= REG_PAGE_N_MAX);

    if (op->has_digest) {
        must(reg_digest_parse(&d, reg_digest_str(&op->digest), NULL)
             == REG_OK);
    }

    if (op->mount) {
        must(reg_digest_parse(&d, reg_digest_str(&op->mount_digest), NULL)
             == REG_OK);
    }

    must(op->ntags <= REG_TAGS_MAX);

    for (i = 0; i < op->ntags; i++) {
        must(within(op->tags[i], bounds) && reg_tag_valid(op->tags[i]));

        for (j = 0; j < i; j++) {
            must(!reg_str_eq(op->tags[i], op->tags[j]));
        }
    }

    if (rc == REG_OK && op->name.len != 0) {
        check_again(op);
    }

    if (rc == REG_OK) {
        check_page(op);
    }
}


static void
check_page(const reg_op_t *op)
{
    must(op->op == REG_OP_BASE || op->op == REG_OP_PREFLIGHT
         || op->op == REG_OP_CATALOG || op->op == REG_OP_TOKEN
         || op->name.len != 0);
    must(op->op == REG_OP_CATALOG || op->op == REG_OP_TAGS || !op->has_n);
    must(op->op == REG_OP_UPLOAD_START || (!op->mount && !op->has_alg));
    must(op->op != REG_OP_UPLOAD_FINISH || op->has_digest);
    must(op->op == REG_OP_MANIFEST_WRITE || op->ntags == 0);
}


/* A path that is put together again reads the same. */

static void
check_again(const reg_op_t *op)
{
    char         scratch[256], query[256];
    reg_op_t     again;
    reg_buf_t    path;
    reg_error_t  e;

    reg_buf_init(&path, 1024);
    reg_buf_str(&path, reg_str("/v2/"));
    reg_buf_str(&path, op->name);
    query[0] = '\0';

    switch (op->op) {

    case REG_OP_TAGS:
        reg_buf_str(&path, reg_str("/tags/list"));
        break;

    case REG_OP_REFERRERS:
        reg_buf_printf(&path, "/referrers/%s", op->digest.text);
        break;

    case REG_OP_BLOB_READ:
    case REG_OP_BLOB_DELETE:
        reg_buf_printf(&path, "/blobs/%s", op->digest.text);
        break;

    case REG_OP_MANIFEST_READ:
    case REG_OP_MANIFEST_WRITE:
    case REG_OP_MANIFEST_DELETE:
        must(op->has_digest == (op->tag.len == 0));
        reg_buf_str(&path, reg_str("/manifests/"));
        reg_buf_str(&path, op->has_digest ? reg_digest_str(&op->digest)
                                          : op->tag);
        break;

    case REG_OP_UPLOAD_START:
        reg_buf_str(&path, reg_str("/blobs/uploads/"));
        break;

    case REG_OP_UPLOAD_STATUS:
    case REG_OP_UPLOAD_APPEND:
    case REG_OP_UPLOAD_FINISH:
    case REG_OP_UPLOAD_CANCEL:
        must(op->upload.len != 0);
        reg_buf_str(&path, reg_str("/blobs/uploads/"));
        reg_buf_str(&path, op->upload);
        (void) snprintf(query, sizeof(query), "digest=%s", op->digest.text);
        break;

    default:
        must(op->op == REG_OP_REPO_DELETE);
        reg_buf_str(&path, reg_str("/_nginx/repository/content"));
    }

    must(!reg_buf_failed(&path));

    reg_error_clear(&e);

    must(reg_route_parse(&again, op->method, reg_buf_slice(&path),
                         reg_str_of(query), scratch, &e)
         == REG_OK);
    must(again.op == op->op && reg_str_eq(again.name, op->name)
         && reg_str_eq(again.tag, op->tag)
         && reg_str_eq(again.upload, op->upload));
    must(op->op == REG_OP_UPLOAD_START
         || (again.has_digest == op->has_digest
             && reg_digest_eq(&again.digest, &op->digest)));

    reg_buf_free(&path);
}
