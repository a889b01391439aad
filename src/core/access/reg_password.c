
#include "reg_password.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>


/* "$2y$10$", and a salt of 22 digits */
#define REG_BCRYPT_PREFIX  7
#define REG_BCRYPT_SALT    29

#define REG_SHACRYPT_SALT_MAX  16
#define REG_SHA256CRYPT_LEN    43
#define REG_SHA512CRYPT_LEN    86


static int reg_password_digit(char c);
static int reg_password_bcrypt(reg_str_t hash,
    const reg_password_limits_t *limits, reg_password_effort_t *effort,
    const char **why);
static int reg_password_shacrypt(reg_str_t hash,
    const reg_password_limits_t *limits, reg_password_effort_t *effort,
    const char **why);
static int reg_password_rounds(reg_str_t *rest, unsigned limit,
    unsigned *rounds, const char **why);
static const char *reg_password_scheme(reg_str_t hash);
static reg_password_e reg_password_run(const char *hash, const char *password,
    struct crypt_data *crypt);
static void reg_password_effort_of(const char *hash,
    reg_password_effort_t *effort);
static int reg_password_burn(const reg_password_effort_t *done,
    const reg_password_effort_t *top, const char *password,
    struct crypt_data *crypt);
static int reg_password_burn_bcrypt(unsigned cost, const char *password,
    struct crypt_data *crypt);


/* "./0-9A-Za-z", which both families write their digests in */

static int
reg_password_digit(char c)
{
    return c == '.' || c == '/' || (c >= '0' && c <= '9')
           || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}


int
reg_password_hash_parse(reg_str_t hash, const reg_password_limits_t *limits,
    reg_password_effort_t *effort, const char **why)
{
    effort->bcrypt_cost = 0;
    effort->sha_rounds = 0;

    if (hash.len > REG_PASSWORD_HASH_MAX) {
        *why = "the hash is too long";
        return -1;
    }

    if (reg_str_starts(hash, reg_str("$2y$"))
        || reg_str_starts(hash, reg_str("$2b$"))
        || reg_str_starts(hash, reg_str("$2a$")))
    {
        return reg_password_bcrypt(hash, limits, effort, why);
    }

    if (limits->sha_rounds != 0
        && (reg_str_starts(hash, reg_str("$6$"))
            || reg_str_starts(hash, reg_str("$5$"))))
    {
        return reg_password_shacrypt(hash, limits, effort, why);
    }

    *why = reg_password_scheme(hash);

    return -1;
}


static int
reg_password_bcrypt(reg_str_t hash, const reg_password_limits_t *limits,
    reg_password_effort_t *effort, const char **why)
{
    size_t    i;
    unsigned  cost;

    if (hash.len != REG_BCRYPT_LEN) {
        *why = "a bcrypt hash has 60 bytes, this one has not";
        return -1;
    }

    if (hash.data[4] < '0' || hash.data[4] > '9'
        || hash.data[5] < '0' || hash.data[5] > '9'
        || hash.data[6] != '$')
    {
        *why = "the cost of the bcrypt hash is no number of two digits";
        return -1;
    }

    cost = (unsigned) (hash.data[4] - '0') * 10
           + (unsigned) (hash.data[5] - '0');

    if (cost < REG_BCRYPT_COST_MIN || cost > limits->bcrypt_cost
        || cost > REG_BCRYPT_COST_TOP)
    {
        *why = "the cost of the bcrypt hash is outside the limits";
        return -1;
    }

    for (i = REG_BCRYPT_PREFIX; i < REG_BCRYPT_LEN; i++) {
        if (!reg_password_digit(hash.data[i])) {
            *why = "the bcrypt hash holds bytes that cannot be in one";
            return -1;
        }
    }

    effort->bcrypt_cost = cost;

    return 0;
}


/* $6$[rounds=N$]salt$digest */

static int
reg_password_shacrypt(reg_str_t hash, const reg_password_limits_t *limits,
    reg_password_effort_t *effort, const char **why)
{
    size_t     i, n;
    unsigned   rounds;
    reg_str_t  rest;

    rest.data = hash.data + 3;
    rest.len = hash.len - 3;

    if (reg_password_rounds(&rest, limits->sha_rounds, &rounds, why) != 0) {
        return -1;
    }

    for (i = 0; i < rest.len && rest.data[i] != '$'; i++) {
        if (!reg_password_digit(rest.data[i])) {
            *why = "the salt holds bytes that cannot be in one";
            return -1;
        }
    }

    if (i == 0 || i > REG_SHACRYPT_SALT_MAX || i == rest.len) {
        *why = "the hash has no salt, or one that is too long";
        return -1;
    }

    n = (hash.data[1] == '6') ? REG_SHA512CRYPT_LEN : REG_SHA256CRYPT_LEN;

    if (rest.len - i - 1 != n) {
        *why = "the hash has not the length of its scheme";
        return -1;
    }

    for (i++; i < rest.len; i++) {
        if (!reg_password_digit(rest.data[i])) {
            *why = "the hash holds bytes that cannot be in one";
            return -1;
        }
    }

    effort->sha_rounds = rounds;

    return 0;
}


static int
reg_password_rounds(reg_str_t *rest, unsigned limit, unsigned *rounds,
    const char **why)
{
    size_t     i;
    uint64_t   n;
    reg_str_t  digits;

    static const reg_str_t  prefix = { sizeof("rounds=") - 1, "rounds=" };

    n = REG_SHACRYPT_ROUNDS;

    if (reg_str_starts(*rest, prefix)) {
        digits.data = rest->data + prefix.len;

        for (i = prefix.len; i < rest->len && rest->data[i] != '$'; i++) {
            /* void */
        }

        digits.len = i - prefix.len;

        if (i == rest->len || digits.len == 0 || digits.data[0] == '0'
            || reg_str_number(digits, UINT32_MAX, &n) < 0)
        {
            *why = "the number of rounds is no number";
            return -1;
        }

        rest->data += i + 1;
        rest->len -= i + 1;
    }

    if (n < REG_SHACRYPT_ROUNDS_MIN || n > limit) {
        *why = "the number of rounds is outside the limits";
        return -1;
    }

    *rounds = (unsigned) n;

    return 0;
}


/* Names the scheme of a hash we do not use. */

static const char *
reg_password_scheme(reg_str_t hash)
{
    size_t  i;

    static const struct {
        reg_str_t    prefix;
        const char  *why;
    } rows[] = {
#define row(prefix, why)  { { sizeof(prefix) - 1, prefix }, why }
        row("$2",     "this variant of bcrypt is not supported"),
        row("$6$",    "sha512crypt is not allowed here, use bcrypt"),
        row("$5$",    "sha256crypt is not allowed here, use bcrypt"),
        row("$1$",    "MD5 crypt is not supported, use bcrypt"),
        row("$apr1$", "Apache's MD5 is not supported, use bcrypt"),
        row("{SHA}",  "{SHA} is not supported, use bcrypt"),
        row("{SSHA}", "{SSHA} is not supported, use bcrypt"),
        row("$y$",    "yescrypt is not supported, use bcrypt"),
        row("$gy$",   "gost-yescrypt is not supported, use bcrypt"),
        row("$7$",    "scrypt is not supported, use bcrypt"),
        row("*",      "the password is locked"),
        row("!",      "the password is locked")
#undef row
    };

    if (hash.len == 0) {
        return "the hash is empty";
    }

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (reg_str_starts(hash, rows[i].prefix)) {
            return rows[i].why;
        }
    }

    return "the password is plain text or of an unknown scheme, use bcrypt";
}


/* One run of crypt_r(): right, wrong, or not done at all. */

static reg_password_e
reg_password_run(const char *hash, const char *password,
    struct crypt_data *crypt)
{
    size_t       len, skip;
    const char  *got;

    got = crypt_r(password, hash, crypt);

    /* a failure is told by "*0" or "*1", which is no hash of ours */

    if (got == NULL || got[0] != '$') {
        return REG_PASSWORD_FAILED;
    }

    len = strlen(hash);

    if (strlen(got) != len) {
        return REG_PASSWORD_FAILED;
    }

    /*
     * The last digit of a bcrypt salt has four bits that mean nothing, which
     * libxcrypt clears and other writers leave: only what follows counts.
     */

    skip = (hash[1] == '2') ? REG_BCRYPT_SALT : 0;

    return (CRYPTO_memcmp(got + skip, hash + skip, len - skip) == 0)
           ? REG_PASSWORD_RIGHT : REG_PASSWORD_WRONG;
}


/* What one run of a hash costs; the hash has been parsed before. */

static void
reg_password_effort_of(const char *hash, reg_password_effort_t *effort)
{
    const char             *why;
    reg_password_limits_t   limits;

    limits.bcrypt_cost = REG_BCRYPT_COST_TOP;
    limits.sha_rounds = UINT32_MAX;

    if (hash == NULL
        || reg_password_hash_parse(reg_str_of(hash), &limits, effort, &why)
           != 0)
    {
        effort->bcrypt_cost = 0;
        effort->sha_rounds = 0;
    }
}


static int
reg_password_burn_bcrypt(unsigned cost, const char *password,
    struct crypt_data *crypt)
{
    char  setting[REG_BCRYPT_LEN + 1];

    (void) snprintf(setting, sizeof(setting),
                    "$2y$%02u$......................"
                    "...............................",
                    cost % (REG_BCRYPT_COST_TOP + 1));

    return (reg_password_run(setting, password, crypt)
            == REG_PASSWORD_FAILED) ? -1 : 0;
}


/*
 * Fills up what was done to what the dearest hash takes.  A run of bcrypt at
 * cost c is twice one at c - 1, so after one at c those at c, c + 1, ..., up
 * to one below the top add up to the top exactly.  The rounds of $6$ simply
 * add up.
 */

static int
reg_password_burn(const reg_password_effort_t *done,
    const reg_password_effort_t *top, const char *password,
    struct crypt_data *crypt)
{
    char         setting[64];
    unsigned     cost, rounds;
    const char  *got;

    if (top->bcrypt_cost != 0) {

        if (done->bcrypt_cost == 0) {
            if (reg_password_burn_bcrypt(top->bcrypt_cost, password, crypt)
                != 0)
            {
                return -1;
            }

        } else {
            for (cost = done->bcrypt_cost; cost < top->bcrypt_cost; cost++) {
                if (reg_password_burn_bcrypt(cost, password, crypt) != 0) {
                    return -1;
                }
            }
        }
    }

    if (top->sha_rounds > done->sha_rounds) {
        rounds = top->sha_rounds - done->sha_rounds;

        if (rounds < REG_SHACRYPT_ROUNDS_MIN) {
            rounds = REG_SHACRYPT_ROUNDS_MIN;
        }

        (void) snprintf(setting, sizeof(setting),
                        "$6$rounds=%u$................", rounds);

        got = crypt_r(password, setting, crypt);

        if (got == NULL || got[0] != '$') {
            return -1;
        }
    }

    return 0;
}


reg_password_e
reg_password_verify(const char *hash, const reg_password_effort_t *top,
    reg_str_t password, struct crypt_data *crypt)
{
    char                   text[REG_PASSWORD_MAX + 1];
    reg_password_e         rc;
    reg_password_effort_t  done;

    /* as quick for a user who is there as for one who is not */

    if (password.len == 0 || password.len > REG_PASSWORD_MAX
        || memchr(password.data, '\0', password.len) != NULL)
    {
        return REG_PASSWORD_WRONG;
    }

    memcpy(text, password.data, password.len);
    text[password.len] = '\0';

    /* the library wants its memory cleared once, and we never know */

    memset(crypt, 0, sizeof(struct crypt_data));

    rc = (hash == NULL) ? REG_PASSWORD_WRONG
                        : reg_password_run(hash, text, crypt);

    if (rc == REG_PASSWORD_WRONG) {
        reg_password_effort_of(hash, &done);

        if (reg_password_burn(&done, top, text, crypt) != 0) {
            rc = REG_PASSWORD_FAILED;
        }
    }

    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(crypt, sizeof(struct crypt_data));

    return rc;
}


int
reg_password_make(reg_str_t password, unsigned cost, struct crypt_data *crypt,
    char *out, const char **why)
{
    int          rc;
    char         text[REG_PASSWORD_MAX + 1];
    char         setting[CRYPT_GENSALT_OUTPUT_SIZE];
    const char  *got;

    if (password.len == 0 || password.len > REG_PASSWORD_MAX
        || memchr(password.data, '\0', password.len) != NULL)
    {
        *why = "a password has 1 to 72 bytes, and none of them is NUL";
        return -1;
    }

    if (cost < REG_BCRYPT_COST_MIN || cost > REG_BCRYPT_COST_TOP
        || crypt_gensalt_rn("$2y$", cost, NULL, 0, setting, sizeof(setting))
           == NULL)
    {
        *why = "no salt of that cost can be made";
        return -1;
    }

    memcpy(text, password.data, password.len);
    text[password.len] = '\0';

    memset(crypt, 0, sizeof(struct crypt_data));

    got = crypt_r(text, setting, crypt);

    rc = (got != NULL && strlen(got) == REG_BCRYPT_LEN) ? 0 : -1;

    if (rc == 0) {
        memcpy(out, got, REG_BCRYPT_LEN + 1);

    } else {
        *why = "the password could not be hashed";
    }

    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(crypt, sizeof(struct crypt_data));

    return rc;
}
