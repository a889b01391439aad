
#include "reg_keyring.h"
#include "reg_test.h"
#include "reg_test_alloc.h"
#include "reg_test_token.h"

#include "reg_keyring.c"
#include "reg_signer.c"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>


#define MAKERS  8


static char  dir[] = "/tmp/reg_keyring_test.XXXXXX";


static void test_parse(void);
static void test_many(void);
static void test_alloc(void);
static void test_make(void);
static void test_race(void);
static void test_failures(void);
static char *key(const char *type);
static char *slurp(const char *path);
static void *maker(void *data);


int
main(void)
{
    reg_test_alloc_init();

    if (mkdtemp(dir) == NULL) {
        printf("Bail out! no temporary directory\n");
        return 1;
    }

    test_parse();
    test_many();
    test_alloc();
    test_make();
    test_race();
    test_failures();

    (void) rmdir(dir);

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static char *
key(const char *type)
{
    char      *pem;
    EVP_PKEY  *k;

    k = test_key(type);
    pem = test_pem_private(k);
    EVP_PKEY_free(k);

    return pem;
}


/* A file is made of one letter for each of its parts. */

static void
test_parse(void)
{
    char           *parts[256], *public;
    size_t          i, j;
    EVP_PKEY       *p256;
    reg_buf_t       b;
    reg_why_t       why;
    reg_keyring_t  *k;

    static const struct {
        const char  *parts;
        size_t       n;           /* 0: refused */
        reg_jws_e    alg;
    } rows[] = {
        { "e",         1, REG_JWS_ES256 },
        { "d",         1, REG_JWS_EDDSA },
        { "ed",        2, REG_JWS_ES256 },
        { "de",        2, REG_JWS_EDDSA },
        { "deE",       3, REG_JWS_EDDSA },
        { "ee",        2, REG_JWS_ES256 },
        { "#e",        1, REG_JWS_ES256 },
        { "#e#d#",     2, REG_JWS_ES256 },
        { "ce",        1, REG_JWS_ES256 },
        { "pe",        1, REG_JWS_ES256 },
        { "ep",        1, REG_JWS_ES256 },
        { "e-",        1, REG_JWS_ES256 },
        { "",          0, REG_JWS_N },
        { "#",         0, REG_JWS_N },
        { "p",         0, REG_JWS_N },
        { "c",         0, REG_JWS_N },
        { "r",         0, REG_JWS_N },
        { "er",        0, REG_JWS_N },
        { "eh",        0, REG_JWS_N },
        { "he",        0, REG_JWS_N },
        { "ej",        0, REG_JWS_N },
        { "je",        0, REG_JWS_N }
    };

    memset(parts, 0, sizeof(parts));

    p256 = test_key("P-256");
    public = test_pem_public(p256);

    parts['e'] = test_pem_private(p256);
    parts['E'] = key("P-256");
    parts['d'] = key("Ed25519");
    parts['r'] = key("RSA");
    parts['p'] = public;
    parts['#'] = strdup("# of 2024-01-01\n-----\n");
    parts['-'] = strdup("-----BEGIN ");
    parts['c'] = strdup("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                        "-----END EC PARAMETERS-----\n");
    parts['j'] = strdup("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                        "-----END PRIVATE KEY-----\n");
    parts['h'] = strdup(parts['e']);
    parts['h'][strlen(parts['h']) / 2] = '\0';

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, REG_KEYRING_FILE_MAX);

        for (j = 0; rows[i].parts[j] != '\0'; j++) {
            reg_buf_str(&b, reg_str_of(
                                parts[(unsigned char) rows[i].parts[j]]));
        }

        why.text[0] = '\0';
        k = reg_keyring_parse(reg_buf_slice(&b), &why);

        ok((k == NULL) == (rows[i].n == 0)
           && (k == NULL) == (why.text[0] != '\0'), "\"%s\" is %s %s",
           rows[i].parts, (k == NULL) ? "refused:" : "read", why.text);

        if (k != NULL) {
            is_num((long long) reg_keyring_count(k), (long long) rows[i].n,
                   "so many keys");
            is_num(reg_signer_alg(reg_keyring_at(k, 0)), rows[i].alg,
                   "the first one signs");
            ok(reg_keyring_at(k, rows[i].n) == NULL, "and behind the last");
        }

        reg_keyring_free(k);
        reg_buf_free(&b);
    }

    k = reg_keyring_parse(reg_str_of(parts['e']), &why);
    ok(k != NULL && reg_keys_count(reg_keyring_keys(k)) == 1,
       "its public half verifies");
    reg_keyring_free(k);

    reg_keyring_free(NULL);

    for (i = 0; i < 256; i++) {
        free(parts[i]);
    }

    EVP_PKEY_free(p256);
}


static void
test_many(void)
{
    char           *big;
    size_t          i;
    reg_buf_t       b;
    reg_str_t       text;
    reg_why_t       why;
    reg_keyring_t  *k;

    reg_buf_init(&b, REG_KEYRING_FILE_MAX);

    for (i = 0; i < REG_KEYRING_MAX; i++) {
        char  *pem = key("Ed25519");

        reg_buf_str(&b, reg_str_of(pem));
        free(pem);
    }

    k = reg_keyring_parse(reg_buf_slice(&b), &why);
    ok(k != NULL && reg_keyring_count(k) == REG_KEYRING_MAX
       && reg_keys_count(reg_keyring_keys(k)) == REG_KEYRING_MAX,
       "as many keys as can be");
    reg_keyring_free(k);

    big = key("Ed25519");
    reg_buf_str(&b, reg_str_of(big));
    free(big);
    ok(reg_keyring_parse(reg_buf_slice(&b), &why) == NULL,
       "one more: %s", why.text);
    reg_buf_free(&b);

    big = calloc(1, REG_KEYRING_FILE_MAX + 1);
    text.data = big;
    text.len = REG_KEYRING_FILE_MAX + 1;
    ok(reg_keyring_parse(text, &why) == NULL, "too large: %s", why.text);
    free(big);
}


static void
test_alloc(void)
{
    int             hit;
    char           *pem;
    reg_why_t       why;
    unsigned long   n;
    reg_keyring_t  *k;

    pem = key("P-256");

    for (n = 1; ; n++) {
        reg_test_alloc_fail(n, 0);
        k = reg_keyring_parse(reg_str_of(pem), &why);
        hit = reg_test_alloc_restore();

        ok((k == NULL) == hit, "allocation %lu fails", n);
        reg_keyring_free(k);

        if (!hit) {
            break;
        }
    }

    free(pem);
}


static char *
slurp(const char *path)
{
    int      fd;
    char    *text;
    ssize_t  n;

    text = calloc(1, 65536);
    fd = open(path, O_RDONLY);
    n = (fd == -1) ? -1 : read(fd, text, 65535);
    (void) close(fd);

    if (n == -1) {
        text[0] = '\0';
    }

    return text;
}


static void
test_make(void)
{
    char           *path, *first, *again;
    size_t          i;
    reg_why_t       why;
    struct stat     st;
    reg_keyring_t  *k;

    static const reg_jws_e  algs[] = { REG_JWS_ES256, REG_JWS_EDDSA };

    for (i = 0; i < 2; i++) {
        path = test_text("%s/a/b/token.key", dir);

        ok(reg_keyring_make(path, algs[i], &why) == 0, "a file is made");
        ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600,
           "for its owner alone");

        first = slurp(path);
        k = reg_keyring_parse(reg_str_of(first), &why);
        ok(k != NULL && reg_keyring_count(k) == 1
           && reg_signer_alg(reg_keyring_at(k, 0)) == algs[i],
           "with one key in it");
        reg_keyring_free(k);

        ok(reg_keyring_make(path, algs[i], &why) == 0, "it is there");
        again = slurp(path);
        ok(strcmp(first, again) == 0, "and stays what it was");

        free(first);
        free(again);
        (void) unlink(path);
        free(path);

        path = test_text("%s/a/b", dir);
        ok(rmdir(path) == 0, "nothing is left behind");
        free(path);
        path = test_text("%s/a", dir);
        (void) rmdir(path);
        free(path);
    }
}


static void *
maker(void *data)
{
    char       *path;
    reg_why_t   why;

    path = data;

    return (reg_keyring_make(path, REG_JWS_EDDSA, &why) == 0)
           ? slurp(path) : NULL;
}


/* All who make it at once have the same key. */

static void
test_race(void)
{
    int        i, round, same;
    char      *path, *parent;
    void      *texts[MAKERS];
    pthread_t  threads[MAKERS];

    path = test_text("%s/r/token.key", dir);
    parent = test_text("%s/r", dir);

    same = 1;

    for (round = 0; round < 20; round++) {

        for (i = 0; i < MAKERS; i++) {
            (void) pthread_create(&threads[i], NULL, maker, path);
        }

        for (i = 0; i < MAKERS; i++) {
            (void) pthread_join(threads[i], &texts[i]);
        }

        for (i = 0; i < MAKERS; i++) {
            same = same && texts[i] != NULL && texts[0] != NULL
                   && strcmp(texts[i], texts[0]) == 0
                   && strlen(texts[i]) > 100;
        }

        for (i = 0; i < MAKERS; i++) {
            free(texts[i]);
        }

        (void) unlink(path);
        same = same && rmdir(parent) == 0;
    }

    ok(same, "eight at once agree on one, twenty times");

    free(path);
    free(parent);
}


static void
test_failures(void)
{
    int         fd;
    char       *path, *file;
    reg_why_t   why;

    file = test_text("%s/file", dir);
    fd = open(file, O_WRONLY|O_CREAT, 0600);
    (void) close(fd);

    path = test_text("%s/file/token.key", dir);
    ok(reg_keyring_make(path, REG_JWS_ES256, &why) == -1,
       "below a file: %s", why.text);
    free(path);

    path = test_text("%s/file/deeper/token.key", dir);
    ok(reg_keyring_make(path, REG_JWS_ES256, &why) == -1,
       "far below a file: %s", why.text);
    free(path);

    path = test_text("%s/%05000d", dir, 0);
    ok(reg_keyring_make(path, REG_JWS_ES256, &why) == -1,
       "a name too long: %s", why.text);
    free(path);

    path = test_text("%s/token.key", dir);
    ok(reg_keyring_make(path, REG_JWS_RS256, &why) == -1
       && access(path, F_OK) == -1, "RSA: %s", why.text);
    free(path);

    (void) unlink(file);
    free(file);
}
