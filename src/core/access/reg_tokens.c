
#include "reg_tokens.h"
#include "reg_index.h"
#include "reg_lines.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>


struct reg_tokens_entry_s {
    reg_rules_t    *scopes;
    reg_str_t       owner;
    int64_t         expires;
    unsigned char   hash[REG_SECRET_HASH];
    unsigned char   mark[REG_CREDENTIALS_KEY];
};


struct reg_tokens_s {
    reg_index_t           names;
    reg_tokens_entry_t  **entries;    /* of names, by their number */
    size_t                size;       /* of entries */
    char                 *text;       /* the file; names and owners are in it */
    unsigned              open:1;
};


static int reg_tokens_line(void *ctx, reg_str_t line, const char **why);
static reg_tokens_entry_t *reg_tokens_entry(const reg_tokens_line_t *l,
    const char **why);
static int reg_tokens_scope(reg_rules_t *scopes, reg_str_t allow,
    const char **why);
static void reg_tokens_entry_free(reg_tokens_entry_t *entry);
static int reg_tokens_room(reg_tokens_t *t);


reg_tokens_t *
reg_tokens_parse(reg_str_t text, reg_skip_pt skip, void *data, reg_why_t *why)
{
    reg_lines_t    lines;
    reg_tokens_t  *t;

    if (text.len > REG_LINES_FILE_MAX) {
        (void) reg_why_set(why, "the file of tokens is larger than %d bytes",
                           REG_LINES_FILE_MAX);
        return NULL;
    }

    t = calloc(1, sizeof(reg_tokens_t));

    if (t == NULL) {
        goto nomem;
    }

    reg_index_init(&t->names);

    t->text = malloc(text.len + 1);

    if (t->text == NULL) {
        goto nomem;
    }

    if (text.len != 0) {
        memcpy(t->text, text.data, text.len);
    }

    text.data = t->text;

    reg_lines_init(&lines, text);

    if (reg_lines_each(&lines, reg_tokens_line, t, skip, data) != 0) {
        goto nomem;
    }

    t->open = lines.open;

    return t;

nomem:

    reg_tokens_free(t);

    (void) reg_why_set(why, "out of memory");

    return NULL;
}


/* A reg_lines_pt. */

static int
reg_tokens_line(void *ctx, reg_str_t line, const char **why)
{
    reg_tokens_t        *t;
    reg_tokens_line_t    l;
    reg_tokens_entry_t  *entry;

    t = ctx;

    if (reg_tokens_line_parse(&l, line, why) != 0) {
        return -1;
    }

    if (reg_index_find(&t->names, l.name) != REG_INDEX_NONE) {
        *why = "the token stands on an earlier line already";
        return -1;
    }

    if (reg_tokens_room(t) != 0) {
        return -1;
    }

    entry = reg_tokens_entry(&l, why);

    if (entry == NULL) {
        return -1;
    }

    if (reg_index_add(&t->names, l.name) != 0) {
        reg_tokens_entry_free(entry);
        return -1;
    }

    t->entries[t->names.n - 1] = entry;

    return 0;
}


static reg_tokens_entry_t *
reg_tokens_entry(const reg_tokens_line_t *l, const char **why)
{
    size_t               i, len;
    reg_tokens_entry_t  *entry;

    entry = calloc(1, sizeof(reg_tokens_entry_t));

    if (entry == NULL) {
        return NULL;
    }

    entry->scopes = reg_rules_create();

    if (entry->scopes == NULL) {
        goto failed;
    }

    for (i = 0; i < l->n; i++) {
        if (reg_tokens_scope(entry->scopes, l->allow[i], why) != 0) {
            goto failed;
        }
    }

    if (EVP_Q_digest(NULL, "SHA256", NULL, l->body.data, l->body.len,
                     entry->mark, &len)
        != 1)
    {
        goto failed;
    }

    memcpy(entry->hash, l->hash, sizeof(entry->hash));

    entry->owner = l->owner;
    entry->expires = l->expires;

    return entry;

failed:

    reg_tokens_entry_free(entry);

    return NULL;
}


static int
reg_tokens_scope(reg_rules_t *scopes, reg_str_t allow, const char **why)
{
    reg_str_t  words[3];
    reg_why_t  reason;

    words[0] = reg_str("*");

    if (reg_tokens_allow_split(allow, &words[1], &words[2]) != 0) {
        *why = "allow= is not actions, a colon and a pattern";
        return -1;
    }

    if (reg_rules_add(scopes, 1, words, 3, &reason) == 0) {
        return 0;
    }

    /* the sentence quotes the file, which the log must not */

    if (strcmp(reason.text, "out of memory") != 0) {
        *why = "allow= has actions or a pattern that cannot be used";
    }

    return -1;
}


static void
reg_tokens_entry_free(reg_tokens_entry_t *entry)
{
    reg_rules_free(entry->scopes);
    free(entry);
}


static int
reg_tokens_room(reg_tokens_t *t)
{
    size_t                size;
    reg_tokens_entry_t  **entries;

    if (t->names.n < t->size) {
        return 0;
    }

    size = (t->size == 0) ? 64 : t->size * 2;
    entries = realloc(t->entries, size * sizeof(reg_tokens_entry_t *));

    if (entries == NULL) {
        return -1;
    }

    t->entries = entries;
    t->size = size;

    return 0;
}


void
reg_tokens_free(reg_tokens_t *t)
{
    size_t  i;

    if (t == NULL) {
        return;
    }

    for (i = 0; i < t->names.n; i++) {
        reg_tokens_entry_free(t->entries[i]);
    }

    free(t->entries);
    free(t->text);
    reg_index_free(&t->names);
    free(t);
}


size_t
reg_tokens_count(const reg_tokens_t *t)
{
    return t->names.n;
}


int
reg_tokens_open(const reg_tokens_t *t)
{
    return t->open;
}


void
reg_tokens_find(const reg_tokens_t *t, reg_str_t name,
    reg_tokens_check_t *check)
{
    size_t                     i;
    const reg_tokens_entry_t  *entry;

    memset(check, 0, sizeof(reg_tokens_check_t));

    i = reg_index_find(&t->names, name);

    if (i == REG_INDEX_NONE) {
        return;
    }

    entry = t->entries[i];

    check->known = 1;
    check->expires = entry->expires;
    check->entry = entry;

    memcpy(check->hash, entry->hash, sizeof(check->hash));
    memcpy(check->mark, entry->mark, sizeof(check->mark));

    if (entry->owner.len != 0) {
        memcpy(check->owner, entry->owner.data, entry->owner.len);
    }
}


reg_tokens_e
reg_tokens_verify(const reg_tokens_check_t *check, reg_str_t password,
    int64_t now)
{
    int            same;
    unsigned char  hash[REG_SECRET_HASH];

    switch (reg_secret_hash(password, hash)) {

    case 1:
        break;

    case 0:
        return REG_TOKENS_WRONG;

    default:
        return REG_TOKENS_FAILED;
    }

    /* of a token that is not there the hash is zero, which no secret has */

    same = (CRYPTO_memcmp(hash, check->hash, sizeof(hash)) == 0);

    if (!same || !check->known) {
        return REG_TOKENS_WRONG;
    }

    return (now <= check->expires) ? REG_TOKENS_RIGHT : REG_TOKENS_EXPIRED;
}


int
reg_tokens_may(const reg_tokens_entry_t *entry, unsigned wanted,
    reg_str_t name, unsigned *granted)
{
    reg_subject_t  subject;

    subject.user = entry->owner;
    subject.groups = NULL;

    return reg_access_grant(entry->scopes, &subject, wanted, name, granted);
}


int
reg_tokens_somewhere(const reg_tokens_entry_t *entry, unsigned may)
{
    reg_subject_t  subject;

    subject.user = entry->owner;
    subject.groups = NULL;

    return reg_access_somewhere(entry->scopes, &subject, may)
           == REG_ACCESS_ALLOW;
}
