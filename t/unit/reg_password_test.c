
#include "reg_password.h"
#include "reg_test.h"

#include <stdlib.h>


/* What the library is made to do is counted, in the units of both families. */

static unsigned long  bcrypt_work;
static unsigned long  sha_work;
static int            refuse;      /* let the library fail */

static char *counted(const char *phrase, const char *setting,
    struct crypt_data *data);

#define crypt_r  counted

#include "reg_password.c"

#undef crypt_r


static void test_parse(void);
static void test_verify(void);
static void test_length(void);
static void test_work(void);
static void test_failure(void);
static void test_make(void);


#define ANN    "$2y$04$ds8YtnyHnAqzOWpgZvUfI.njOdhz.Aaq7HRiViJ4OQj5VSIwQ8g9i"
#define BOB    "$2y$05$hNrkN9x9ArXPmEOuUMvnYeDoeuWKuEjsRr3r6ISocgAtF0ZBC3Ywq"
#define LONG   "$2y$04$Fq2qXII1sdC.V8ahUYwNxeHyBtXX6JC6O5lkeHsUo9hBqGEzksvzi"
#define SHA6   "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix1" \
               "9DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz."
#define SHA5   "$5$saltstring$C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi."
#define SHA6S  "$6$rounds=1000$abcdefghijklmnop$/ySzNKkDy6wawo9hTH6WxjPbiNMj" \
               "vDjUNjja1ca1Iw8M6hvIP5521AJRYCq2LKFri/5fZ6KSUYfs/3ZzFVhh./"

/* a digest of 31 digits behind a salt, and one of 86 */
#define D31    "0123456789012345678901234567890"
#define D43    D31 "012345678901"
#define D86    D43 D43


int
main(void)
{
    test_parse();
    test_verify();
    test_length();
    test_work();
    test_failure();
    test_make();

    return done_testing();
}


static char *
counted(const char *phrase, const char *setting, struct crypt_data *data)
{
    const char  *rounds;

    if (refuse) {
        strcpy(data->output, "*0");
        return data->output;
    }

    if (setting[1] == '2') {
        bcrypt_work += 1UL << strtoul(setting + 4, NULL, 10);

    } else {
        rounds = strstr(setting, "rounds=");
        sha_work += (rounds == NULL) ? REG_SHACRYPT_ROUNDS
                                     : strtoul(rounds + 7, NULL, 10);
    }

    return crypt_r(phrase, setting, data);
}


static void
test_parse(void)
{
    int                     rc;
    size_t                  i;
    const char             *why;
    reg_password_effort_t   effort;
    reg_password_limits_t   limits;

    static const struct {
        reg_str_t    hash;
        int          sha;         /* $5$ and $6$ are allowed */
        int          rc;
        unsigned     cost;
        unsigned     rounds;
        const char  *name;
    } rows[] = {
        { reg_str(ANN),   0,  0, 4, 0,    "$2y$" },
        { reg_str("$2a$10$abcdefghijklmnopqrstuu" D31), 0, 0, 10, 0, "$2a$" },
        { reg_str("$2b$14$abcdefghijklmnopqrstuu" D31), 0, 0, 14, 0,
          "$2b$ at the limit" },
        { reg_str(SHA6),  1,  0, 0, 5000, "$6$ where allowed" },
        { reg_str(SHA5),  1,  0, 0, 5000, "$5$ where allowed" },
        { reg_str(SHA6S), 1,  0, 0, 1000, "$6$ with few rounds" },
        { reg_str("$6$rounds=200000$ab$" D86), 1, 0, 0, 200000,
          "$6$ with as many rounds as allowed" },

        { reg_str(SHA6),  0, -1, 0, 0, "A75: $6$ where not allowed" },
        { reg_str(SHA5),  0, -1, 0, 0, "A75: $5$ where not allowed" },
        { reg_str(""),    1, -1, 0, 0, "A75: empty" },
        { reg_null_str,   1, -1, 0, 0, "A75: nothing" },
        { reg_str("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), 1, -1, 0, 0,
          "A75: {SHA}" },
        { reg_str("$apr1$abcdefgh$0123456789012345678901"), 1, -1, 0, 0,
          "A75: $apr1$" },
        { reg_str("$1$abcdefgh$0123456789012345678901"), 1, -1, 0, 0,
          "A75: $1$" },
        { reg_str("secret"), 1, -1, 0, 0, "A75: plain text" },
        { reg_str("abJnggxhB/yWI"), 1, -1, 0, 0, "A75: traditional crypt" },
        { reg_str("*0"),  1, -1, 0, 0, "A75: *0" },
        { reg_str("!"),   1, -1, 0, 0, "A75: !" },
        { reg_str("!" ANN), 1, -1, 0, 0, "A75: locked" },

        { reg_str("$2y$31$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "A76: cost 31" },
        { reg_str("$2y$15$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "A76: cost above the limit" },
        { reg_str("$2y$03$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "A76: cost 3" },
        { reg_str("$2y$00$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "A76: cost 0" },
        { reg_str("$2y$99$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "A76: cost 99" },
        { reg_str("$2y$1x$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "a cost that is no number" },
        { reg_str("$2y$-4$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "a negative cost" },
        { reg_str("$2y$4$$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "a cost of one digit" },
        { reg_str("$2x$10$abcdefghijklmnopqrstuu" D31), 0, -1, 0, 0,
          "A76: $2x$" },
        { reg_str("$2$10$abcdefghijklmnopqrstuu" D31),  0, -1, 0, 0,
          "A76: $2$" },
        { reg_str("$2y$10$abcdefghijklmnopqrstuu" D31 "0"), 0, -1, 0, 0,
          "A76: 61 bytes" },
        { reg_str("$2y$10$abcdefghijklmnopqrstuu"
                  "012345678901234567890123456789"), 0, -1, 0, 0,
          "A76: 59 bytes" },
        { reg_str("$2y$10$"), 0, -1, 0, 0, "a bcrypt setting alone" },
        { reg_str("$2y$10$abcdefghijklmnopqrst+u" D31), 0, -1, 0, 0,
          "a plus sign in the salt" },
        { reg_str("$2y$10$abcdefghijklmnopqrstuu0123456789012345678901234567"
                  "\0" "90"), 0, -1, 0, 0, "a NUL in the digest" },
        { reg_str("$y$j9T$abcdefgh$0123456789"), 1, -1, 0, 0, "A76: $y$" },
        { reg_str("$gy$j9T$abcdefgh$0123456789"), 1, -1, 0, 0, "A76: $gy$" },
        { reg_str("$7$CU..../....abcdefgh$0123456789"), 1, -1, 0, 0,
          "A76: $7$" },
        { reg_str("$6$rounds=999999999$ab$" D86), 1, -1, 0, 0,
          "A76: a billion rounds" },
        { reg_str("$6$rounds=99999999999999999999$ab$" D86), 1, -1, 0, 0,
          "A76: rounds beyond 64 bits" },
        { reg_str("$6$rounds=200001$ab$" D86), 1, -1, 0, 0,
          "A76: one round above the limit" },
        { reg_str("$6$rounds=999$ab$" D86), 1, -1, 0, 0, "too few rounds" },
        { reg_str("$6$rounds=05000$ab$" D86), 1, -1, 0, 0, "rounds with 0" },
        { reg_str("$6$rounds=$ab$" D86), 1, -1, 0, 0, "rounds, none" },
        { reg_str("$6$rounds=5000"), 1, -1, 0, 0, "rounds, and no more" },
        { reg_str("$6$rounds=-1$ab$" D86), 1, -1, 0, 0, "rounds below 0" },
        { reg_str("$6$$" D86), 1, -1, 0, 0, "no salt" },
        { reg_str("$6$abcdefghijklmnopq$" D86), 1, -1, 0, 0,
          "a salt of 17 bytes" },
        { reg_str("$6$ab" D86), 1, -1, 0, 0, "no dollar behind the salt" },
        { reg_str("$6$ab$" D86 "0"), 1, -1, 0, 0, "a digit too many" },
        { reg_str("$5$ab$" D86), 1, -1, 0, 0, "$5$ with the digest of $6$" },
        { reg_str("$6$ab$" D43), 1, -1, 0, 0, "$6$ with the digest of $5$" },
        { reg_str("$6$a b$" D86), 1, -1, 0, 0, "a blank in the salt" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        limits.bcrypt_cost = REG_BCRYPT_COST_LIMIT;
        limits.sha_rounds = rows[i].sha ? REG_SHACRYPT_ROUNDS_LIMIT : 0;
        why = NULL;

        rc = reg_password_hash_parse(rows[i].hash, &limits, &effort, &why);

        ok(rc == rows[i].rc
           && effort.bcrypt_cost == rows[i].cost
           && effort.sha_rounds == rows[i].rounds
           && (rc == 0 || why != NULL),
           "%s%s%s", rows[i].name, (rc == 0) ? "" : ": ",
           (rc == 0) ? "" : why);
    }

    limits.bcrypt_cost = 31;
    limits.sha_rounds = 0;

    ok(reg_password_hash_parse(reg_str("$2y$31$abcdefghijklmnopqrstuu" D31),
                               &limits, &effort, &why)
       == 0, "cost 31 for him who allows it");
}


static void
test_verify(void)
{
    size_t                  i;
    reg_password_e          rc;
    struct crypt_data      *crypt;
    reg_password_effort_t   top;

    static const struct {
        const char      *hash;
        reg_str_t        password;
        reg_password_e   rc;
        const char      *name;
    } rows[] = {
        { ANN, reg_str("secret"),  REG_PASSWORD_RIGHT, "$2y$" },
        { ANN, reg_str("Secret"),  REG_PASSWORD_WRONG, "$2y$, wrong" },
        { ANN, reg_str("secret "), REG_PASSWORD_WRONG, "$2y$, longer" },
        { ANN, reg_str("secre"),   REG_PASSWORD_WRONG, "$2y$, shorter" },
        { ANN, reg_str("secret\0"), REG_PASSWORD_WRONG,
          "A72: a NUL behind it" },
        { ANN, reg_str("secret\0x"), REG_PASSWORD_WRONG,
          "A72: a NUL inside" },
        { ANN, reg_str("\0"),      REG_PASSWORD_WRONG, "A72: a NUL alone" },
        { ANN, reg_null_str,       REG_PASSWORD_WRONG, "A72: empty" },
        { ANN, reg_str(ANN),       REG_PASSWORD_WRONG,
          "the hash for a password" },
        { BOB, reg_str("pass:word"), REG_PASSWORD_RIGHT,
          "A73: a colon inside" },
        { BOB, reg_str("pass"),    REG_PASSWORD_WRONG, "not without" },
        { "$2y$04$V8lUQpigKLuZQXekO2TZZuA6fiUCzKOKDSJ2hLYp/y6FYDbvYXsOK",
          reg_str("gr\xc3\xbcn und wei\xc3\x9f"), REG_PASSWORD_RIGHT,
          "A73: UTF-8 and blanks" },
        { "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
          reg_str("secret"), REG_PASSWORD_RIGHT, "$2b$" },
        { "$2b$04$abcdefghijklmnopqrstuv2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
          reg_str("secret"), REG_PASSWORD_RIGHT,
          "a salt with idle bits set" },
        { "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrX",
          reg_str("secret"), REG_PASSWORD_WRONG, "$2b$, last digit" },
        { "$2b$04$abcdefghijklmnopqrstuu1r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
          reg_str("secret"), REG_PASSWORD_WRONG, "$2b$, first digit" },
        { "$2a$06$abcdefghijklmnopqrstuuxLa0AkDDSrQ9VwNnETzOsObiucpMYgC",
          reg_str("secret"), REG_PASSWORD_RIGHT, "$2a$" },
        { SHA6,  reg_str("secret"), REG_PASSWORD_RIGHT, "$6$" },
        { SHA6,  reg_str("secreT"), REG_PASSWORD_WRONG, "$6$, wrong" },
        { SHA6S, reg_str("secret"), REG_PASSWORD_RIGHT, "$6$ with rounds" },
        { SHA5,  reg_str("secret"), REG_PASSWORD_RIGHT, "$5$" },
        { SHA5,  reg_str("secreT"), REG_PASSWORD_WRONG, "$5$, wrong" },
        { NULL,  reg_str("secret"), REG_PASSWORD_WRONG, "nobody" }
    };

    crypt = malloc(sizeof(struct crypt_data));
    memset(crypt, 0xa5, sizeof(struct crypt_data));

    top.bcrypt_cost = 6;
    top.sha_rounds = 0;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rc = reg_password_verify(rows[i].hash, &top, rows[i].password, crypt);

        ok(rc == rows[i].rc, "verify: %s", rows[i].name);
    }

    ok(crypt->output[0] == '\0', "the library's memory is wiped");

    free(crypt);
}


static void
test_length(void)
{
    char                    text[100];
    size_t                  n;
    reg_str_t               s;
    struct crypt_data      *crypt;
    reg_password_effort_t   top = { 4, 0 };

    crypt = malloc(sizeof(struct crypt_data));
    memset(text, 'a', sizeof(text));
    s.data = text;

    s.len = 72;
    ok(reg_password_verify(LONG, &top, s, crypt) == REG_PASSWORD_RIGHT,
       "A73: exactly 72 bytes");

    for (n = 73; n <= sizeof(text); n += 9) {
        s.len = n;
        ok(reg_password_verify(LONG, &top, s, crypt) == REG_PASSWORD_WRONG,
           "A74: %zu bytes that agree in the first 72", n);
    }

    s.len = 71;
    ok(reg_password_verify(LONG, &top, s, crypt) == REG_PASSWORD_WRONG,
       "71 of them");

    bcrypt_work = 0;
    s.len = 73;
    (void) reg_password_verify(LONG, &top, s, crypt);
    (void) reg_password_verify(NULL, &top, s, crypt);
    is_num((long long) bcrypt_work, 0,
           "A74: too long is too long for everybody, at once");

    free(crypt);
}


/* A71 without a clock: what the library is asked to do is the same. */

static void
test_work(void)
{
    size_t                  i;
    const char             *hash;
    unsigned long           bcrypt, sha;
    struct crypt_data      *crypt;

    static const struct {
        reg_password_effort_t  top;
        const char            *hash[4];
        const char            *name;
    } rows[] = {
        { { 4, 0 }, { ANN, NULL },                   "one cost" },
        { { 8, 0 }, { ANN, BOB, NULL },              "three costs" },
        { { 8, 0 }, { "$2a$06$abcdefghijklmnopqrstuuxLa0AkDDSrQ9VwNnETzOsOb"
                      "iucpMYgC", NULL },            "cost 6 of 8" },
        { { 6, 5000 }, { ANN, BOB, SHA6, NULL },     "with $6$" },
        { { 0, 5000 }, { SHA6, SHA5, NULL },         "$6$ and $5$ alone" },
        { { 5, 20000 }, { SHA6, BOB, SHA6S, NULL },  "several rounds" }
    };

    crypt = malloc(sizeof(struct crypt_data));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t  j;

        bcrypt_work = 0;
        sha_work = 0;

        ok(reg_password_verify(NULL, &rows[i].top, reg_str("x"), crypt)
           == REG_PASSWORD_WRONG, "A71: %s: nobody", rows[i].name);

        bcrypt = bcrypt_work;
        sha = sha_work;

        is_num((long long) bcrypt,
               rows[i].top.bcrypt_cost ? 1LL << rows[i].top.bcrypt_cost : 0,
               "A71: nobody costs as much as the dearest bcrypt");
        is_num((long long) sha, rows[i].top.sha_rounds,
               "A71: and the dearest of the others");

        for (j = 0; (hash = rows[i].hash[j]) != NULL; j++) {
            bcrypt_work = 0;
            sha_work = 0;

            ok(reg_password_verify(hash, &rows[i].top, reg_str("x"), crypt)
               == REG_PASSWORD_WRONG, "A71: %s: hash %zu", rows[i].name, j);

            ok(bcrypt_work == bcrypt && sha_work == sha,
               "A71: and as much work: %lu %lu, %lu %lu", bcrypt_work, bcrypt,
               sha_work, sha);
        }
    }

    bcrypt_work = 0;
    ok(reg_password_verify(ANN, &rows[1].top, reg_str("secret"), crypt)
       == REG_PASSWORD_RIGHT && bcrypt_work == 16,
       "a right password costs its own hash alone");

    free(crypt);
}


static void
test_failure(void)
{
    struct crypt_data      *crypt;
    reg_password_effort_t   top = { 5, 0 };

    crypt = malloc(sizeof(struct crypt_data));

    refuse = 1;

    ok(reg_password_verify(ANN, &top, reg_str("secret"), crypt)
       == REG_PASSWORD_FAILED, "the library fails: neither right nor wrong");
    ok(reg_password_verify(NULL, &top, reg_str("secret"), crypt)
       == REG_PASSWORD_FAILED, "nor for nobody");

    refuse = 0;

    free(crypt);
}


static void
test_make(void)
{
    char                    text[73], one[REG_BCRYPT_LEN + 1];
    char                    two[REG_BCRYPT_LEN + 1];
    reg_str_t               s;
    const char             *why;
    struct crypt_data      *crypt;
    reg_password_effort_t   top = { 4, 0 };

    crypt = malloc(sizeof(struct crypt_data));
    memset(text, 'p', sizeof(text));

    ok(reg_password_make(reg_str("secret"), 4, crypt, one, &why) == 0,
       "a hash is made");
    ok(strncmp(one, "$2y$04$", 7) == 0 && strlen(one) == 60, "of bcrypt");
    ok(reg_password_verify(one, &top, reg_str("secret"), crypt)
       == REG_PASSWORD_RIGHT, "which fits");
    ok(reg_password_make(reg_str("secret"), 4, crypt, two, &why) == 0
       && strcmp(one, two) != 0, "another one has another salt");

    s.data = text;
    s.len = 72;
    ok(reg_password_make(s, 4, crypt, one, &why) == 0, "of 72 bytes");
    s.len = 73;
    why = NULL;
    ok(reg_password_make(s, 4, crypt, one, &why) != 0 && why != NULL,
       "not of 73");
    ok(reg_password_make(reg_null_str, 4, crypt, one, &why) != 0, "not of 0");
    ok(reg_password_make(reg_str("a\0b"), 4, crypt, one, &why) != 0,
       "not with a NUL");
    ok(reg_password_make(reg_str("secret"), 3, crypt, one, &why) != 0,
       "not of cost 3");
    ok(reg_password_make(reg_str("secret"), 32, crypt, one, &why) != 0,
       "not of cost 32");

    free(crypt);
}
