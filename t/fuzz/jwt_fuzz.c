
/*
 * Input: a byte that tells what the rest is:
 *     0   a token, as a client sends it
 *     1   claims, which are signed for it under a good header
 *     2   a header, under which good claims are signed
 *     3   a header, a NUL and claims
 */

#include "fuzz.h"
#include "reg_base64.h"
#include "reg_issue.h"
#include "reg_json.h"

#include <openssl/err.h>


#define NOW     1700000000
#define HEADER  "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"
#define CLAIMS  "{\"iss\":\"i\",\"aud\":\"s\",\"sub\":\"ann\","               \
                "\"exp\":1700000300,\"access\":[{\"type\":\"repository\","    \
                "\"name\":\"a/b\",\"actions\":[\"pull\"]}]}"


static EVP_PKEY    *key;
static reg_keys_t  *keys;


static void setup(void);
static void token(reg_str_t raw, int signed_by_us);
static void make(reg_buf_t *b, reg_str_t header, reg_str_t claims);


static const char  root[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBIjCByKADAgECAgEHMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHJvb3QwIBcN\n"
    "MjAwMTAxMDAwMDAwWhgPMjA5OTAxMDEwMDAwMDBaMA8xDTALBgNVBAMMBHJvb3Qw\n"
    "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARzSWhZh7UWbhjbvowSP9MtEy9zlUho\n"
    "PdFX6317w6hfemiVSH3b4RrS4iCzkk6CMwzQsnJcCv/zQxXw8wWqSXlqoxMwETAP\n"
    "BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCMvflmjQec8rocWJ+9\n"
    "ODSY0dgP1HwMMckeBIGMsqQKZAIhAILMLnpWS2ZQK6FPbAYSWIuNVpgYJYOWP3WV\n"
    "WtriKe+N\n"
    "-----END CERTIFICATE-----\n";


/* The key of RFC 8037, A.1, so that a corpus stays good. */

static void
setup(void)
{
    size_t         n;
    reg_why_t      why;
    unsigned char  d[64];

    if (keys != NULL) {
        return;
    }

    must(reg_base64_decode(
             reg_str("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"),
             REG_BASE64URL, d, &n)
         == 0);

    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, d, n);
    keys = reg_keys_create();
    must(key != NULL && keys != NULL);

    must(reg_keys_add_jwks(keys, reg_str(
             "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
             "\"kid\":\"ed\","
             "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
             "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\","
             "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
             "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"),
             NULL, NULL, &why)
         == 0);
    must(reg_keys_add_pem(keys, reg_str_of(root), NULL, NULL, &why) == 0);
}


static void
make(reg_buf_t *b, reg_str_t header, reg_str_t claims)
{
    size_t         n;
    unsigned char  sig[REG_JWS_SIG_MAX];

    reg_base64_encode(b, REG_BASE64URL, header.data, header.len);
    reg_buf_str(b, reg_str("."));
    reg_base64_encode(b, REG_BASE64URL, claims.data, claims.len);

    must(reg_jws_sign(REG_JWS_EDDSA, key, reg_buf_slice(b), sig, &n) == 0);

    reg_buf_str(b, reg_str("."));
    reg_base64_encode(b, REG_BASE64URL, sig, n);
}


/* A token that is let pass is signed by one of ours, and says what it must. */

static void
token(reg_str_t raw, int signed_by_us)
{
    int64_t              exp;
    unsigned             may;
    reg_str_t            aud;
    const char          *why;
    reg_token_t          t;
    reg_token_e          rc;
    reg_refresh_t        r;
    reg_token_policy_t   policy;

    policy.keys = keys;
    policy.seen = NULL;
    policy.algs = REG_JWS_ALL;
    policy.issuer = reg_str("i");
    policy.service = reg_str("s");
    policy.leeway = REG_JWT_LEEWAY;
    policy.grace = 0;
    policy.max = 1024 * 1024;
    policy.push_updates = 1;

    why = NULL;
    rc = reg_token_verify(&t, &policy, raw, NOW, &why);

    if (rc == REG_TOKEN_OK) {
        must(signed_by_us);
        must(reg_str_eq(reg_json_str(t.jwt.claims, "iss"), policy.issuer));

        aud = reg_json_str(t.jwt.claims, "aud");
        must(aud.len == 0
             ? json_is_array(json_object_get(t.jwt.claims, "aud"))
             : reg_str_eq(aud, policy.service));

        must(reg_jwt_time(t.jwt.claims, "exp", &exp) == 0);
        must(exp == t.expires && exp > NOW - REG_JWT_LEEWAY);
        must(t.user.len == 0 || reg_user_valid(t.user));
        must(json_object_get(t.jwt.header, "crit") == NULL);

        may = reg_token_may(&t, reg_str("a/b"));
        must((may & ~(unsigned) REG_MAY_REPOSITORY) == 0);
        must(reg_token_allows(&t, may, reg_str("a/b")) == REG_TOKEN_OK);
        must(reg_token_may(&t, reg_str("a")) == 0
             || json_object_get(t.jwt.claims, "access") != NULL);
        (void) reg_token_may(&t, reg_null_str);

    } else {
        must(rc == REG_TOKEN_INVALID && why != NULL);
        must(t.user.len == 0);
    }

    reg_token_free(&t);

    rc = reg_refresh_verify(&r, &policy, raw, NOW, &why);

    must(rc == REG_TOKEN_INVALID || (rc == REG_TOKEN_OK && signed_by_us
                                     && reg_user_valid(r.user)));
    reg_refresh_free(&r);

    must(ERR_peek_error() == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char       *copy;
    int         how;
    size_t      n;
    reg_buf_t   b;
    reg_str_t   s, header, claims;

    if (size == 0) {
        return 0;
    }

    setup();

    how = data[0] % 4;
    size--;

    copy = fuzz_copy(data + 1, size);
    s = fuzz_str(copy, size);

    if (how == 0) {

        /* the corpus has good ones, which nothing else could be */

        token(s, 1);
        free(copy);
        return 0;
    }

    header = (how == 1) ? reg_str(HEADER) : s;
    claims = (how == 2) ? reg_str(CLAIMS) : s;

    if (how == 3) {
        for (n = 0; n < size && copy[n] != '\0'; n++) {
            /* void */
        }

        header.len = n;
        claims.data = copy + n + (n < size);
        claims.len = size - n - (n < size);
    }

    reg_buf_init(&b, 8 * 1024 * 1024);
    make(&b, header, claims);
    token(reg_buf_slice(&b), 1);

    /* one bit of the signature less */

    b.data[b.len - 5] = (b.data[b.len - 5] == 'A') ? 'B' : 'A';
    token(reg_buf_slice(&b), 0);

    reg_buf_free(&b);
    free(copy);

    return 0;
}
