
#include "reg_digest.h"
#include "reg_test.h"


#define HEX64                                                                 \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


static void test_alg(void);
static void test_parse(void);
static void test_digits(void);
static void test_of(void);
static void test_pieces(void);
static void test_go(void);
static void test_long(void);
static void test_restore(void);
static void message(unsigned char *p, size_t n);
static size_t unhex(unsigned char *out, const char *hex);


int
main(void)
{
    test_alg();
    test_parse();
    test_digits();
    test_of();
    test_pieces();
    test_go();
    test_long();
    test_restore();

    return done_testing();
}


/* The bytes that the rows of test_go() were made of. */

static void
message(unsigned char *p, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        p[i] = (unsigned char) (i * 7 + 3);
    }
}


static size_t
unhex(unsigned char *out, const char *hex)
{
    size_t    n;
    unsigned  byte;

    for (n = 0; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++) {
        out[n] = (unsigned char) byte;
    }

    return n;
}


static void
test_alg(void)
{
    reg_alg_e  alg;

    is(reg_alg_name(REG_SHA256), "sha256", "sha256");
    is(reg_alg_name(REG_SHA512), "sha512", "sha512");

    ok(reg_alg_find(reg_str("sha256"), &alg) == 0 && alg == REG_SHA256,
       "sha256 is found");
    ok(reg_alg_find(reg_str("sha512"), &alg) == 0 && alg == REG_SHA512,
       "sha512 is found");
    ok(reg_alg_find(reg_str("sha384"), &alg) == -1, "sha384 is not");
    ok(reg_alg_find(reg_str("SHA256"), &alg) == -1, "nor SHA256");
    ok(reg_alg_find(reg_str(""), &alg) == -1, "nor nothing");
}


static void
test_parse(void)
{
    int           valid;
    size_t        i;
    reg_rc_t      rc;
    reg_error_t   e;
    reg_digest_t  d, made;

    static const struct {
        reg_str_t  text;
        int        valid;
    } rows[] = {
        { reg_str("sha256:" HEX64),                       1 },
        { reg_str("sha512:" HEX64 HEX64),                 1 },

        { reg_str(""),                                    0 },
        { reg_null_str,                                   0 },
        { reg_str("sha256"),                              0 },
        { reg_str("sha256:"),                             0 },
        { reg_str(":" HEX64),                             0 },
        { reg_str(HEX64),                                 0 },
        { reg_str("sha256:" HEX64 "0"),                   0 },
        { reg_str("sha256:" HEX64 " "),                   0 },
        { reg_str("sha256:" HEX64 "\n"),                  0 },
        { reg_str("sha256:" HEX64 "\0"),                  0 },
        { reg_str(" sha256:" HEX64),                      0 },
        { reg_str("sha256:0123456789abcdef0123456789abcdef"
                  "0123456789abcdef0123456789abcde"),     0 },
        { reg_str("sha256:0123456789ABCDEF0123456789abcdef"
                  "0123456789abcdef0123456789abcdef"),    0 },
        { reg_str("sha256:0123456789abcdeg0123456789abcdef"
                  "0123456789abcdef0123456789abcdef"),    0 },
        { reg_str("sha256:\0" "123456789abcdef0123456789abcdef"
                  "0123456789abcdef0123456789abcdef"),    0 },
        { reg_str("sha256::" HEX64),                      0 },
        { reg_str("sha256-" HEX64),                       0 },
        { reg_str("SHA256:" HEX64),                       0 },
        { reg_str("sha256:../../../../../../../../../../../"
                  "../../../../../../../../../../etc/"),  0 },
        { reg_str("sha256:" HEX64 HEX64),                 0 },
        { reg_str("sha512:" HEX64),                       0 },
        { reg_str("md5:0123456789abcdef0123456789abcdef"), 0 },
        { reg_str("sha384:" HEX64 "0123456789abcdef0123456789abcdef"), 0 },
        { reg_str("a+b.c_d:" HEX64),                      0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        reg_error_clear(&e);
        rc = reg_digest_parse(&d, rows[i].text, &e);
        valid = (rc == REG_OK);

        ok(valid == rows[i].valid, "%s digest \"%.80s\"",
           rows[i].valid ? "good" : "bad",
           rows[i].text.data ? rows[i].text.data : "");

        if (!valid) {
            ok(rc == REG_DIGEST_INVALID && e.rc == rc && e.detail[0] != '\0',
               "  a reason: %s", e.detail);
            ok(reg_digest_parse(&d, rows[i].text, NULL) == rc,
               "  the same where nobody asks for one");
            continue;
        }

        is_str(reg_digest_str(&d), rows[i].text, "  its text");
        ok(d.text[d.len] == '\0', "  ends with NUL");
        is(reg_str_of(reg_digest_hex(&d)), strchr(rows[i].text.data, ':') + 1,
           "  its digits");

        rc = reg_digest_make(&made, d.alg, reg_str_of(reg_digest_hex(&d)));
        ok(rc == REG_OK && reg_digest_eq(&made, &d),
           "  the same when made of its parts");
    }

    ok(reg_digest_make(&d, REG_SHA256, reg_str("00")) == REG_DIGEST_INVALID,
       "parts may be wrong, too");
    ok(reg_digest_make(&d, REG_SHA512, reg_str(HEX64)) == REG_DIGEST_INVALID,
       "for the other algorithm");

    (void) reg_digest_make(&d, REG_SHA256, reg_str(HEX64));
    (void) reg_digest_make(&made, REG_SHA512, reg_str(HEX64 HEX64));
    ok(!reg_digest_eq(&d, &made), "two that differ");
}


/* Each byte at each place, beside what may stand there. */

static void
test_digits(void)
{
    int           c, wrong, valid;
    char          text[] = "sha256:" HEX64;
    size_t        i, at;
    reg_digest_t  d;

    /* all the neighbours are the same: none changes what is thought of one */

    static const char  beside[] = "09af";

    wrong = 0;

    for (i = 0; i < sizeof(beside) - 1; i++) {
        memset(text + 7, beside[i], 64);

        for (at = 7; at < 7 + 64; at++) {
            for (c = 0; c < 256; c++) {
                text[at] = (char) c;
                valid = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

                wrong += (reg_digest_parse(&d, (reg_str_t) { 7 + 64, text },
                                           NULL) == REG_OK) != valid;
                wrong += valid && strcmp(d.text, text) != 0;
            }

            text[at] = beside[i];
        }
    }

    is_num(wrong, 0, "each byte at each place");
}


static void
test_of(void)
{
    size_t        i;
    reg_digest_t  d;

    /* FIPS 180-4, examples of the standard */

    static const struct {
        reg_alg_e    alg;
        const char  *data;
        const char  *text;
    } rows[] = {
        { REG_SHA256, "",
          "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b785"
          "2b855" },
        { REG_SHA256, "abc",
          "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20"
          "015ad" },
        { REG_SHA256,
          "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419d"
          "b06c1" },
        { REG_SHA512, "",
          "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36"
          "ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927d"
          "a3e" },
        { REG_SHA512, "abc",
          "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b5"
          "5d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca"
          "49f" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_digest_of(&d, rows[i].alg, rows[i].data, strlen(rows[i].data));
        is(reg_digest_str(&d), rows[i].text, rows[i].data);
        ok(d.alg == rows[i].alg && d.len == strlen(rows[i].text),
           "  algorithm and length");
    }

    reg_digest_of(&d, REG_SHA256, NULL, 0);
    is(reg_digest_str(&d), rows[0].text, "no bytes at all");
}


static void
test_pieces(void)
{
    int            alg;
    size_t         step, i, n;
    reg_hash_t     h;
    unsigned char  data[1000];
    reg_digest_t   whole, d;

    message(data, sizeof(data));

    for (alg = 0; alg < REG_ALG_N; alg++) {
        reg_digest_of(&whole, (reg_alg_e) alg, data, sizeof(data));

        for (step = 1; step < 300; step++) {
            reg_hash_init(&h, (reg_alg_e) alg);

            for (i = 0; i < sizeof(data); i += n) {
                n = sizeof(data) - i;
                n = (n < step) ? n : step;
                reg_hash_update(&h, data + i, n);
                reg_hash_update(&h, NULL, 0);
            }

            if (h.length != sizeof(data)) {
                break;
            }

            reg_hash_final(&h, &d);

            if (!reg_digest_eq(&d, &whole)) {
                break;
            }
        }

        is_num((long long) step, 300, "in pieces of every size");
    }
}


static void
test_go(void)
{
    size_t         i, n, len;
    reg_hash_t     h;
    unsigned char  data[300], state[REG_HASH_STATE_MAX + 1];
    unsigned char  want[REG_HASH_STATE_MAX];
    reg_digest_t   d;

    /*
     * Made by Go: MarshalBinary() after the first n bytes of message(), and
     * the sum of all 300.
     */

    static const struct {
        reg_alg_e    alg;
        size_t       n;
        const char  *state;
        const char  *sum;
    } rows[] = {
        { REG_SHA256, 0,
          "736861036a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83"
          "d9ab5be0cd19000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA256, 1,
          "736861036a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83"
          "d9ab5be0cd19030000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000001",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA256, 63,
          "736861036a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83"
          "d9ab5be0cd19030a11181f262d343b424950575e656c737a81888f969da4"
          "abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a61686f76"
          "7d848b9299a0a7aeb500000000000000003f",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA256, 64,
          "73686103efd29b436f63eaf244f598951fbb7c8f2a517b27d2015d295195"
          "8d1b5d12bf47000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000040",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA256, 127,
          "73686103efd29b436f63eaf244f598951fbb7c8f2a517b27d2015d295195"
          "8d1b5d12bf47c3cad1d8dfe6edf4fb020910171e252c333a41484f565d64"
          "6b727980878e959ca3aab1b8bfc6cdd4dbe2e9f0f7fe050c131a21282f36"
          "3d444b525960676e7500000000000000007f",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA256, 128,
          "73686103cb64ceb6c5b7d358dbdd0cdac862363bde54a32b5af7981117e6"
          "03240711038f000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000080",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA256, 200,
          "7368610354ac04f9009ded19e7537c8f986d5e428b33e710563b63548dda"
          "a0ad8fcf15ba434a51585f666d7400000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "0000000000000000000000000000000000c8",
          "04773f8726c81cafcfa1a09a82664b98b00d2021031a1715bca1154f2dad"
          "3472" },
        { REG_SHA512, 0,
          "736861076a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54f"
          "f53a5f1d36f1510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b"
          "5be0cd19137e217900000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" },
        { REG_SHA512, 1,
          "736861076a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54f"
          "f53a5f1d36f1510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b"
          "5be0cd19137e217903000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000001",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" },
        { REG_SHA512, 63,
          "736861076a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54f"
          "f53a5f1d36f1510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b"
          "5be0cd19137e2179030a11181f262d343b424950575e656c737a81888f96"
          "9da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a6168"
          "6f767d848b9299a0a7aeb500000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "00000000000000000000000000000000000000000000003f",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" },
        { REG_SHA512, 64,
          "736861076a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54f"
          "f53a5f1d36f1510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b"
          "5be0cd19137e2179030a11181f262d343b424950575e656c737a81888f96"
          "9da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a6168"
          "6f767d848b9299a0a7aeb5bc000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000040",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" },
        { REG_SHA512, 127,
          "736861076a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54f"
          "f53a5f1d36f1510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b"
          "5be0cd19137e2179030a11181f262d343b424950575e656c737a81888f96"
          "9da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a6168"
          "6f767d848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c333a"
          "41484f565d646b727980878e959ca3aab1b8bfc6cdd4dbe2e9f0f7fe050c"
          "131a21282f363d444b525960676e7500000000000000007f",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" },
        { REG_SHA512, 128,
          "7368610796a86b5c40ba44cd212db43934134ab6a115683b2c48d6a4d070"
          "0675e841e8182def191d24927d3be900f80af8ce3f9d80206ad24b8615b7"
          "6a27b339440dc33b00000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "000000000000000000000000000000000000000000000080",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" },
        { REG_SHA512, 200,
          "7368610796a86b5c40ba44cd212db43934134ab6a115683b2c48d6a4d070"
          "0675e841e8182def191d24927d3be900f80af8ce3f9d80206ad24b8615b7"
          "6a27b339440dc33b838a91989fa6adb4bbc2c9d0d7dee5ecf3fa01080f16"
          "1d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8"
          "eff6fd040b121920272e353c434a51585f666d7400000000000000000000"
          "000000000000000000000000000000000000000000000000000000000000"
          "0000000000000000000000000000000000000000000000c8",
          "46e56ad30db9ef50f8b6762ba55839737f3fba34ab47863c9daff7b3f58f"
          "97fe3465a52dd364560db47f802909ced49093322621ea0aebf8e0696b85"
          "ca8f81f0" }
    };

    message(data, sizeof(data));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        n = unhex(want, rows[i].state);

        reg_hash_init(&h, rows[i].alg);
        reg_hash_update(&h, data, rows[i].n);

        memset(state, 0xaa, sizeof(state));
        len = reg_hash_save(&h, state);

        ok(len == n && memcmp(state, want, n) == 0,
           "state of %s after %zu bytes", reg_alg_name(rows[i].alg).data,
           rows[i].n);
        ok(state[len] == 0xaa, "  and not a byte more");

        memset(&h, 0x55, sizeof(h));

        ok(reg_hash_restore(&h, rows[i].alg, want, n) == 0, "  restored");
        ok(h.length == rows[i].n && h.alg == rows[i].alg, "  its length");

        ok(reg_hash_save(&h, state) == n && memcmp(state, want, n) == 0,
           "  and saved again");

        reg_hash_update(&h, data + rows[i].n, sizeof(data) - rows[i].n);
        reg_hash_final(&h, &d);

        is(reg_str_of(reg_digest_hex(&d)), rows[i].sum, "  and gone on with");
    }
}


/*
 * Lengths that nobody wants to hash in a test: the state of an empty message,
 * a block that counts up from 0, and the length made up; Go has hashed ten
 * bytes more and ended it.
 */

static void
test_long(void)
{
    size_t         i, j, n, len;
    reg_hash_t     h;
    unsigned char  state[REG_HASH_STATE_MAX];
    reg_digest_t   d;

    static const struct {
        reg_alg_e    alg;
        uint64_t     length;
        const char  *sum;
    } rows[] = {
        { REG_SHA256, (1ull << 29) - 1,
          "758397d2c0786ce5a330df7d717c22cb822f2e4e0a73c9d2d4ac880c9a73632e" },
        { REG_SHA512, (1ull << 29) - 1,
          "7a843c96887179b6e3bc0cdc372712ea9269731c23efcfa197e23502dc82b18d"
          "1d47f10e563af7482a1a72425922e4805023d5f209235027d83d4218858c7928" },
        { REG_SHA256, 1ull << 29,
          "d44303b4b7271320446a595fcd93c2dffa34458dcad80c2dd7ad25b426b1e43d" },
        { REG_SHA512, 1ull << 29,
          "e2a2f195a1c9d11e24d6f489a9f24effcc7e4d8f442695360b8f7ad2816a3005"
          "a819082d2a94c5135a378f5dfc6b929d23d2bbfb9defac67717eb753a5052475" },
        { REG_SHA256, (1ull << 29) + 5,
          "6ead8e0338b2d832cebec6fddfdb564a3ea0eb340dc756c5a9cad8323d535c92" },
        { REG_SHA512, (1ull << 29) + 5,
          "900ef254986c4d6e44a4c458a9299172d39cc3d2d455eda2202ea4901531fa33"
          "9d563c139249f35efa1cf0e88902d8ad0b0b9c8d65952ab5812b2c2de9a87429" },
        { REG_SHA256, (1ull << 32) + 77,
          "3842e865261b36c969345a674606332a906ac3e4db8f1edfd616aaa085d6778a" },
        { REG_SHA512, (1ull << 32) + 77,
          "7d3dc67212a9fa1f57671682682ad95970363a5ff8146a8a2be3b3f556406e1e"
          "dd3fcd03b8e3a36511852de6163ef91131e18e454fc7385da92c73e082ce716e" },
        { REG_SHA256, (1ull << 40) + 200,
          "1ecb5c8c7cceab387a686409bdb72e51c7898b3e664067728411471df173ac7d" },
        { REG_SHA512, (1ull << 40) + 200,
          "4f35b789ecd2c863c69c5e25916d3f1e495abd1d7557bce8f80e5c0e19342491"
          "c34b547bfb60f54c6a92d89f9d858bb0275a7fddfeb6d670ffadb183b26c51c4" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        reg_hash_init(&h, rows[i].alg);
        len = reg_hash_save(&h, state);
        n = (rows[i].alg == REG_SHA256) ? 64 : 128;

        for (j = 0; j < n; j++) {
            state[len - 8 - n + j] = (unsigned char) j;
        }

        for (j = 0; j < 8; j++) {
            state[len - 1 - j] = (unsigned char) (rows[i].length >> (8 * j));
        }

        ok(reg_hash_restore(&h, rows[i].alg, state, len) == 0
           && h.length == rows[i].length, "after %llu bytes",
           (unsigned long long) rows[i].length);

        reg_hash_update(&h, "0123456789", 10);
        ok(h.length == rows[i].length + 10, "  ten more");

        reg_hash_final(&h, &d);
        is(reg_str_of(reg_digest_hex(&d)), rows[i].sum, "  its sum");
    }
}


static void
test_restore(void)
{
    size_t         len;
    reg_hash_t     h;
    unsigned char  state[REG_HASH_STATE_MAX + 1], bad[sizeof(state)];

    memset(state, 0, sizeof(state));

    reg_hash_init(&h, REG_SHA256);
    reg_hash_update(&h, "0123456789", 10);
    len = reg_hash_save(&h, state);

    ok(len == 108, "a state of sha256 has 108 bytes");
    ok(reg_hash_restore(&h, REG_SHA256, state, len) == 0, "whole");
    ok(reg_hash_restore(&h, REG_SHA256, state, 0) == -1, "empty");
    ok(reg_hash_restore(&h, REG_SHA256, NULL, 0) == -1, "nothing");
    ok(reg_hash_restore(&h, REG_SHA256, state, len - 1) == -1, "cut short");
    ok(reg_hash_restore(&h, REG_SHA256, state, len + 1) == -1, "too long");
    ok(reg_hash_restore(&h, REG_SHA512, state, len) == -1,
       "of the other algorithm");
    ok(reg_hash_restore(&h, REG_SHA512, state, REG_HASH_STATE_MAX) == -1,
       "and of its length");

    memcpy(bad, state, sizeof(bad));
    bad[3] = 2;                                 /* sha224 */
    ok(reg_hash_restore(&h, REG_SHA256, bad, len) == -1, "sha224");

    memcpy(bad, state, sizeof(bad));
    bad[0] = 'S';
    ok(reg_hash_restore(&h, REG_SHA256, bad, len) == -1, "no magic");

    memcpy(bad, state, sizeof(bad));
    bad[len - 8] = 0x20;
    ok(reg_hash_restore(&h, REG_SHA256, bad, len) == -1,
       "more bytes than can be hashed");

    memcpy(bad, state, sizeof(bad));
    memset(bad + 36 + 10, 0xee, 54);
    ok(reg_hash_restore(&h, REG_SHA256, bad, len) == 0,
       "rubbish behind what fills the block");
    ok(reg_hash_save(&h, bad) == len && memcmp(bad, state, len) == 0,
       "is not kept");

    memset(bad, 0xff, sizeof(bad));
    ok(reg_hash_restore(&h, REG_SHA256, bad, len) == -1, "all ones");
}
