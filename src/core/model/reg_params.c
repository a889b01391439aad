
#include "reg_params.h"
#include "reg_name.h"
#include "reg_query.h"


/* A parameter as it was found: absent, decoded, or not decodable. */
typedef struct {
    reg_str_t  value;
    unsigned   there:1;
    unsigned   bad:1;
} reg_param_t;


typedef enum {
    REG_PARAM_N = 0,
    REG_PARAM_LAST,
    REG_PARAM_ARTIFACT_TYPE,
    REG_PARAM_DIGEST,
    REG_PARAM_MOUNT,
    REG_PARAM_FROM,
    REG_PARAM_ALG,
    REG_PARAM_TAG,
    REG_PARAM_COUNT
} reg_param_e;


#define reg_param_bit(param)  (1u << (param))


static unsigned reg_params_wanted(const reg_op_t *op);
static reg_rc_t reg_params_find(reg_op_t *op, unsigned wanted,
    reg_str_t query, char *scratch, reg_param_t *params, reg_error_t *e);
static reg_param_e reg_params_index(reg_str_t key, unsigned wanted);
static reg_rc_t reg_params_tag(reg_op_t *op, const reg_param_t *p,
    reg_error_t *e);
static reg_rc_t reg_params_page(reg_op_t *op, const reg_param_t *params,
    reg_error_t *e);
static reg_rc_t reg_params_start(reg_op_t *op, const reg_param_t *params,
    reg_error_t *e);
static reg_rc_t reg_params_finish(reg_op_t *op, const reg_param_t *params,
    reg_error_t *e);
static reg_rc_t reg_params_digest(reg_digest_t *d, const reg_param_t *p,
    reg_error_t *e);
static int reg_params_text(const reg_param_t *p);


static const reg_str_t  reg_param_names[REG_PARAM_COUNT] = {
    reg_str("n"),
    reg_str("last"),
    reg_str("artifactType"),
    reg_str("digest"),
    reg_str("mount"),
    reg_str("from"),
    reg_str("digest-algorithm"),
    reg_str("tag")
};


reg_rc_t
reg_params_parse(reg_op_t *op, reg_str_t query, char *scratch, reg_error_t *e)
{
    unsigned     wanted;
    reg_rc_t     rc;
    reg_param_t  params[REG_PARAM_COUNT];

    wanted = reg_params_wanted(op);

    if (wanted == 0) {
        return REG_OK;
    }

    rc = reg_params_find(op, wanted, query, scratch, params, e);

    if (rc != REG_OK) {
        return rc;
    }

    switch (op->op) {

    case REG_OP_CATALOG:
    case REG_OP_TAGS:
    case REG_OP_REFERRERS:
        return reg_params_page(op, params, e);

    case REG_OP_UPLOAD_START:
        return reg_params_start(op, params, e);

    case REG_OP_UPLOAD_FINISH:
        return reg_params_finish(op, params, e);

    default:
        return REG_OK;
    }
}


/* The parameters that an operation knows, as a set of bits. */

static unsigned
reg_params_wanted(const reg_op_t *op)
{
    switch (op->op) {

    case REG_OP_CATALOG:
    case REG_OP_TAGS:
        return reg_param_bit(REG_PARAM_N) | reg_param_bit(REG_PARAM_LAST);

    case REG_OP_REFERRERS:
        return reg_param_bit(REG_PARAM_ARTIFACT_TYPE)
               | reg_param_bit(REG_PARAM_LAST);

    case REG_OP_UPLOAD_START:
        return reg_param_bit(REG_PARAM_DIGEST)
               | reg_param_bit(REG_PARAM_MOUNT)
               | reg_param_bit(REG_PARAM_FROM)
               | reg_param_bit(REG_PARAM_ALG);

    case REG_OP_UPLOAD_FINISH:
        return reg_param_bit(REG_PARAM_DIGEST);

    case REG_OP_MANIFEST_WRITE:
        return op->has_digest ? reg_param_bit(REG_PARAM_TAG) : 0;

    default:
        return 0;
    }
}


/*
 * Finds the wanted parameters, the first of each, and decodes them into
 * scratch; tags go to op at once, since every one of them counts.
 */

static reg_rc_t
reg_params_find(reg_op_t *op, unsigned wanted, reg_str_t query,
    char *scratch, reg_param_t *params, reg_error_t *e)
{
    int           i;
    reg_rc_t      rc;
    reg_str_t     key, value;
    reg_query_t   q;
    reg_param_t  *param;

    for (i = 0; i < REG_PARAM_COUNT; i++) {
        params[i].value = reg_null_str;
        params[i].there = 0;
        params[i].bad = 0;
    }

    reg_query_init(&q, query, scratch);

    while (reg_query_next(&q, &key, &value)) {

        i = (int) reg_params_index(key, wanted);

        if (i == REG_PARAM_COUNT) {
            continue;
        }

        param = &params[i];

        if (param->there && i != REG_PARAM_TAG) {
            continue;
        }

        param->there = 1;

        /* media types end in "+json", and none has a blank in it */

        param->bad = (((i == REG_PARAM_ARTIFACT_TYPE)
                       ? reg_query_literal(&q, value, &param->value)
                       : reg_query_value(&q, value, &param->value))
                      != 0);

        if (i == REG_PARAM_TAG) {
            rc = reg_params_tag(op, param, e);

            if (rc != REG_OK) {
                return rc;
            }
        }
    }

    return REG_OK;
}


static reg_param_e
reg_params_index(reg_str_t key, unsigned wanted)
{
    int  i;

    for (i = 0; i < REG_PARAM_COUNT; i++) {
        if ((wanted & reg_param_bit(i))
            && reg_str_eq(key, reg_param_names[i]))
        {
            break;
        }
    }

    return (reg_param_e) i;
}


static reg_rc_t
reg_params_tag(reg_op_t *op, const reg_param_t *p, reg_error_t *e)
{
    size_t  i;

    if (p->bad || !reg_tag_valid(p->value)) {
        return reg_error_set(e, REG_TAG_INVALID, "%.*s",
                             (int) ((p->value.len < 2 * REG_TAG_MAX)
                                    ? p->value.len : 2 * REG_TAG_MAX),
                             p->bad ? "" : p->value.data);
    }

    for (i = 0; i < op->ntags; i++) {
        if (reg_str_eq(op->tags[i], p->value)) {
            return REG_OK;
        }
    }

    if (op->ntags == REG_TAGS_MAX) {
        return reg_error_set(e, REG_TAGS_TOO_MANY,
                             "at most %d are accepted", REG_TAGS_MAX);
    }

    op->tags[op->ntags++] = p->value;

    return REG_OK;
}


static reg_rc_t
reg_params_page(reg_op_t *op, const reg_param_t *params, reg_error_t *e)
{
    const reg_param_t  *p;

    p = &params[REG_PARAM_N];

    if (p->bad) {
        return reg_error_set(e, REG_PAGE_INVALID, NULL);
    }

    if (p->value.len != 0) {

        if (reg_str_number(p->value, REG_PAGE_N_MAX, &op->n) == -1) {
            return reg_error_set(e, REG_PAGE_INVALID, "%.*s",
                                 (int) ((p->value.len < 64)
                                        ? p->value.len : 64),
                                 p->value.data);
        }

        op->has_n = 1;
    }

    p = &params[REG_PARAM_LAST];

    if (!reg_params_text(p)) {
        return reg_error_set(e, REG_QUERY_INVALID, "bad value of \"last\"");
    }

    op->last = p->value;

    p = &params[REG_PARAM_ARTIFACT_TYPE];

    if (!reg_params_text(p)) {
        return reg_error_set(e, REG_QUERY_INVALID,
                             "bad value of \"artifactType\"");
    }

    /* an empty filter is none: there is no artifact type without a name */

    if (p->value.len != 0) {
        op->artifact_type = p->value;
        op->has_artifact_type = 1;
    }

    return REG_OK;
}


static reg_rc_t
reg_params_start(reg_op_t *op, const reg_param_t *params, reg_error_t *e)
{
    reg_rc_t            rc;
    const reg_param_t  *p;

    p = &params[REG_PARAM_ALG];

    if (p->there) {
        if (p->bad || reg_alg_find(p->value, &op->alg) != 0) {
            return reg_error_set(e, REG_DIGEST_INVALID,
                                 "digest-algorithm is not supported");
        }

        op->has_alg = 1;
    }

    p = &params[REG_PARAM_MOUNT];

    if (p->there && (p->bad || p->value.len != 0)) {

        rc = reg_params_digest(&op->mount_digest, p, e);

        if (rc != REG_OK) {
            return rc;
        }

        p = &params[REG_PARAM_FROM];

        if (p->bad || (p->value.len != 0 && !reg_name_valid(p->value))) {
            return reg_error_set(e, REG_NAME_INVALID,
                                 "bad value of \"from\"");
        }

        op->from = p->value;
        op->mount = 1;

        return REG_OK;
    }

    p = &params[REG_PARAM_DIGEST];

    if (p->there) {
        rc = reg_params_digest(&op->digest, p, e);

        if (rc != REG_OK) {
            return rc;
        }

        op->has_digest = 1;
    }

    return REG_OK;
}


static reg_rc_t
reg_params_finish(reg_op_t *op, const reg_param_t *params, reg_error_t *e)
{
    reg_rc_t            rc;
    const reg_param_t  *p;

    p = &params[REG_PARAM_DIGEST];

    if (!p->there) {
        return reg_error_set(e, REG_DIGEST_INVALID,
                             "digest parameter missing");
    }

    rc = reg_params_digest(&op->digest, p, e);

    op->has_digest = (rc == REG_OK);

    return rc;
}


static reg_rc_t
reg_params_digest(reg_digest_t *d, const reg_param_t *p, reg_error_t *e)
{
    if (p->bad) {
        return reg_error_set(e, REG_DIGEST_INVALID,
                             "bad percent-encoding of a digest");
    }

    return reg_digest_parse(d, p->value, e);
}


/* 1 when the value is absent or free of NUL and other control bytes. */

static int
reg_params_text(const reg_param_t *p)
{
    size_t         i;
    unsigned char  c;

    if (p->bad) {
        return 0;
    }

    for (i = 0; i < p->value.len; i++) {
        c = (unsigned char) p->value.data[i];

        if (c < 0x20 || c == 0x7f) {
            return 0;
        }
    }

    return 1;
}
