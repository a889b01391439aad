
#include "reg_test_store.h"

#include "reg_image.h"


#define CONFIG                                                                \
    "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\","          \
    "\"created\":\"2024-01-02T03:04:05Z\",\"config\":{\"Labels\":{"           \
    "\"org.label-schema.description\":\"old\"}}}"

/* of an index; its digest comes by %s */
#define ONE_OF(os, arch)                                                      \
    "{\"mediaType\":\"" REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\","         \
    "\"size\":9,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch      \
    "\"}}"


typedef struct {
    const char  *name;
    const char  *json;
    const char  *want;
} row_t;


static const row_t  platforms[] = {
    { "all", "{\"os\":\"a\",\"architecture\":\"b\",\"variant\":\"c\"}",
      "a/b/c" },
    { "no variant", "{\"architecture\":\"b\",\"os\":\"a\"}", "a/b" },
    { "os alone", "{\"os\":\"a\"}", "a" },
    { "no os", "{\"architecture\":\"b\"}", "" },
    { "a gap", "{\"os\":\"a\",\"variant\":\"c\"}", "a" },
    { "other types", "{\"os\":1,\"architecture\":[]}", "" }
};


static unsigned  referrers;


static reg_rc_t
count(void *ctx, const reg_digest_t *d, const reg_manifest_t *m,
    uint64_t size)
{
    (void) ctx;
    (void) d;
    (void) m;
    (void) size;

    referrers++;

    return REG_OK;
}


static void
test_platforms(void)
{
    size_t      i;
    json_t     *json;
    reg_buf_t   b;

    for (i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
        json = reg_json_load(platforms[i].json, strlen(platforms[i].json),
                             NULL);
        reg_buf_init(&b, 100);
        reg_image_platform(&b, json);
        is(reg_buf_slice(&b), platforms[i].want, platforms[i].name);
        reg_buf_free(&b);
        json_decref(json);
    }
}


int
main(void)
{
    char          text[2048];
    reg_store_t  *s;
    reg_image_t   image;
    reg_digest_t  d, config, layer, index;

    test_platforms();

    root_make();
    s = store_open();

    (void) push_blob(s, "a", REG_SHA256, reg_str(CONFIG), &config);
    (void) push_blob(s, "a", REG_SHA256, reg_str("layer"), &layer);
    is_num(put_manifest(s, "a", "v1", image_text(&config, &layer, ""), &d,
                        NULL),
           REG_OK, "an image");

    is_num(reg_image_read(s, reg_str("a"), &d, &image, NULL), REG_OK, "read");
    is(image.created, "2024-01-02T03:04:05Z", "created");
    is(image.description, "old", "description");
    is(reg_buf_slice(&image.platforms), "linux/arm/v7", "platform");
    is_num((long long) image.size,
           (long long) (image.bytes + strlen(CONFIG) + 5), "size");
    ok(!image.missing, "complete");
    reg_image_free(&image);

    (void) snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":["
                    "{\"mediaType\":\"" REG_TYPE_OCI_MANIFEST "\",\"digest\":"
                    "\"%s\",\"size\":9},{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":9,"
                    "\"platform\":{\"os\":\"unknown\",\"architecture\":"
                    "\"unknown\"}}],\"subject\":{\"mediaType\":\""
                    REG_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":9}}",
                    d.text, d.text, d.text);

    is_num(put_manifest(s, "a", NULL, reg_str_of(text), &index, NULL), REG_OK,
           "an index");
    is_num(reg_image_read(s, reg_str("a"), &index, &image, NULL), REG_OK,
           "read, too");
    is(image.created, "2024-01-02T03:04:05Z", "as young as its child");
    is(reg_buf_slice(&image.platforms), "linux/arm/v7", "for the same");
    is_num((long long) image.size,
           (long long) (image.bytes + strlen(CONFIG) + 5
                        + image_text(&config, &layer, "").len),
           "each child once");
    reg_image_free(&image);

    (void) snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\""
                    REG_TYPE_OCI_INDEX "\",\"manifests\":["
                    ONE_OF("linux", "amd64") "," ONE_OF("linux", "amd") ","
                    ONE_OF("linux", "amd64") "," ONE_OF("windows", "amd64")
                    "," ONE_OF("linux", "amd") "]}",
                    d.text, d.text, d.text, d.text, d.text);

    is_num(put_manifest(s, "a", NULL, reg_str_of(text), &index, NULL), REG_OK,
           "one of several platforms");
    is_num(reg_image_read(s, reg_str("a"), &index, &image, NULL), REG_OK,
           "read");
    is(reg_buf_slice(&image.platforms), "linux/amd64,linux/amd,windows/amd64",
       "each once, one that begins as another, too");
    reg_image_free(&image);

    is_num(reg_image_referrers(s, reg_str("a"), &d, count, NULL, NULL), REG_OK,
           "referrers");
    is_num(referrers, 1, "one");
    is_num(reg_image_referrers(s, reg_str("a"), &layer, count, NULL, NULL),
           REG_OK, "of what nobody refers to");
    is_num(referrers, 1, "none");
    ok(!is_there(at(REPOS "a/_referrers/scanned")), "no index was written");

    (void) reg_blob_delete(s, reg_str("a"), &layer, NULL);
    is_num(reg_image_read(s, reg_str("a"), &index, &image, NULL), REG_OK,
           "without a layer of its child");
    ok(image.missing, "it is not complete");
    reg_image_free(&image);

    (void) reg_manifest_delete(s, reg_str("a"), &d, NULL, NULL);
    is_num(reg_image_read(s, reg_str("a"), &index, &image, NULL), REG_OK,
           "without the child");
    ok(image.missing, "neither");
    reg_image_free(&image);

    is_num(reg_image_read(s, reg_str("a"), &d, &image, NULL),
           REG_MANIFEST_UNKNOWN, "what is not there");

    reg_store_close(s);

    return done_testing();
}
