
#include "reg_key.h"
#include "reg_jwk.h"
#include "reg_json.h"
#include "reg_test.h"
#include "reg_test_token.h"

#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>


static void test_names(void);
static void test_parse(void);
static void test_kind(void);
static void test_check(void);
static void test_round(void);
static void test_go(void);
static json_t *load(const char *text);


/* RFC 7638, 3.1 */
#define RSA_N  "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAA" \
               "tVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst" \
               "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0" \
               "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr" \
               "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XP" \
               "ksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

/* RFC 7515, A.3 */
#define EC_X   "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y   "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

/* RFC 8037, A.2 */
#define ED_X   "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

/* distribution, spec/auth/jwt.md */
#define DOC_X  "m7zUpx3b-zmVE5cymSs64POG9QcyEpJaYCD82-549_Q"
#define DOC_Y  "dU3biz8sZ_8GPB-odm8Wxz3lNDr1xcAQQPQaOcr1fmc"


int
main(void)
{
    test_names();
    test_parse();
    test_kind();
    test_check();
    test_round();
    test_go();

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static json_t *
load(const char *text)
{
    json_t       *value;
    reg_error_t   e;

    reg_error_clear(&e);
    value = reg_json_load(text, strlen(text), &e);

    if (value == NULL) {
        printf("# %s: %s\n", text, e.detail);
        abort();
    }

    return value;
}


static void
test_names(void)
{
    char         print[REG_THUMBPRINT_SIZE], text[REG_THUMBPRINT_SIZE];
    char         libtrust[REG_LIBTRUST_SIZE];
    size_t       i;
    json_t      *jwk;
    EVP_PKEY    *key;
    const char  *why;

    static const struct {
        const char  *jwk;
        const char  *thumbprint;      /* NULL: any */
        const char  *libtrust;
        const char  *name;
    } rows[] = {
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\","
          "\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
          "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", NULL,
          "RFC 7638, 3.1" },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",
          "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", NULL,
          "RFC 8037, A.3" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" DOC_X "\","
          "\"y\":\"" DOC_Y "\"}", NULL,
          "PYYO:TEWU:V7JH:26JV:AQTZ:LJC3:SXVJ:XGHA:34F2:2LAQ:ZRMK:Z7Q6",
          "spec/auth/jwt.md" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        jwk = load(rows[i].jwk);
        key = reg_jwk_parse(jwk, &why);

        if (!ok(key != NULL, "the key of %s", rows[i].name)) {
            continue;
        }

        ok(reg_key_thumbprint(key, 0, print) == 0
           && reg_jwk_thumbprint(jwk, text) == 0 && strcmp(print, text) == 0,
           "one thumbprint of key and text");

        if (rows[i].thumbprint != NULL) {
            is(reg_str_of(print), rows[i].thumbprint, rows[i].name);
        }

        ok(reg_key_libtrust(key, libtrust) == 0
           && strlen(libtrust) == REG_LIBTRUST_SIZE - 1, "libtrust's name");

        if (rows[i].libtrust != NULL) {
            is(reg_str_of(libtrust), rows[i].libtrust, rows[i].name);
        }

        EVP_PKEY_free(key);
        json_decref(jwk);
    }
}


static void
test_parse(void)
{
    size_t       i;
    json_t      *jwk;
    EVP_PKEY    *key;
    const char  *why;

    static const struct {
        const char  *jwk;
        const char  *why;         /* NULL: it is a key */
    } rows[] = {
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
          "\"}", NULL },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
          "\",\"d\":\"junk!\",\"ext\":true}", NULL },

        { "{}", "kty" },
        { "[]", "kty" },
        { "{\"kty\":5}", "kty" },
        { "{\"kty\":\"ec\"}", "kty" },
        { "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "symmetric" },
        { "{\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "crv" },
        { "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" EC_X "\",\"y\":\""
          EC_Y "\"}", "crv" },
        { "{\"kty\":\"EC\",\"crv\":\"prime256v1\",\"x\":\"" EC_X "\",\"y\":\""
          EC_Y "\"}", "crv" },
        { "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
          "\"}", "\"x\"" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" EC_Y "\"}", "\"x\"" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}", "\"y\"" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "=\",\"y\":\""
          EC_Y "\"}", "\"x\"" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA" EC_X "\",\"y\":\""
          EC_Y "\"}", "\"x\"" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":5,\"y\":\"" EC_Y "\"}",
          "\"x\"" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_Y "\",\"y\":\"" EC_X
          "\"}", "no point" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAAA\"}", "no point" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"__________________________"
          "________________8\",\"y\":\"" EC_Y "\"}", "no point" },
        { "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}", "crv" },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" ED_X "\"}", "crv" },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "\"x\"" },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "\"x\"" },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}", "\"n\" or \"e\"" },
        { "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "\"n\" or \"e\"" },
        { "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "fewer than" },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}", "" },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AA\"}", "" },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAA\"}", "" },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAAAAAB\"}",
          "\"n\" or \"e\"" },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "+\",\"e\":\"AQAB\"}",
          "\"n\" or \"e\"" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        jwk = load(rows[i].jwk);
        why = "";
        key = reg_jwk_parse(jwk, &why);

        if (rows[i].why == NULL) {
            ok(key != NULL, "a key, row %zu %s", i, why);

        } else {
            ok(key == NULL && strstr(why, rows[i].why) != NULL,
               "no key, row %zu: %s", i, why);
        }

        EVP_PKEY_free(key);
        json_decref(jwk);
    }
}


static void
test_kind(void)
{
    BIO         *bio;
    size_t       i;
    EVP_PKEY    *key;
    reg_key_e    kind;
    const char  *why;

    static const struct {
        const char  *type;
        int          rc;
        reg_key_e    kind;
    } rows[] = {
        { "RSA",       0,  REG_KEY_RSA },
        { "P-256",     0,  REG_KEY_P256 },
        { "P-384",     0,  REG_KEY_P384 },
        { "P-521",     0,  REG_KEY_P521 },
        { "Ed25519",   0,  REG_KEY_ED25519 },
        { "RSA1024",  -1,  REG_KEY_N },
        { "secp256k1", -1, REG_KEY_N },
        { "brainpoolP256r1", -1, REG_KEY_N },
        { "Ed448",    -1,  REG_KEY_N }
    };

    /* P-256 with its parameters spelled out */
    static const char  explicit[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA\n"
        "AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////\n"
        "///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd\n"
        "NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5\n"
        "RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA\n"
        "//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABMlG1uB+Lrg4scaa8JzTa02F\n"
        "T2LYA5yjdXwObpJK0/Wx+3+jTwMVBQhV+g7p8vsjJeYxi9lXWZQdBxa0WgBlD/4=\n"
        "-----END PUBLIC KEY-----\n";

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key = test_key(rows[i].type);
        why = "";

        ok(reg_key_kind(key, &kind, &why) == rows[i].rc
           && (rows[i].rc != 0 || kind == rows[i].kind),
           "a key of type %s", rows[i].type);

        for (kind = REG_KEY_RSA; rows[i].rc == 0 && kind <= REG_KEY_N; kind++)
        {
            ok(reg_key_is(key, kind) == (kind == rows[i].kind),
               "and of no other: %d", (int) kind);
        }

        EVP_PKEY_free(key);
    }

    bio = BIO_new_mem_buf(explicit, -1);
    key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    why = "";

    ok(key != NULL && reg_key_kind(key, &kind, &why) == -1
       && strstr(why, "spells") != NULL, "a curve spelled out");

    EVP_PKEY_free(key);
    BIO_free(bio);
}


/* The key of RFC 7638, and one whose modulus is even. */

static void
test_check(void)
{
    char        *text;
    json_t      *jwk;
    EVP_PKEY    *key;
    const char  *why;

    why = "";
    jwk = load("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}");
    key = reg_jwk_parse(jwk, &why);
    ok(key != NULL && reg_key_check(key, &why) == 0, "a sound key %s", why);
    EVP_PKEY_free(key);
    json_decref(jwk);

    text = test_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", RSA_N);
    *strstr(text, "w\",\"e\"") = 'g';
    jwk = load(text);
    free(text);

    why = "";
    key = reg_jwk_parse(jwk, &why);
    ok(key != NULL && reg_key_check(key, &why) == -1, "an unsound one");
    EVP_PKEY_free(key);
    json_decref(jwk);
}


/* What is printed can be read, and is the same key. */

static void
test_round(void)
{
    char         print[REG_THUMBPRINT_SIZE], again[REG_THUMBPRINT_SIZE];
    size_t       i;
    json_t      *jwk;
    EVP_PKEY    *key, *read;
    reg_buf_t    b;
    const char  *why;

    static const char  *types[] = {
        "RSA", "P-256", "P-384", "P-521", "Ed25519"
    };

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        key = test_key(types[i]);
        reg_buf_init(&b, 8192);

        ok(reg_key_thumbprint(key, 0, print) == 0
           && reg_key_print(&b, key, reg_str("a \"b\""), reg_str("ES256"))
              == 0, "a key of %s is printed", types[i]);

        reg_buf_add(&b, "", 1);
        jwk = load(b.data);

        is(reg_json_str(jwk, "kid"), "a \"b\"", "with its name");
        is(reg_json_str(jwk, "use"), "sig", "its use");
        is(reg_json_str(jwk, "alg"), "ES256", "its algorithm");
        ok(json_object_get(jwk, "d") == NULL, "and nothing private");

        read = reg_jwk_parse(jwk, &why);
        ok(read != NULL && EVP_PKEY_eq(read, key) == 1
           && reg_key_thumbprint(read, 0, again) == 0
           && strcmp(print, again) == 0, "and read");

        EVP_PKEY_free(read);
        EVP_PKEY_free(key);
        json_decref(jwk);
        reg_buf_free(&b);
    }
}


/* x begins with a zero byte */

static void
test_go(void)
{
    char         ours[REG_THUMBPRINT_SIZE], go[REG_THUMBPRINT_SIZE];
    json_t      *jwk;
    EVP_PKEY    *key;
    const char  *why;

    jwk = load("{\"kty\":\"EC\",\"crv\":\"P-256\","
               "\"x\":\"AHwHfiIhO7EMmOBQXh8Mi1CNlMKs90s1W952eh7ctNU\","
               "\"y\":\"fj9GcbeKiOLo8EYbPkHp09zPOTRIG6wYEJ8j7u6_Fq0\"}");
    key = reg_jwk_parse(jwk, &why);

    ok(reg_key_thumbprint(key, 0, ours) == 0
       && reg_key_thumbprint(key, 1, go) == 0, "both names of a key");
    is(reg_str_of(ours), "Ncznwq1Wm6i4jcDdqUPNphXPo3_cwbIreeFJhwgC8ic",
       "that of RFC 7638");
    is(reg_str_of(go), "nPedmgD2Ury8MB4CS9L1SpCYTcL1rpkIoV83AlwU8Rs",
       "that of distribution 3");

    EVP_PKEY_free(key);
    json_decref(jwk);

    key = test_key("Ed25519");
    ok(reg_key_thumbprint(key, 0, ours) == 0
       && reg_key_thumbprint(key, 1, go) == 0 && strcmp(ours, go) == 0,
       "other kinds have but one");
    EVP_PKEY_free(key);
}
