
#include "reg_htpasswd.h"
#include "reg_hmac.h"
#include "reg_index.h"
#include "reg_lines.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>


struct reg_htpasswd_s {
    reg_index_t            users;
    const char           **hashes;      /* of users, by their number */
    size_t                 size;        /* of hashes */
    char                  *arena;       /* holds both */
    size_t                 used;
    size_t                 arena_size;
    reg_password_effort_t  top;
    unsigned               open:1;
};


/* A file while it is read. */
typedef struct {
    reg_htpasswd_t               *t;
    const reg_password_limits_t  *limits;
} reg_htpasswd_reading_t;


static int reg_htpasswd_line(void *ctx, reg_str_t line, const char **why);
static int reg_htpasswd_add(reg_htpasswd_t *t, reg_str_t user, reg_str_t hash,
    const char **why);
static void reg_htpasswd_mark(reg_str_t user, reg_str_t hash,
    unsigned char *mark);


reg_htpasswd_t *
reg_htpasswd_parse(reg_str_t text, const reg_password_limits_t *limits,
    reg_skip_pt skip, void *data, reg_why_t *why)
{
    reg_lines_t              lines;
    reg_htpasswd_t          *t;
    reg_htpasswd_reading_t   reading;

    if (text.len > REG_LINES_FILE_MAX) {
        (void) reg_why_set(why, "the password file is larger than %d bytes",
                           REG_LINES_FILE_MAX);
        return NULL;
    }

    t = calloc(1, sizeof(reg_htpasswd_t));

    if (t == NULL) {
        goto nomem;
    }

    reg_index_init(&t->users);

    /* "user:hash" and a line end need as much room as two strings with NULs */

    t->arena_size = text.len + 2;
    t->arena = malloc(t->arena_size);

    if (t->arena == NULL) {
        goto nomem;
    }

    reg_lines_init(&lines, text);

    reading.t = t;
    reading.limits = limits;

    if (reg_lines_each(&lines, reg_htpasswd_line, &reading, skip, data) != 0) {
        goto nomem;
    }

    t->open = lines.open;

    return t;

nomem:

    reg_htpasswd_free(t);

    (void) reg_why_set(why, "out of memory");

    return NULL;
}


/* A reg_lines_pt. */

static int
reg_htpasswd_line(void *ctx, reg_str_t line, const char **why)
{
    reg_str_t                user, hash;
    const char              *colon, *end;
    reg_htpasswd_t          *t;
    reg_password_effort_t    effort;
    reg_htpasswd_reading_t  *reading;

    reading = ctx;
    t = reading->t;

    if (memchr(line.data, '\0', line.len) != NULL) {
        *why = "the line holds a NUL byte";
        return -1;
    }

    if (reg_str_starts(line, reg_str("\xef\xbb\xbf"))) {
        *why = "the line begins with a byte order mark";
        return -1;
    }

    colon = memchr(line.data, ':', line.len);

    if (colon == NULL) {
        *why = "no colon between user and hash";
        return -1;
    }

    user.data = line.data;
    user.len = (size_t) (colon - line.data);

    if (!reg_user_valid(user)) {
        *why = "the user name is empty, too long or no text";
        return -1;
    }

    hash.data = colon + 1;
    hash.len = line.len - user.len - 1;

    end = (hash.len == 0) ? NULL : memchr(hash.data, ':', hash.len);

    if (end != NULL) {
        hash.len = (size_t) (end - hash.data);
    }

    if (reg_password_hash_parse(hash, reading->limits, &effort, why) != 0) {
        return -1;
    }

    if (reg_htpasswd_add(t, user, hash, why) != 0) {
        return -1;
    }

    if (effort.bcrypt_cost > t->top.bcrypt_cost) {
        t->top.bcrypt_cost = effort.bcrypt_cost;
    }

    if (effort.sha_rounds > t->top.sha_rounds) {
        t->top.sha_rounds = effort.sha_rounds;
    }

    return 0;
}


static int
reg_htpasswd_add(reg_htpasswd_t *t, reg_str_t user, reg_str_t hash,
    const char **why)
{
    char         *p;
    size_t        size;
    reg_str_t     key;
    const char  **hashes;

    if (reg_index_find(&t->users, user) != REG_INDEX_NONE) {
        *why = "the user stands on an earlier line already";
        return -1;
    }

    if (user.len + hash.len + 1 > t->arena_size - t->used) {
        return -1;
    }

    if (t->users.n == t->size) {
        size = (t->size == 0) ? 64 : t->size * 2;
        hashes = realloc(t->hashes, size * sizeof(char *));

        if (hashes == NULL) {
            return -1;
        }

        t->hashes = hashes;
        t->size = size;
    }

    p = t->arena + t->used;

    key.data = p;
    key.len = user.len;

    memcpy(p, user.data, user.len);
    p += user.len;

    memcpy(p, hash.data, hash.len);
    p[hash.len] = '\0';

    if (reg_index_add(&t->users, key) != 0) {
        return -1;
    }

    t->hashes[t->users.n - 1] = p;
    t->used += user.len + hash.len + 1;

    return 0;
}


void
reg_htpasswd_free(reg_htpasswd_t *t)
{
    if (t == NULL) {
        return;
    }

    if (t->arena != NULL) {
        OPENSSL_cleanse(t->arena, t->used);
    }

    free(t->arena);
    free(t->hashes);
    reg_index_free(&t->users);
    free(t);
}


size_t
reg_htpasswd_count(const reg_htpasswd_t *t)
{
    return t->users.n;
}


int
reg_htpasswd_open(const reg_htpasswd_t *t)
{
    return t->open;
}


reg_password_effort_t
reg_htpasswd_effort(const reg_htpasswd_t *t)
{
    return t->top;
}


void
reg_htpasswd_find(const reg_htpasswd_t *t, reg_str_t user,
    reg_htpasswd_check_t *check)
{
    size_t     i;
    reg_str_t  hash;

    memset(check, 0, sizeof(reg_htpasswd_check_t));

    check->top = t->top;

    i = reg_index_find(&t->users, user);

    if (i == REG_INDEX_NONE) {
        return;
    }

    hash = reg_str_of(t->hashes[i]);

    reg_htpasswd_mark(user, hash, check->mark);

    memcpy(check->hash, hash.data, hash.len + 1);
    check->known = 1;
}


/* SHA-256 over both; the hash holds no colon, nor does the user. */

static void
reg_htpasswd_mark(reg_str_t user, reg_str_t hash, unsigned char *mark)
{
    reg_str_t  pieces[3];

    pieces[0] = user;
    pieces[1] = reg_str(":");
    pieces[2] = hash;

    reg_sha256(pieces, 3, mark);
}


reg_password_e
reg_htpasswd_verify(const reg_htpasswd_check_t *check, reg_str_t password,
    struct crypt_data *crypt)
{
    return reg_password_verify(check->known ? check->hash : NULL, &check->top,
                               password, crypt);
}
