
#include "reg_jwt.h"
#include "reg_test_world.h"

#include <openssl/err.h>
#include <time.h>


static void test_good(void);
static void test_alg(void);
static void test_hmac(void);
static void test_time(void);
static void test_audience(void);
static void test_form(void);
static void test_claims(void);


int
main(void)
{
    setup();

    test_good();
    test_alg();
    test_hmac();
    test_time();
    test_audience();
    test_form();
    test_claims();

    teardown();

    ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is empty");

    return done_testing();
}


static void
test_good(void)
{
    char         *raw;
    size_t        i;
    reg_token_t   t;
    const char   *why;

    static const struct {
        const char  *how;
        const char  *header;
        const char  *name;
    } rows[] = {
        { "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JWT\"}", "" },
        { "RS384", "{\"alg\":\"RS384\",\"kid\":\"rsa\"}", "" },
        { "RS512", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", "" },
        { "PS256", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "" },
        { "PS384", "{\"alg\":\"PS384\",\"kid\":\"rsa\"}", "" },
        { "PS512", "{\"alg\":\"PS512\",\"kid\":\"rsa\"}", "" },
        { "ES256", "{\"alg\":\"ES256\",\"kid\":\"ec\"}", "" },
        { "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", "" },
        { "ES256", "{\"typ\":\"jwt\",\"alg\":\"ES256\",\"kid\":\"ec\"}",
          "typ in small letters" },
        { "ES256", "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"ec\"}",
          "typ of RFC 9068" },
        { "ES256", "{\"alg\":\"ES256\",\"kid\":\"ec\",\"b64\":true}",
          "b64 as it is anyway" },
        { "ES256", "{\"alg\":\"ES256\",\"kid\":\"ec\",\"jku\":"
          "\"http://127.0.0.1:1/\",\"x5u\":\"http://127.0.0.1:1/\"}",
          "A81: jku and x5u beside a good kid: not looked at" },
        { "ES256", " { \"kid\" : \"ec\" , \"alg\" : \"ES256\" } ", "blanks" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        raw = test_token(rows[i].how,
                         (rows[i].how[0] == 'R' || rows[i].how[0] == 'P')
                         ? rsa : (rows[i].how[1] == 'S') ? ec : ed,
                         rows[i].header, GOOD);

        ok(verify(raw, NOW) == REG_TOKEN_OK, "a token of %s %s", rows[i].how,
           rows[i].name);

        free(raw);
    }

    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", GOOD);

    ok(reg_token_verify(&t, &policy, reg_str_of(raw), NOW, &why)
       == REG_TOKEN_OK, "what is in a token");
    is(t.user, "ann", "the user");
    is(t.id, "id-1", "the id");
    is_num(t.expires, 1700000300, "the end");
    is_num(reg_token_may(&t, reg_str("a/b")), REG_MAY_PULL|REG_MAY_PUSH,
           "the rights");
    reg_token_free(&t);

    policy.algs = reg_jws_bit(REG_JWS_ES256);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "an algorithm not allowed");
    policy.algs = REG_JWS_ALL;

    policy.algs = 0;
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "none allowed");
    policy.algs = REG_JWS_ALL;

    free(raw);
}


static void
test_alg(void)
{
    char    *raw;
    size_t   i;

    static const struct {
        const char  *how;
        const char  *header;
    } rows[] = {
        { "none",  "{\"alg\":\"none\"}" },
        { "none",  "{\"alg\":\"None\"}" },
        { "none",  "{\"alg\":\"nOnE\"}" },
        { "none",  "{\"alg\":\"NONE\",\"kid\":\"ec\"}" },
        { "none",  "{\"alg\":\"\",\"kid\":\"ec\"}" },
        { "none",  "{\"alg\":0,\"kid\":\"ec\"}" },
        { "none",  "{\"alg\":null,\"kid\":\"ec\"}" },
        { "none",  "{\"alg\":[\"ES256\"],\"kid\":\"ec\"}" },
        { "none",  "{\"kid\":\"ec\"}" },
        { "none",  "{}" },
        { "none",  "{\"alg\":\"ES256\",\"kid\":\"ec\"}" },
        { "none",  "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}" },
        { "none",  "{\"alg\":\"RS256\",\"kid\":\"rsa\"}" },
        { "ES256", "{\"alg\":\"none\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"None\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":256,\"kid\":\"ec\"}" },
        { "ES256", "{\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"es256\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"ES256 \",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"ES256K\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"RS256\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"EdDSA\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"ES384\",\"kid\":\"ec\"}" },
        { "ES256", "{\"alg\":\"HS256\",\"kid\":\"ec\"}" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        raw = test_token(rows[i].how, ec, rows[i].header, GOOD);

        ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A79: signed by %s: %s",
           rows[i].how, rows[i].header);

        free(raw);
    }

    /* an empty signature, with and without its dot */

    raw = test_token("ES256", ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_OK, "A79: a good one");
    strrchr(raw, '.')[1] = '\0';
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A79: its signature cut off");
    *strrchr(raw, '.') = '\0';
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A79: and the dot");
    free(raw);
}


static void
test_hmac(void)
{
    int             n;
    char           *raw, *pem, *x;
    size_t          i, j;
    reg_str_t       secrets[5];
    unsigned char  *der;

    static const char  *headers[] = {
        "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"HS256\",\"kid\":\"hmac\"}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"hmac\"}",
        "{\"alg\":\"ES256\",\"kid\":\"hmac\"}"
    };

    static const char  *names[] = {
        "PEM", "PEM without its end", "DER", "nothing", "the set's secret"
    };

    pem = test_pem_public(rsa);
    der = NULL;
    n = i2d_PUBKEY(rsa, &der);

    secrets[0] = reg_str_of(pem);
    secrets[1] = secrets[0];
    secrets[1].len--;
    secrets[2].data = (char *) der;
    secrets[2].len = (size_t) n;
    secrets[3] = reg_str("");
    secrets[4] = reg_str("\0\0\0");

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        for (j = 0; j < 5; j++) {
            raw = test_token_hmac(secrets[j], headers[i], GOOD);

            ok(verify(raw, NOW) == REG_TOKEN_INVALID,
               "A80: HMAC with %s: %s", names[j], headers[i]);

            free(raw);
        }
    }

    x = test_text("{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"\"}}");
    raw = test_token_hmac(reg_str(""), x, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A80: a secret of its own");
    free(raw);
    free(x);

    OPENSSL_free(der);
    free(pem);
}


static void
test_time(void)
{
    char    *raw, *claims;
    size_t   i;

    static const struct {
        const char  *times;
        int64_t      now;
        reg_token_e  rc;
        const char  *name;
    } rows[] = {
        { "\"exp\":1700000000", NOW,      REG_TOKEN_OK,      "exp now" },
        { "\"exp\":1700000000", NOW + 59, REG_TOKEN_OK,
          "exp, leeway -1 s" },
        { "\"exp\":1700000000", NOW + 60, REG_TOKEN_INVALID,
          "exp, leeway 0" },
        { "\"exp\":1700000000", NOW + 61, REG_TOKEN_INVALID,
          "exp, leeway +1 s" },
        { "\"exp\":1600000000", NOW,      REG_TOKEN_INVALID, "exp past" },
        { "\"nbf\":0",          NOW,      REG_TOKEN_INVALID, "exp absent" },
        { "\"exp\":\"1700000300\"", NOW,  REG_TOKEN_INVALID, "exp a string" },
        { "\"exp\":1700000300.0", NOW,    REG_TOKEN_INVALID, "exp a float" },
        { "\"exp\":1700000300.5", NOW,    REG_TOKEN_INVALID,
          "exp a fraction" },
        { "\"exp\":17e8",       NOW,      REG_TOKEN_INVALID,
          "exp with exponent" },
        { "\"exp\":-1",         NOW,      REG_TOKEN_INVALID, "exp negative" },
        { "\"exp\":-9223372036854775808", NOW, REG_TOKEN_INVALID,
          "exp -2^63" },
        { "\"exp\":9223372036854775807", NOW, REG_TOKEN_INVALID,
          "exp 2^63-1" },
        { "\"exp\":9223372036854775808", NOW, REG_TOKEN_INVALID,
          "exp 2^63" },
        { "\"exp\":18446744073709551616", NOW, REG_TOKEN_INVALID,
          "exp 2^64" },
        { "\"exp\":1e300",      NOW,      REG_TOKEN_INVALID, "exp 1e300" },
        { "\"exp\":1e999",      NOW,      REG_TOKEN_INVALID, "exp 1e999" },
        { "\"exp\":null",       NOW,      REG_TOKEN_INVALID, "exp null" },
        { "\"exp\":true",       NOW,      REG_TOKEN_INVALID, "exp true" },
        { "\"exp\":[1700000300]", NOW,    REG_TOKEN_INVALID, "exp a list" },
        { "\"exp\":0",          NOW,      REG_TOKEN_INVALID, "exp 0" },
        { "\"exp\":253402300799", NOW,    REG_TOKEN_OK,
          "exp in the year 9999" },
        { "\"exp\":253402300800", NOW,    REG_TOKEN_INVALID,
          "exp in the year 10000" },

        { "\"exp\":1700009999,\"nbf\":1700000000", NOW - 59, REG_TOKEN_OK,
          "nbf, leeway -1 s" },
        { "\"exp\":1700009999,\"nbf\":1700000000", NOW - 60, REG_TOKEN_OK,
          "nbf, leeway 0" },
        { "\"exp\":1700009999,\"nbf\":1700000000", NOW - 61,
          REG_TOKEN_INVALID, "nbf, leeway +1 s" },
        { "\"exp\":1700009999,\"nbf\":1700009999", NOW, REG_TOKEN_INVALID,
          "nbf in the future" },
        { "\"exp\":1700009999,\"nbf\":\"0\"", NOW, REG_TOKEN_INVALID,
          "nbf a string" },
        { "\"exp\":1700009999,\"nbf\":-1", NOW, REG_TOKEN_INVALID,
          "nbf negative" },
        { "\"exp\":1700009999,\"nbf\":1e300", NOW, REG_TOKEN_INVALID,
          "nbf 1e300" },
        { "\"exp\":1700009999,\"nbf\":0", NOW, REG_TOKEN_OK, "nbf 0" },

        { "\"exp\":1700009999,\"iat\":1700000000", NOW - 59, REG_TOKEN_OK,
          "iat, leeway -1 s" },
        { "\"exp\":1700009999,\"iat\":1700000000", NOW - 60, REG_TOKEN_OK,
          "iat, leeway 0" },
        { "\"exp\":1700009999,\"iat\":1700000000", NOW - 61,
          REG_TOKEN_INVALID, "iat, leeway +1 s" },
        { "\"exp\":1700009999,\"iat\":1700009999", NOW, REG_TOKEN_INVALID,
          "iat in the future" },
        { "\"exp\":1700009999,\"iat\":1.5", NOW, REG_TOKEN_INVALID,
          "iat a fraction" },
        { "\"exp\":1700009999,\"iat\":9223372036854775807", NOW,
          REG_TOKEN_INVALID, "iat 2^63-1" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        claims = test_text("{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\","
                           "%s}", rows[i].times);
        raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                         claims);

        ok(verify(raw, rows[i].now) == rows[i].rc, "A83: %s", rows[i].name);

        free(raw);
        free(claims);
    }
}


static void
test_audience(void)
{
    char       *raw, *claims;
    size_t      i;
    reg_buf_t   b;

    static const struct {
        const char  *claims;
        reg_token_e  rc;
        const char  *name;
    } rows[] = {
        { "\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\"", REG_TOKEN_OK,
          "both right" },
        { "\"iss\":\"" ISSUER "\",\"aud\":[\"" SERVICE "\"]", REG_TOKEN_OK,
          "aud a list of ours" },
        { "\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"" SERVICE "\",\"y\"]",
          REG_TOKEN_OK, "aud a list with ours" },
        { "\"iss\":\"" ISSUER "\"", REG_TOKEN_INVALID, "aud absent" },
        { "\"iss\":\"" ISSUER "\",\"aud\":\"x\"", REG_TOKEN_INVALID,
          "aud wrong" },
        { "\"iss\":\"" ISSUER "\",\"aud\":\"\"", REG_TOKEN_INVALID,
          "aud empty" },
        { "\"iss\":\"" ISSUER "\",\"aud\":\"Registry.example\"",
          REG_TOKEN_INVALID, "aud in other case" },
        { "\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE ".evil\"",
          REG_TOKEN_INVALID, "aud longer" },
        { "\"iss\":\"" ISSUER "\",\"aud\":\"registry\"", REG_TOKEN_INVALID,
          "aud shorter" },
        { "\"iss\":\"" ISSUER "\",\"aud\":5", REG_TOKEN_INVALID,
          "aud a number" },
        { "\"iss\":\"" ISSUER "\",\"aud\":null", REG_TOKEN_INVALID,
          "aud null" },
        { "\"iss\":\"" ISSUER "\",\"aud\":[]", REG_TOKEN_INVALID,
          "aud an empty list" },
        { "\"iss\":\"" ISSUER "\",\"aud\":[\"x\"]", REG_TOKEN_INVALID,
          "aud a list without ours" },
        { "\"iss\":\"" ISSUER "\",\"aud\":[\"" SERVICE "\",5]",
          REG_TOKEN_INVALID, "aud a list with ours and a number" },
        { "\"iss\":\"" ISSUER "\",\"aud\":[[\"" SERVICE "\"]]",
          REG_TOKEN_INVALID, "aud a list of lists" },
        { "\"iss\":\"" ISSUER "\",\"aud\":{\"" SERVICE "\":1}",
          REG_TOKEN_INVALID, "aud an object" },
        { "\"iss\":\"" ISSUER "\",\"aud\":\"refresh:" SERVICE "\"",
          REG_TOKEN_INVALID, "aud of a refresh token" },

        { "\"aud\":\"" SERVICE "\"", REG_TOKEN_INVALID, "iss absent" },
        { "\"iss\":\"\",\"aud\":\"" SERVICE "\"", REG_TOKEN_INVALID,
          "iss empty" },
        { "\"iss\":\"x\",\"aud\":\"" SERVICE "\"", REG_TOKEN_INVALID,
          "iss wrong" },
        { "\"iss\":\"https://AUTH.example/\",\"aud\":\"" SERVICE "\"",
          REG_TOKEN_INVALID, "iss in other case" },
        { "\"iss\":\"https://auth.example\",\"aud\":\"" SERVICE "\"",
          REG_TOKEN_INVALID, "iss without its slash" },
        { "\"iss\":\"" ISSUER "/\",\"aud\":\"" SERVICE "\"",
          REG_TOKEN_INVALID, "iss with a slash more" },
        { "\"iss\":[\"" ISSUER "\"],\"aud\":\"" SERVICE "\"",
          REG_TOKEN_INVALID, "iss a list" },
        { "\"iss\":5,\"aud\":\"" SERVICE "\"", REG_TOKEN_INVALID,
          "iss a number" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        claims = test_text("{\"exp\":1700000300,%s}", rows[i].claims);
        raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                         claims);

        ok(verify(raw, NOW) == rows[i].rc, "A84: %s", rows[i].name);

        free(raw);
        free(claims);
    }

    /* 10,000 entries, without ours and with it */

    reg_buf_init(&b, 1024 * 1024);
    reg_buf_str(&b, reg_str("{\"exp\":1700000300,\"iss\":\"" ISSUER
                            "\",\"aud\":["));

    for (i = 0; i < 10000; i++) {
        reg_buf_str(&b, reg_str("\"x\","));
    }

    reg_buf_add(&b, "\"x\"]}", 6);
    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                     b.data);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A84: 10,000 entries");
    policy.max = 1024 * 1024;
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A84: even where they fit");
    free(raw);

    b.len -= 6;
    reg_buf_add(&b, "\"" SERVICE "\"]}", sizeof(SERVICE) + 4);
    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                     b.data);
    ok(verify(raw, NOW) == REG_TOKEN_OK, "A84: ours being the last");
    policy.max = REG_JWT_MAX;
    free(raw);
    reg_buf_free(&b);

    /* an operator who names nobody lets nobody in */

    claims = test_text("{\"exp\":1700000300,\"iss\":\"\",\"aud\":\"\"}");
    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
                     claims);
    policy.issuer = reg_null_str;
    policy.service = reg_null_str;
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A84: empty is not a match");
    policy.issuer = reg_str(ISSUER);
    policy.service = reg_str(SERVICE);
    free(raw);
    free(claims);
}


static void
test_form(void)
{
    char        *good, *raw, *p;
    size_t       i, n;
    clock_t      start;

    static const struct {
        const char  *text;
        const char  *name;
    } rows[] = {
        { "", "empty" },
        { ".", "1 dot" },
        { "..", "2 dots" },
        { "...", "3 dots" },
        { "....", "4 dots" },
        { "a", "no dot" },
        { "a.b", "one dot" },
        { "a.b.c", "three letters" },
        { "a.b.c.d", "four parts" },
        { "a.b.c.d.e", "five parts, as of an encrypted one" },
        { "e30.e30.e30", "empty objects" },
        { "bnVsbA.e30.AAAA", "null for a header" },
        { "W10.e30.AAAA", "a list for a header" },
        { "IiI.e30.AAAA", "a string for a header" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(verify(rows[i].text, NOW) == REG_TOKEN_INVALID, "A86: %s",
           rows[i].name);
    }

    good = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", GOOD);

    {
        const struct {
            char        *text;
            const char  *name;
        } bent[] = {
            { test_text("%s.", good),    "a dot behind it" },
            { test_text(".%s", good),    "a dot before it" },
            { test_text("%s=", good),    "padding" },
            { test_text("%s==", good),   "more padding" },
            { test_text("%s ", good),    "a blank behind it" },
            { test_text(" %s", good),    "a blank before it" },
            { test_text("%s\n", good),   "a newline behind it" },
            { test_text("%.5s %s", good, good + 5), "a blank inside" },
            { test_text("%.5s\n%s", good, good + 5), "a newline inside" },
            { test_text("%.5s\xff%s", good, good + 5), "a byte inside" },
            { test_text("%.5s+%s", good, good + 6), "a plus inside" },
            { test_text("%.5s/%s", good, good + 6), "a slash inside" },
            { test_text("\"%s\"", good), "in quotes" },
            { test_text("%s,%s", good, good), "twice" }
        };

        for (i = 0; i < sizeof(bent) / sizeof(bent[0]); i++) {
            ok(verify(bent[i].text, NOW) == REG_TOKEN_INVALID, "A86: %s",
               bent[i].name);
            free(bent[i].text);
        }
    }

    /* the ordinary alphabet, where the token has a digit of the other */

    raw = NULL;

    for (i = 0; raw == NULL && i < 100; i++) {
        raw = test_token("ES256", ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}",
                         GOOD);
        p = strpbrk(strrchr(raw, '.'), "-_");

        if (p == NULL) {
            free(raw);
            raw = NULL;
            continue;
        }

        *p = (*p == '-') ? '+' : '/';
    }

    ok(raw != NULL && verify(raw, NOW) == REG_TOKEN_INVALID,
       "A86: the ordinary alphabet");
    free(raw);

    /* no byte of it can be another, wherever it is */

    n = 0;

    for (i = 0; good[i] != '\0'; i++) {
        char  c = good[i];

        good[i] = (c == 'A') ? 'B' : 'A';
        n += (verify(good, NOW) != REG_TOKEN_OK);
        good[i] = c;
    }

    ok(n == i, "every byte counts");

    for (n = 0; n < i; n++) {
        reg_token_t  t;
        const char  *why;
        reg_str_t    cut;

        cut.data = good;
        cut.len = n;

        if (reg_token_verify(&t, &policy, cut, NOW, &why) == REG_TOKEN_OK) {
            break;
        }

        reg_token_free(&t);
    }

    ok(n == i, "no part of it is a token");

    /* A86: within 10 ms, at any size */

    raw = malloc(1024 * 1024 + 1);
    raw[1024 * 1024] = '\0';

    for (i = 0; i < 4; i++) {
        memset(raw, (i == 0) ? '.' : (i == 1) ? 'A' : (i == 2) ? 'W' : ' ',
               1024 * 1024);

        start = clock();
        policy.max = (i == 2) ? 1024 * 1024 : REG_JWT_MAX;
        ok(verify(raw, NOW) == REG_TOKEN_INVALID
           && clock() - start < CLOCKS_PER_SEC / 100,
           "A86: 1 MB of one byte, %zu", i);
    }

    policy.max = REG_JWT_MAX;

    memset(raw, '.', 10000);
    raw[10000] = '\0';
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A86: 10,000 dots");

    free(raw);
    free(good);
}


static void
test_claims(void)
{
    char        *raw, *text;
    size_t       i;
    reg_buf_t    b;

    static const struct {
        const char  *header;      /* NULL: a good one */
        const char  *claims;      /* NULL: good ones */
        const char  *name;
    } rows[] = {
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"crit\":[\"exp\"]}", NULL,
          "crit" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"crit\":[]}", NULL,
          "crit empty" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"crit\":null}", NULL,
          "crit null" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"crit\":[\"b64\"],"
          "\"b64\":false}", NULL, "crit and b64" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"b64\":false}", NULL,
          "b64 false" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"b64\":0}", NULL, "b64 0" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"kid\":\"ed\"}", NULL,
          "kid twice" },
        { "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"kid\":\"ed\"}", NULL,
          "alg twice" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"typ\":\"refresh+jwt\"}", NULL,
          "typ of a refresh token" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"typ\":\"JWE\"}", NULL,
          "typ of an encrypted one" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"typ\":5}", NULL,
          "typ a number" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\"} x", NULL, "more behind it" },
        { "\xef\xbb\xbf{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", NULL, "BOM" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"ed\xff\"}", NULL, "bad UTF-8" },
        { NULL, "", "no claims" },
        { NULL, "[]", "a list for claims" },
        { NULL, "null", "null for claims" },
        { NULL, "5", "a number for claims" },
        { NULL, "{", "half an object" },
        { NULL, "{\"exp\":1600000000,\"exp\":1700000300,\"iss\":\"" ISSUER
          "\",\"aud\":\"" SERVICE "\"}", "exp twice" },
        { NULL, "{\"exp\":1700000300,\"iss\":\"x\",\"iss\":\"" ISSUER
          "\",\"aud\":\"" SERVICE "\"}", "iss twice" },
        { NULL, "{\"exp\":1700000300,\"iss\":\"" ISSUER "\",\"aud\":\""
          SERVICE "\",\"\\u0061ud\":\"x\"}", "aud twice, once escaped" },
        { NULL, "{\"exp\":1700000300,\"iss\":\"" ISSUER "\",\"aud\":\""
          SERVICE "\",\"access\":[],\"access\":[]}", "access twice" },
        { NULL, "{\"exp\":1700000300,\"iss\":\"" ISSUER "\",\"aud\":\""
          SERVICE "\",\"access\":[{\"name\":\"a\",\"name\":\"b\"}]}",
          "name twice within an entry" },
        { NULL, "{\"exp\":1700000300,\"iss\":\"" ISSUER "\",\"aud\":\""
          SERVICE "\",\"x\":\"\xc3\x28\"}", "bad UTF-8 in a claim" },
        { NULL, "{\"exp\":1700000300,\"iss\":\"" ISSUER "\\u0000\",\"aud\":\""
          SERVICE "\"}", "a NUL in iss" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        raw = test_token("EdDSA", ed,
                         (rows[i].header == NULL)
                         ? "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"
                         : rows[i].header,
                         (rows[i].claims == NULL) ? GOOD : rows[i].claims);

        ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A86: %s", rows[i].name);

        free(raw);
    }

    /* 1,000 levels, in the header and in the claims */

    reg_buf_init(&b, 65536);
    reg_buf_str(&b, reg_str("{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"x\":"));

    for (i = 0; i < 1000; i++) {
        reg_buf_str(&b, reg_str("["));
    }

    for (i = 0; i < 1000; i++) {
        reg_buf_str(&b, reg_str("]"));
    }

    reg_buf_add(&b, "}", 2);

    raw = test_token("EdDSA", ed, b.data, GOOD);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A86: a header of 1,000 levels");
    free(raw);

    text = test_text("{\"exp\":1700000300,\"iss\":\"" ISSUER "\",\"aud\":\""
                     SERVICE "\",%s", b.data + 1);
    raw = test_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", text);
    ok(verify(raw, NOW) == REG_TOKEN_INVALID, "A86: claims of 1,000 levels");
    free(raw);
    free(text);
    reg_buf_free(&b);
}
