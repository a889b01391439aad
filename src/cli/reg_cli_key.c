
/* registryctl key: the file of keys that the registry signs tokens with. */


#include "reg_cli_file.h"
#include "reg_keyring.h"

#include <string.h>

#include <openssl/crypto.h>


#define KEY_MODE  0600
#define KEY_KEEP  3

/* one key is some 240 bytes */
#define KEY_FILE  REG_KEYRING_FILE_MAX


static reg_cli_exit_e key_rotate(const reg_cli_t *c);
static reg_cli_exit_e key_show(const reg_cli_t *c);
static reg_cli_exit_e key_algorithm(const reg_cli_t *c,
    const reg_keyring_t *old, reg_jws_e *alg);
static reg_cli_exit_e key_replace(const reg_cli_t *c, reg_cli_file_t *f,
    const reg_keyring_t *old, size_t keep);
static reg_cli_exit_e key_tell(const reg_cli_t *c, const reg_signer_t *signer,
    const reg_keyring_t *old, size_t keep);
static void key_names(reg_buf_t *b, const reg_keyring_t *old, size_t from,
    size_t to);


static const reg_cli_option_t  rotate_options[] = {
    { "keep", 0, "N", 0, 0,
      "how many of the old keys go on verifying, 0 to 15; default: 3" },
    { "algorithm", 0, "NAME", 0, 0,
      "ES256 or EdDSA; default: what the present key has, or ES256" },
    { "json", 0, NULL, 0, 0, "print JSON instead of the new key's name" },
    { NULL, 0, NULL, 0, 0, NULL }
};

static const reg_cli_option_t  no_options[] = {
    { NULL, 0, NULL, 0, 0, NULL }
};


static const reg_cli_command_t  commands[] = {
    { "rotate", { "FILE" },
      "Makes a new key, which signs from now on, and prints its name.  The "
      "newest of the old keys stay, so that what they signed goes on to hold.  "
      "Makes the file if it is not there.",
      key_rotate, rotate_options },

    { "show", { "FILE" },
      "Prints the public halves of all keys, as a JSON Web Key Set.",
      key_show, no_options },

    { NULL, { NULL }, NULL, NULL, NULL }
};


const reg_cli_group_t  reg_cli_key = {
    "key",
    "Signing keys, in the key file of registry_token_server",
    commands,
    "FILE is what key= of registry_token_server names, or "
    "docker/registry/nginx/token.key in the registry's directory.  Rotate no "
    "more often than --keep times in the lifetime of refresh tokens (30d): "
    "clients whose key is gone have to log in again.  nginx sees a change at "
    "the next request, without a reload."
};


static reg_cli_exit_e
key_rotate(const reg_cli_t *c)
{
    unsigned         keep;
    reg_why_t        why;
    reg_keyring_t   *old;
    reg_cli_file_t   f;
    reg_cli_exit_e   rc;

    if (reg_cli_number(c, "keep", 0, REG_KEYRING_MAX / 2 - 1, KEY_KEEP, &keep)
        != 0)
    {
        return REG_CLI_USAGE;
    }

    old = NULL;
    reg_cli_file_init(&f);

    rc = reg_cli_file_edit(&f, c->operands[0], KEY_FILE);

    if (rc == REG_CLI_OK && f.exists) {
        old = reg_keyring_parse(reg_buf_slice(&f.text), &why);

        if (old == NULL) {
            rc = reg_cli_fail(REG_CLI_FAILED, "%s: %s: nothing was changed; "
                              "to begin anew, remove it", c->operands[0],
                              why.text);
        }
    }

    if (rc == REG_CLI_OK) {
        rc = key_replace(c, &f, old, keep);
    }

    reg_keyring_free(old);
    reg_cli_file_close(&f);

    return rc;
}


static reg_cli_exit_e
key_algorithm(const reg_cli_t *c, const reg_keyring_t *old, reg_jws_e *alg)
{
    const char  *name;

    *alg = (old == NULL) ? REG_JWS_ES256
                         : reg_signer_alg(reg_keyring_at(old, 0));

    name = reg_cli_value(c, "algorithm");

    if (name == NULL) {
        return REG_CLI_OK;
    }

    if (reg_jws_find(reg_str_of(name), alg) != 0
        || (*alg != REG_JWS_ES256 && *alg != REG_JWS_EDDSA))
    {
        return reg_cli_fail(REG_CLI_USAGE, "--algorithm can be ES256 or EdDSA, "
                            "not \"%s\"", name);
    }

    return REG_CLI_OK;
}


static reg_cli_exit_e
key_replace(const reg_cli_t *c, reg_cli_file_t *f, const reg_keyring_t *old,
    size_t keep)
{
    int              rc;
    size_t           i;
    reg_buf_t        text;
    reg_jws_e        alg;
    reg_why_t        why;
    reg_signer_t    *signer;
    reg_cli_exit_e   result;

    if (old == NULL) {
        keep = 0;

    } else if (keep > reg_keyring_count(old)) {
        keep = reg_keyring_count(old);
    }

    result = key_algorithm(c, old, &alg);

    if (result != REG_CLI_OK) {
        return result;
    }

    signer = reg_signer_make(alg, &why);

    if (signer == NULL) {
        return reg_cli_fail(REG_CLI_FAILED, "%s", why.text);
    }

    reg_buf_init(&text, KEY_FILE);

    rc = reg_signer_print(&text, signer);

    for (i = 0; rc == 0 && i < keep; i++) {
        rc = reg_signer_print(&text, reg_keyring_at(old, i));
    }

    result = (rc != 0) ? reg_cli_fail(REG_CLI_FAILED, "out of memory")
                       : reg_cli_file_write(f, &text, KEY_MODE);

    if (result == REG_CLI_OK) {
        result = key_tell(c, signer, old, keep);
    }

    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.size);
    }

    reg_buf_free(&text);
    reg_signer_free(signer);

    return result;
}


static reg_cli_exit_e
key_tell(const reg_cli_t *c, const reg_signer_t *signer,
    const reg_keyring_t *old, size_t keep)
{
    size_t          n;
    reg_buf_t       b;
    reg_str_t       alg;
    reg_cli_exit_e  rc;

    n = (old == NULL) ? 0 : reg_keyring_count(old);
    alg = reg_jws_name(reg_signer_alg(signer));

    reg_cli_say("a new %.*s key signs; %zu of %zu old keys go on verifying",
                (int) alg.len, alg.data, keep, n);

    reg_buf_init(&b, SIZE_MAX / 2);

    if (reg_cli_value(c, "json") != NULL) {
        reg_buf_str(&b, reg_str("{"));
        reg_cli_json(&b, "kid", reg_signer_kid(signer));
        reg_buf_str(&b, reg_str(","));
        reg_cli_json(&b, "algorithm", alg);
        reg_buf_str(&b, reg_str(",\"kept\":["));
        key_names(&b, old, 0, keep);
        reg_buf_str(&b, reg_str("],\"dropped\":["));
        key_names(&b, old, keep, n);
        reg_buf_str(&b, reg_str("]}\n"));

    } else {
        reg_buf_str(&b, reg_signer_kid(signer));
        reg_buf_str(&b, reg_str("\n"));
    }

    rc = reg_cli_print(&b);

    reg_buf_free(&b);

    return rc;
}


static void
key_names(reg_buf_t *b, const reg_keyring_t *old, size_t from, size_t to)
{
    size_t  i;

    for (i = from; i < to; i++) {
        reg_buf_str(b, (i == from) ? reg_str("\"") : reg_str(",\""));
        reg_buf_json(b, reg_signer_kid(reg_keyring_at(old, i)));
        reg_buf_str(b, reg_str("\""));
    }
}


static reg_cli_exit_e
key_show(const reg_cli_t *c)
{
    reg_buf_t        b;
    reg_why_t        why;
    reg_keyring_t   *k;
    reg_cli_file_t   f;
    reg_cli_exit_e   rc;

    k = NULL;
    reg_cli_file_init(&f);
    reg_buf_init(&b, SIZE_MAX / 2);

    rc = reg_cli_file_read(&f, c->operands[0], KEY_FILE);

    if (rc == REG_CLI_OK) {
        k = reg_keyring_parse(reg_buf_slice(&f.text), &why);

        if (k == NULL) {
            rc = reg_cli_fail(REG_CLI_FAILED, "%s: %s", c->operands[0],
                              why.text);
        }
    }

    if (rc == REG_CLI_OK) {
        (void) reg_keys_print(&b, reg_keyring_keys(k));
        reg_buf_str(&b, reg_str("\n"));
        rc = reg_cli_print(&b);
    }

    reg_buf_free(&b);
    reg_keyring_free(k);
    reg_cli_file_close(&f);

    return rc;
}
