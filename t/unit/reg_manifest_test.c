
#include "reg_manifest.h"
#include "reg_test_alloc.h"

#include "reg_descriptor.c"
#include "reg_json_parse.c"
#include "reg_json_scan.c"
#include "reg_manifest.c"
#include "reg_manifest_type.c"
#include "reg_str.c"


#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define D0   "sha256:" HEX "0000"
#define D1   "sha256:" HEX "1111"
#define D2   "sha256:" HEX "2222"
#define D512  "sha512:" HEX HEX "01234567"

#define IMAGE         REG_TYPE_OCI_MANIFEST
#define INDEX         REG_TYPE_OCI_INDEX
#define DOCKER_IMAGE  REG_TYPE_DOCKER_MANIFEST
#define DOCKER_LIST   REG_TYPE_DOCKER_LIST

#define TAR      "application/vnd.oci.image.layer.v1.tar"
#define FOREIGN  "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define RAR      "application/vnd.docker.image.rootfs.foreign.diff.tar"

/* pieces of documents, in single quotes: doc() makes double ones of them */
#define DESC(type, digest, size)                                              \
    "{'mediaType':'" type "','digest':'" digest "','size':" size "}"
#define CONFIG   "'config':" DESC("a/config", D0, "2")
#define LAYER    DESC(TAR, D1, "7")
#define CHILD    DESC(IMAGE, D1, "7")
#define HEAD(type)   "{'schemaVersion':2,'mediaType':'" type "',"
#define SMALL        HEAD(IMAGE) CONFIG ",'layers':[]"
#define SMALL_INDEX  HEAD(INDEX) "'manifests':[]"


static void test_types(void);
static void test_valid(void);
static void test_invalid(void);
static void test_descriptors(void);
static void test_urls(void);
static void test_subject(void);
static void test_referrer(void);
static void test_read(void);
static void test_large(void);
static void test_alloc(void);
static reg_str_t doc(const char *text);
static reg_rc_t parse(reg_manifest_t *m, const char *text, const char *type,
    reg_error_t *e);


static char  *kept;


int
main(void)
{
    reg_test_alloc_init();

    test_types();
    test_valid();
    test_invalid();
    test_descriptors();
    test_urls();
    test_subject();
    test_referrer();
    test_read();
    test_large();
    test_alloc();

    free(kept);

    return done_testing();
}


/* A document in a block of its very size, kept until the next call. */

static reg_str_t
doc(const char *text)
{
    size_t     i;
    reg_str_t  s;

    s.len = strlen(text);

    free(kept);
    kept = (malloc)(s.len ? s.len : 1);

    for (i = 0; i < s.len; i++) {
        kept[i] = (text[i] == '\'') ? '"' : text[i];
    }

    s.data = kept;

    return s;
}


static reg_rc_t
parse(reg_manifest_t *m, const char *text, const char *type, reg_error_t *e)
{
    reg_str_t  s;

    s = doc(text);
    memset(m, 0xa5, sizeof(reg_manifest_t));
    reg_error_clear(e);

    return reg_manifest_parse(m, s.data, s.len, reg_str_of(type), e);
}


/* Content-Type, mediaType and shape, and what comes of them. */

static void
test_types(void)
{
    char            text[1024];
    size_t          i;
    reg_rc_t        rc;
    reg_error_t     e;
    reg_manifest_t  m;

    static const char  image[] = CONFIG ",'layers':[]";
    static const char  index[] = "'manifests':[]";
    static const char  neither[] = "'x':1";

    static const struct {
        const char  *content_type;
        const char  *media_type;      /* NULL: absent */
        const char  *body;
        const char  *type;            /* NULL: refused */
    } rows[] = {
        { IMAGE,        IMAGE,        image, IMAGE },
        { INDEX,        INDEX,        index, INDEX },
        { DOCKER_IMAGE, DOCKER_IMAGE, image, DOCKER_IMAGE },
        { DOCKER_LIST,  DOCKER_LIST,  index, DOCKER_LIST },
        { IMAGE,        NULL,         image, IMAGE },
        { INDEX,        NULL,         index, INDEX },
        { "",           IMAGE,        image, IMAGE },
        { "",           INDEX,        index, INDEX },
        { "",           DOCKER_IMAGE, image, DOCKER_IMAGE },
        { "",           DOCKER_LIST,  index, DOCKER_LIST },
        { "",           NULL,         image, IMAGE },
        { "",           NULL,         index, INDEX },
        { NULL,         NULL,         index, INDEX },

        { DOCKER_IMAGE, NULL,         image, NULL },
        { DOCKER_LIST,  NULL,         index, NULL },
        { IMAGE,        INDEX,        image, NULL },
        { IMAGE,        INDEX,        index, NULL },
        { INDEX,        IMAGE,        image, NULL },
        { INDEX,        IMAGE,        index, NULL },
        { IMAGE,        DOCKER_IMAGE, image, NULL },
        { DOCKER_IMAGE, IMAGE,        image, NULL },
        { IMAGE,        IMAGE,        index, NULL },
        { INDEX,        INDEX,        image, NULL },
        { IMAGE,        NULL,         index, NULL },
        { INDEX,        NULL,         image, NULL },
        { IMAGE,        "",           image, NULL },
        { "",           "",           image, NULL },
        { "",           NULL,         neither, NULL },
        { "",           IMAGE,        neither, NULL },
        { "",           INDEX,        neither, NULL },
        { "text/html",  NULL,         image, NULL },
        { "text/html",  "text/html",  image, NULL },
        { "",           "text/html",  image, NULL },
        { "image/svg+xml",            NULL, image, NULL },
        { "application/javascript",   NULL, image, NULL },
        { "application/json",         NULL, image, NULL },
        { "application/json",         IMAGE, image, NULL },
        { "application/octet-stream", NULL, image, NULL },
        { IMAGE "; charset=utf-8",    NULL, image, NULL },
        { IMAGE "x",    NULL,         image, NULL },
        { "application/vnd.oci.artifact.manifest.v1+json", NULL, image, NULL },
        { "application/vnd.docker.distribution.manifest.v1+json",
          NULL, "'schemaVersion':1", NULL },
        { "application/vnd.docker.distribution.manifest.v1+prettyjws",
          NULL, image, NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        if (rows[i].media_type != NULL) {
            (void) snprintf(text, sizeof(text),
                            "{'schemaVersion':2,'mediaType':'%s',%s}",
                            rows[i].media_type, rows[i].body);
        } else {
            (void) snprintf(text, sizeof(text), "{'schemaVersion':2,%s}",
                            rows[i].body);
        }

        rc = parse(&m, text, rows[i].content_type, &e);

        ok(rc == (rows[i].type ? REG_OK : REG_MANIFEST_INVALID)
           && e.rc == rc,
           "header %.60s, document %.60s: %s",
           rows[i].content_type ? rows[i].content_type : "none",
           rows[i].media_type ? rows[i].media_type : "none", e.detail);

        if (rows[i].type != NULL) {
            is(m.media_type, rows[i].type, "  its type");
            ok(m.index == (strstr(rows[i].type, "index") != NULL
                           || strstr(rows[i].type, "list") != NULL),
               "  an index or not");

        } else {
            ok(e.detail[0] != '\0', "  is told");
            ok(m.root == NULL && m.refs == NULL, "  nothing is left");
        }

        reg_manifest_free(&m);
    }
}


static void
test_valid(void)
{
    size_t           i, j;
    reg_error_t      e;
    reg_manifest_t   m;

    static const struct {
        const char  *text;
        size_t       nrefs;
        struct {
            const char  *digest;
            int64_t      size;
            int          manifest;
            int          foreign;
        } refs[4];
    } rows[] = {
        { SMALL "}", 1, { { D0, 2, 0, 0 } } },

        { HEAD(IMAGE) CONFIG ",'layers':[" LAYER "]}",
          2, { { D0, 2, 0, 0 }, { D1, 7, 0, 0 } } },

        /* the same one twice, and the config among them */
        { HEAD(IMAGE) CONFIG ",'layers':[" LAYER "," LAYER ","
          DESC(TAR, D0, "2") "]}",
          4, { { D0, 2, 0, 0 }, { D1, 7, 0, 0 }, { D1, 7, 0, 0 },
               { D0, 2, 0, 0 } } },

        { HEAD(DOCKER_IMAGE) CONFIG ",'layers':[" DESC(RAR, D1, "7") ","
          DESC(RAR ".gzip", D2, "8") "]}",
          3, { { D0, 2, 0, 0 }, { D1, 7, 0, 1 }, { D2, 8, 0, 1 } } },

        { HEAD(IMAGE) CONFIG ",'layers':[" DESC(FOREIGN, D1, "7") ","
          DESC(FOREIGN "+gzip", D1, "8") "," DESC(FOREIGN "+zstd", D2, "9")
          "]}",
          4, { { D0, 2, 0, 0 }, { D1, 7, 0, 1 }, { D1, 8, 0, 1 },
               { D2, 9, 0, 1 } } },

        /* not a layer: never foreign */
        { HEAD(IMAGE) "'config':" DESC(FOREIGN, D0, "2") ",'layers':[]}",
          1, { { D0, 2, 0, 0 } } },

        { HEAD(IMAGE) CONFIG ",'layers':[" DESC(TAR, D512, "7") "]}",
          2, { { D0, 2, 0, 0 }, { D512, 7, 0, 0 } } },

        { HEAD(IMAGE) CONFIG ",'layers':[" DESC(TAR, D1,
          "9223372036854775807") "," DESC(TAR, D2, "0") "]}",
          3, { { D0, 2, 0, 0 }, { D1, INT64_MAX, 0, 0 },
               { D2, 0, 0, 0 } } },

        /* an empty descriptor with its data, and members of one's own */
        { HEAD(IMAGE) "'artifactType':'a/b','config':{'mediaType':"
          "'application/vnd.oci.empty.v1+json','digest':'" D0 "','size':2,"
          "'data':'e30=','x':[1.5,null]},'layers':[],'annotations':{},"
          "'org.example':{'a':[true]},'fraction':1e3}",
          1, { { D0, 2, 0, 0 } } },

        { SMALL_INDEX "}", 0, { { NULL, 0, 0, 0 } } },

        /* no layers, no children, as programs in Go have it */
        { HEAD(IMAGE) CONFIG ",'layers':null}", 1, { { D0, 2, 0, 0 } } },
        { "{'schemaVersion':2," CONFIG ",'layers':null}",
          1, { { D0, 2, 0, 0 } } },
        { HEAD(INDEX) "'manifests':null}", 0, { { NULL, 0, 0, 0 } } },

        { HEAD(INDEX) "'manifests':[" CHILD ","
          DESC(DOCKER_IMAGE, D2, "3") "," DESC(INDEX, D0, "4") "]}",
          3, { { D1, 7, 1, 0 }, { D2, 3, 1, 0 }, { D0, 4, 1, 0 } } },

        { HEAD(DOCKER_LIST) "'manifests':[{'mediaType':'" DOCKER_IMAGE "',"
          "'size':5,'digest':'" D2 "','platform':{'architecture':'amd64',"
          "'os':'linux'}}," DESC(DOCKER_LIST, D1, "1") "]}",
          2, { { D2, 5, 1, 0 }, { D1, 1, 1, 0 } } },

        /* an index of blobs, as a build cache is exported */
        { HEAD(INDEX) "'manifests':[" LAYER ","
          DESC("application/vnd.buildkit.cacheconfig.v0", D0, "9") ","
          DESC(FOREIGN, D2, "9") "]}",
          3, { { D1, 7, 0, 0 }, { D0, 9, 0, 0 }, { D2, 9, 0, 0 } } }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        ok(parse(&m, rows[i].text, "", &e) == REG_OK && e.rc == REG_OK,
           "good manifest %zu %s", i, e.detail);
        is_num((long long) m.nrefs, (long long) rows[i].nrefs, "  refs");

        for (j = 0; j < m.nrefs && j < rows[i].nrefs; j++) {
            is(reg_digest_str(&m.refs[j].digest), rows[i].refs[j].digest,
               "  digest");
            ok(m.refs[j].size == rows[i].refs[j].size
               && m.refs[j].manifest == (unsigned) rows[i].refs[j].manifest
               && m.refs[j].foreign == (unsigned) rows[i].refs[j].foreign,
               "  size %lld, %s%s", (long long) m.refs[j].size,
               m.refs[j].manifest ? "manifest" : "blob",
               m.refs[j].foreign ? ", foreign" : "");
        }

        reg_manifest_free(&m);
        ok(m.root == NULL && m.refs == NULL && m.nrefs == 0, "  freed");
    }
}


static void
test_invalid(void)
{
    size_t          i;
    reg_error_t     e;
    reg_manifest_t  m;

    static const struct {
        const char  *text;
        const char  *why;         /* a part of the message */
    } rows[] = {
        { "",                                         "empty" },
        { " ",                                        "neither" },
        { "null",                                     "neither" },
        { "'x'",                                      "neither" },
        { "[]",                                       "not a JSON object" },
        { "[" SMALL "}]",                             "not a JSON object" },
        { "{}",                                       "neither a mediaType" },
        { SMALL "} x",                                "behind" },
        { SMALL "}{}",                                "behind" },
        { SMALL,                                      "byte" },
        { "\xef\xbb\xbf" SMALL "}",                   "byte 0" },
        { SMALL ",'x':'\xff'}",                       "UTF-8" },
        { SMALL ",'x':'\\u0000'}",                    "NUL" },
        { SMALL ",'x':'\\ud800'}",                    "surrogate" },

        { SMALL "," CONFIG "}",                       "twice" },
        { SMALL ",'mediaType':'" IMAGE "'}",          "twice" },
        { SMALL ",'layers':[]}",                      "twice" },
        { SMALL ",'schemaVersion':2}",                "twice" },
        { SMALL ",'\\u006cayers':[]}",                "twice" },
        { HEAD(IMAGE) CONFIG ",'layers':[{'mediaType':'" TAR "','size':1,"
          "'digest':'" D0 "','digest':'" D1 "'}]}",   "twice" },

        { "{'mediaType':'" IMAGE "'," CONFIG ",'layers':[]}",
          "schemaVersion" },
        { "{'schemaVersion':'2','mediaType':'" IMAGE "'," CONFIG
          ",'layers':[]}",                            "schemaVersion" },
        { "{'schemaVersion':2.0,'mediaType':'" IMAGE "'," CONFIG
          ",'layers':[]}",                            "schemaVersion" },
        { "{'schemaVersion':3,'mediaType':'" IMAGE "'," CONFIG
          ",'layers':[]}",                            "schemaVersion" },
        { "{'schemaVersion':null,'mediaType':'" IMAGE "'," CONFIG
          ",'layers':[]}",                            "schemaVersion" },
        { "{'schemaVersion':2,'mediaType':5," CONFIG ",'layers':[]}",
          "mediaType is not a string" },
        { "{'schemaVersion':2,'mediaType':null," CONFIG ",'layers':[]}",
          "mediaType is not a string" },

        { "{'schemaVersion':1,'name':'a','tag':'b','fsLayers':[]}",
          "schema 1" },
        { "{'schemaVersion':1,'mediaType':"
          "'application/vnd.docker.distribution.manifest.v1+json'}",
          "schema 1" },
        { SMALL ",'fsLayers':[]}",                    "schema 1" },

        { HEAD(IMAGE) "'layers':[]}",                 "config" },
        { HEAD(IMAGE) "'config':[],'layers':[]}",     "config" },
        { HEAD(IMAGE) "'config':null,'layers':[]}",   "config" },
        { HEAD(IMAGE) "'config':'x','layers':[]}",    "config" },
        { HEAD(IMAGE) "'config':{},'layers':[]}",     "config" },
        { HEAD(IMAGE) CONFIG "}",                     "layers" },
        { HEAD(IMAGE) CONFIG ",'layers':{}}",         "layers" },
        { HEAD(IMAGE) CONFIG ",'layers':[5]}",        "layers[0]" },
        { HEAD(IMAGE) CONFIG ",'layers':[null]}",     "layers[0]" },
        { HEAD(IMAGE) CONFIG ",'layers':[[]]}",       "layers[0]" },
        { HEAD(IMAGE) CONFIG ",'layers':[" LAYER ",{}]}", "layers[1]" },
        { HEAD(DOCKER_IMAGE) CONFIG "}",              "layers" },
        { HEAD(INDEX) "'manifests':{}}",              "manifests" },
        { HEAD(INDEX) "'manifests':[1]}",             "manifests[0]" },
        { HEAD(INDEX) "'manifests':['" D0 "']}",      "manifests[0]" },
        { HEAD(INDEX) "'x':1}",                       "manifests" },

        { SMALL ",'manifests':[]}",                   "no manifests" },
        { SMALL ",'manifests':null}",                 "no manifests" },
        { SMALL_INDEX ",'layers':[]}",                "no layers" },
        { SMALL_INDEX "," CONFIG "}",                 "no config" },
        { "{'schemaVersion':2,'manifests':[]," CONFIG ",'layers':[]}",
          "no config" },
        { "{'schemaVersion':2,'manifests':[],'layers':[]}", "no layers" },

        { SMALL ",'artifactType':5}",                 "artifactType" },
        { SMALL ",'artifactType':null}",              "artifactType" },
        { SMALL ",'annotations':[]}",                 "annotations" },
        { SMALL ",'annotations':null}",               "annotations" },
        { SMALL ",'annotations':'x'}",                "annotations" },
        { SMALL ",'annotations':{'a':1}}",            "annotation \"a\"" },
        { SMALL ",'annotations':{'a':'b','c':null}}", "annotation \"c\"" },
        { SMALL_INDEX ",'annotations':{'a':{}}}",     "annotation \"a\"" },

        { SMALL ",'Layers':[]}",                      "\"layers\"" },
        { SMALL_INDEX ",'manifest\u017f':[]}",        "\"manifests\"" },
        { SMALL ",'Annotations':{}}",                 "\"annotations\"" },
        { SMALL_INDEX ",'artifacttype':'a/b'}",       "\"artifactType\"" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        ok(parse(&m, rows[i].text, "", &e) == REG_MANIFEST_INVALID
           && e.rc == REG_MANIFEST_INVALID
           && strstr(e.detail, rows[i].why) != NULL,
           "bad manifest %zu: %s", i, e.detail);
        ok(m.root == NULL && m.refs == NULL, "  nothing is left");
    }

    ok(reg_manifest_parse(&m, "{", 1, reg_str(""), NULL)
       == REG_MANIFEST_INVALID, "with nobody to tell");
    ok(reg_manifest_parse(&m, NULL, 0, reg_str(""), NULL)
       == REG_MANIFEST_INVALID, "nothing at all");
}


/* What one descriptor may look like, wherever it stands. */

static void
test_descriptors(void)
{
    int             valid;
    char            text[2048];
    size_t          i, j;
    reg_error_t     e;
    reg_manifest_t  m;

#define WITH(members)                                                         \
    "{'mediaType':'a/b','digest':'" D0 "','size':1," members "}"

    static const char  *places[] = {
        HEAD(IMAGE) "'config':%s,'layers':[]}",
        HEAD(IMAGE) CONFIG ",'layers':[%s]}",
        HEAD(DOCKER_IMAGE) CONFIG ",'layers':[" LAYER ",%s]}",
        HEAD(INDEX) "'manifests':[%s]}",
        SMALL ",'subject':%s}",
        SMALL_INDEX ",'subject':%s}"
    };

    static const struct {
        const char  *text;
        int          valid;
        const char  *why;
    } rows[] = {
        { DESC("a/b", D0, "1"),                   1, NULL },
        { DESC("a/b", D0, "0"),                   1, NULL },
        { DESC("a/b", D0, "9223372036854775807"), 1, NULL },
        { DESC("a/b", D512, "1"),                 1, NULL },
        { DESC(IMAGE, D0, "1"),                   1, NULL },
        { "{'mediaType':'a/b','digest':'" D0 "','size':1,'urls':[],"
          "'annotations':{'x':'y'},'platform':{'os':'linux'},"
          "'artifactType':'c/d','data':'e30='}",  1, NULL },
        { "{'mediaType':'a/b','digest':'" D0 "','size':1,'urls':null}",
          1, NULL },

        { WITH("'annotations':null,'platform':null,'artifactType':null,"
               "'data':null"),                    1, NULL },
        { WITH("'annotations':{},'platform':{'architecture':'arm','os':'x',"
               "'os.version':'1','variant':null,'os.features':['a'],"
               "'features':[],'x':5}"),           1, NULL },

        { WITH("'annotations':'x'"),              0, "annotations" },
        { WITH("'annotations':[]"),               0, "annotations" },
        { WITH("'annotations':{'a':'b','c':1}"),  0, "annotation" },
        { WITH("'annotations':{'a':null}"),       0, "annotation" },
        { WITH("'data':{}"),                      0, "data" },
        { WITH("'data':['e30=']"),                0, "data" },
        { WITH("'data':''"),                      1, NULL },
        { WITH("'data':'e30='"),                  1, NULL },
        { WITH("'data':'+/AZaz09'"),              1, NULL },
        { WITH("'data':'e31='"),                  1, NULL },
        { WITH("'data':'ew=\\n=\\r\\n'"),         1, NULL },
        { WITH("'data':'{}'"),                    0, "base64" },
        { WITH("'data':'e30'"),                   0, "base64" },
        { WITH("'data':'e30=='"),                 0, "base64" },
        { WITH("'data':'e==='"),                  0, "base64" },
        { WITH("'data':'e=30'"),                  0, "base64" },
        { WITH("'data':'===='"),                  0, "base64" },
        { WITH("'data':'e30= '"),                 0, "base64" },
        { WITH("'data':'_-=='"),                  0, "base64" },
        { WITH("'artifactType':[]"),              0, "artifactType" },
        { WITH("'artifactType':5"),               0, "artifactType" },
        { WITH("'platform':'linux'"),             0, "platform" },
        { WITH("'platform':[]"),                  0, "platform" },
        { WITH("'platform':{'os':5}"),            0, "platform" },
        { WITH("'platform':{'architecture':{}}"), 0, "platform" },
        { WITH("'platform':{'os.features':'x'}"), 0, "platform" },
        { WITH("'platform':{'os.features':[5]}"), 0, "platform" },
        { WITH("'platform':{'features':[null]}"), 0, "platform" },

        { DESC("a/b", D0, "-1"),                  0, "size" },
        { DESC("a/b", D0, "9223372036854775808"), 0, "range" },
        { DESC("a/b", D0, "18446744073709551616"), 0, "range" },
        { DESC("a/b", D0, "1e400"),               0, "range" },
        { DESC("a/b", D0, "1.0"),                 0, "size" },
        { DESC("a/b", D0, "1e3"),                 0, "size" },
        { DESC("a/b", D0, "'5'"),                 0, "size" },
        { DESC("a/b", D0, "null"),                0, "size" },
        { DESC("a/b", D0, "[1]"),                 0, "size" },
        { "{'mediaType':'a/b','digest':'" D0 "'}", 0, "size" },
        { "{'digest':'" D0 "','size':1}",         0, "mediaType" },
        { DESC("", D0, "1"),                      0, "mediaType" },
        { "{'mediaType':5,'digest':'" D0 "','size':1}", 0, "mediaType" },
        { "{'mediaType':'a/b','size':1}",         0, "digest" },
        { "{'mediaType':'a/b','size':1,'digest':5}", 0, "digest" },
        { "{'mediaType':'a/b','size':1,'digest':null}", 0, "digest" },
        { "{'mediaType':'a/b','digest':'" D0 "','size':1,'Digest':'" D1 "'}",
          0, "\"digest\" by case" },
        { "{'mediaType':'a/b','digest':'" D0 "','size':1,'mediatype':'c/d'}",
          0, "\"mediaType\" by case" },
        { "{'mediaType':'a/b','digest':'" D0 "','size':1,'SIZE':2}",
          0, "\"size\" by case" },
        { "{'mediaType':'a/b','digest':'" D0 "','\u017fize':1,'size':1}",
          0, "\"size\" by case" },
        { "{'mediaType':'a/b','digest':'" D0 "','size':1,'Urls':[]}",
          0, "\"urls\" by case" },
        { WITH("'Annotations':5"),                0, "\"annotations\" by" },
        { WITH("'ArtifactType':'a/b'"),           0, "\"artifactType\" by" },
        { WITH("'DATA':'e30='"),                  0, "\"data\" by" },
        { WITH("'platform':{},'Platform':{}"),    0, "\"platform\" by" },
        { WITH("'platform':{'os':'x','OS':5}"),   0, "by case" },
        { WITH("'platform':{'O\u017f':'x'}"),     0, "by case" },
        { WITH("'platform':{'Features':5}"),      0, "by case" },
        { DESC("a/b", "", "1"),                   0, "digest" },
        { DESC("a/b", "sha256:", "1"),            0, "digest \"sha256:\"" },
        { DESC("a/b", D0 "0", "1"),               0, "digest \"" D0 },
        { DESC("a/b", "sha256:..", "1"),          0, "digest \"sha256:..\"" },
        { DESC("a/b", "../../etc/passwd", "1"),   0, "digest" },
        { DESC("a/b", "md5:0123456789abcdef0123456789abcdef", "1"),
          0, "digest \"md5:0123456789abcdef0123456789abcdef\"" },
        { DESC("a/b", "SHA256:" HEX "0000", "1"), 0, "digest" },
        { "'" D0 "'",                             0, "object" },
        { "5",                                    0, "object" },
        { "[]",                                   0, "object" },
        { "null",                                 0, "object" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (j = 0; j < sizeof(places) / sizeof(places[0]); j++) {

            (void) snprintf(text, sizeof(text), places[j], rows[i].text);

            valid = (parse(&m, text, "", &e) == REG_OK);

            ok(valid == rows[i].valid
               && (valid || (e.rc == REG_MANIFEST_INVALID
                             && strstr(e.detail, rows[i].why) != NULL)),
               "%s descriptor %zu in place %zu: %s",
               rows[i].valid ? "good" : "bad", i, j, e.detail);

            reg_manifest_free(&m);
        }
    }
}


static void
test_urls(void)
{
    char            text[2048];
    size_t          i;
    reg_error_t     e;
    reg_manifest_t  m;

    static const struct {
        const char  *type;
        const char  *urls;
        int          valid;
    } rows[] = {
        { FOREIGN,         "['https://a.example/x']",        1 },
        { FOREIGN "+gzip", "['http://a.example/x']",         1 },
        { FOREIGN "+zstd", "['https://a/','http://b/']",     1 },
        { RAR,             "['https://a.example/x']",        1 },
        { RAR ".gzip",     "['https://a.example/x']",        1 },
        { RAR ".gzip",     "[]",                             1 },
        { TAR,             "[]",                             1 },
        { TAR,             "null",                           1 },
        { FOREIGN,         "null",                           1 },
        { TAR,             "['https://a.example/x']",        0 },
        { TAR "+gzip",     "['http://127.0.0.1:1/x']",       0 },
        { FOREIGN "+x",    "['https://a.example/x']",        0 },
        { RAR ".x",        "['https://a.example/x']",        0 },
        { FOREIGN,         "'https://a.example/x'",          0 },
        { FOREIGN,         "{}",                             0 },
        { FOREIGN,         "[5]",                            0 },
        { FOREIGN,         "['https://a/',null]",            0 },
        { FOREIGN,         "['file:///etc/passwd']",         0 },
        { FOREIGN,         "['javascript:alert(1)']",        0 },
        { FOREIGN,         "['']",                           0 },
        { FOREIGN,         "['https://a/','ftp://b/']",      0 },
        { TAR,             "'x'",                            0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        (void) snprintf(text, sizeof(text),
                        HEAD(IMAGE) CONFIG ",'layers':[{'mediaType':'%s',"
                        "'digest':'" D1 "','size':1,'urls':%s}]}",
                        rows[i].type, rows[i].urls);

        ok(parse(&m, text, IMAGE, &e)
           == (rows[i].valid ? REG_OK : REG_MANIFEST_INVALID),
           "urls %s of %s: %s", rows[i].urls, rows[i].type, e.detail);
        ok(rows[i].valid || strstr(e.detail, "layers[0]") != NULL,
           "  tells where");

        reg_manifest_free(&m);
    }

    /* where no layer stands there is nothing foreign */

    ok(parse(&m, HEAD(IMAGE) "'config':{'mediaType':'" FOREIGN "','digest':'"
             D1 "','size':1,'urls':['https://a/']},'layers':[]}", "", &e)
       == REG_MANIFEST_INVALID, "urls of a config: %s", e.detail);
    ok(parse(&m, HEAD(INDEX) "'manifests':[{'mediaType':'" IMAGE "','digest':'"
             D1 "','size':1,'urls':['https://a/']}]}", "", &e)
       == REG_MANIFEST_INVALID, "urls of a child: %s", e.detail);
    ok(parse(&m, SMALL ",'subject':{'mediaType':'" IMAGE "','digest':'" D1
             "','size':1,'urls':['https://a/']}}", "", &e)
       == REG_MANIFEST_INVALID, "urls of a subject: %s", e.detail);
}


static void
test_subject(void)
{
    size_t          i;
    reg_error_t     e;
    reg_manifest_t  m;

    static const struct {
        const char  *text;
        const char  *subject;
    } rows[] = {
        { SMALL "}",                                          NULL },
        { SMALL ",'subject':" DESC(IMAGE, D2, "3") "}",       D2 },
        { SMALL ",'subject':" DESC("a/b", D512, "3") "}",     D512 },
        { SMALL_INDEX ",'subject':" DESC(INDEX, D1, "3") "}", D1 },
        { "{'schemaVersion':2," CONFIG ",'layers':[],'subject':"
          DESC(IMAGE, D2, "3") ",'artifactType':'a/b'}",      D2 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(parse(&m, rows[i].text, "", &e) == REG_OK
           && m.has_subject == (rows[i].subject != NULL),
           "subject %zu %s", i, e.detail);

        if (m.has_subject) {
            is(reg_digest_str(&m.subject), rows[i].subject, "  its digest");
        }

        reg_manifest_free(&m);
    }
}


/* What a manifest shows of itself as a referrer. */

static void
test_referrer(void)
{
    char             want[1024];
    size_t           i;
    json_t          *root;
    reg_buf_t        b;
    reg_error_t      e;
    reg_digest_t     d;
    reg_manifest_t   m;

    static const struct {
        const char  *text;
        const char  *type;         /* artifactType */
        const char  *descriptor;   /* behind mediaType, digest and size */
    } rows[] = {
        { SMALL "}", "a/config", ",'artifactType':'a/config'}" },
        { SMALL ",'artifactType':'x/y'}", "x/y", ",'artifactType':'x/y'}" },
        { SMALL ",'artifactType':''}", "a/config",
          ",'artifactType':'a/config'}" },
        { SMALL_INDEX "}", "", "}" },
        { SMALL_INDEX ",'artifactType':'x/y'}", "x/y",
          ",'artifactType':'x/y'}" },
        { SMALL_INDEX ",'annotations':{}}", "", "}" },
        { SMALL_INDEX ",'annotations':{'b':'2','a':'1'}}", "",
          ",'annotations':{'b':'2','a':'1'}}" },
        { SMALL ",'annotations':{'a':'\\\"\\\\\\n\\u20ac','':''}}",
          "a/config",
          ",'artifactType':'a/config','annotations':{'a':'\\\"\\\\\\u000a"
          "\xe2\x82\xac','':''}}" },
        { SMALL ",'artifactType':'\\\"},{'}", "\"},{",
          ",'artifactType':'\\\"},{'}" }
    };

    (void) reg_digest_parse(&d, reg_str(D2), NULL);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        ok(parse(&m, rows[i].text, "", &e) == REG_OK, "referrer %zu %s", i,
           e.detail);
        is(m.artifact_type, rows[i].type, "  its type");

        reg_buf_init(&b, 4096);
        ok(reg_manifest_descriptor(&b, &m, &d, 4711) == 0, "  described");

        (void) snprintf(want, sizeof(want),
                        "{'mediaType':'%.*s','digest':'" D2 "','size':4711%s",
                        (int) m.media_type.len, m.media_type.data,
                        rows[i].descriptor);

        is_str(reg_buf_slice(&b), doc(want), "  as");

        root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
        ok(root != NULL, "  which is JSON");
        json_decref(root);

        reg_buf_free(&b);
        reg_manifest_free(&m);
    }

    (void) parse(&m, SMALL "}", "", &e);
    reg_buf_init(&b, 20);
    ok(reg_manifest_descriptor(&b, &m, &d, 1) == -1, "no room for one");
    reg_buf_free(&b);
    reg_manifest_free(&m);
}


/* What is in the store already is read with more patience. */

static void
test_read(void)
{
    size_t           i, len;
    reg_rc_t         rc;
    reg_buf_t        b;
    reg_str_t        s;
    reg_error_t      e;
    reg_digest_t     d;
    reg_manifest_t   m, n;

    char  type[REG_MEDIA_TYPE_MAX + 1], text[6000];

    static const struct {
        const char  *text;
        const char  *type;
    } odd[] = {
        { "", IMAGE },
        { "[]", IMAGE },
        { "{", IMAGE },
        { "{'mediaType", IMAGE },
        { "{'mediaType':", IMAGE },
        { "{'mediaType':'" INDEX, IMAGE },
        { "{'mediaType':'" INDEX "'", INDEX },
        { "{'x':[[[{'mediaType':'" INDEX "'}]]],'y':'\\'}'}", IMAGE },
        { "{'x':[[[{'a':1}]]],'mediaType':'" INDEX "'}", INDEX },
        { " { 'x' : -1.5e3 , 'mediaType' : '" INDEX "' } ", INDEX },
        { "{'media\\u0054ype':'" INDEX "'}", INDEX },
        { "{'mediaType':'" IMAGE "','mediaType':'" DOCKER_LIST "'}",
          DOCKER_LIST },
        { "{'mediaType':'\\u0061pplication\\/vnd.oci.image.index.v1+json'}",
          INDEX },
        { "{'mediaType':'\\ud800'}", IMAGE },
        { "{'mediaType':'" DOCKER_IMAGE "','annotations':{'a':'\\ud800',"
          "'a':'\\u0000\xff','n':1e999}}", DOCKER_IMAGE },
        { "{'schemaVersion':1,'schemaVersion':2}", IMAGE },
        { "{'schemaVersion':1.0}", IMAGE },
        { "{'schemaVersion':2,'manifests':null}", INDEX },
        { "{'config':{},'manifests':null}", IMAGE },
        { "{'manifests':null,'layers':[]}", IMAGE },
        { "{'manifests':null,'layers':null,'config':null}", INDEX },
        { "{'mediaType':null,'manifests':[]}", INDEX },
        { "{'mediaType':null,'config':{},'fsLayers':null}", IMAGE }
    };

    static const struct {
        const char  *text;
        const char  *type;        /* NULL: no manifest at all */
        int          index;
        size_t       nrefs;
        const char  *subject;
        const char  *artifact;
    } rows[] = {
        { SMALL "}",       IMAGE, 0, 1, NULL, "a/config" },
        { SMALL_INDEX "}", INDEX, 1, 0, NULL, "" },
        { HEAD(DOCKER_IMAGE) CONFIG ",'layers':[" LAYER "]}",
          DOCKER_IMAGE, 0, 2, NULL, "a/config" },
        { HEAD(DOCKER_LIST) "'manifests':[" CHILD "]}",
          DOCKER_LIST, 1, 1, NULL, "" },
        { "{'manifests':[" CHILD "]}", INDEX, 1, 1, NULL, "" },
        { "{" CONFIG "}",              IMAGE, 0, 1, NULL, "a/config" },
        { "{'layers':[" LAYER "]}",    IMAGE, 0, 1, NULL, "" },
        { "{}",                        IMAGE, 0, 0, NULL, "" },
        { HEAD("text/html") "'layers':[" LAYER "]}", IMAGE, 0, 1, NULL, "" },
        { HEAD("text/html") "'manifests':[]}", INDEX, 1, 0, NULL, "" },
        { HEAD(IMAGE) "'config':5,'layers':[1," LAYER ",null,{},{'digest':'x'}"
          ",{'digest':'" D2 "'}]}",    IMAGE, 0, 2, NULL, "" },
        { HEAD(IMAGE) "'config':[],'layers':{}}", IMAGE, 0, 0, NULL, "" },
        { HEAD(INDEX) "'manifests':null,'layers':[" LAYER "]}",
          INDEX, 1, 0, NULL, "" },
        { SMALL ",'artifactType':5,'annotations':[]}",
          IMAGE, 0, 1, NULL, "a/config" },
        { SMALL ",'subject':" DESC(IMAGE, D2, "3") "}",
          IMAGE, 0, 1, D2, "a/config" },
        { SMALL ",'subject':{'digest':'" D2 "'}}",
          IMAGE, 0, 1, D2, "a/config" },
        { SMALL ",'subject':null}",    IMAGE, 0, 1, NULL, "a/config" },
        { "{'mediaType':null,'manifests':null," CONFIG "}",
          IMAGE, 0, 1, NULL, "a/config" },
        { "{'fsLayers':null," CONFIG "}", IMAGE, 0, 1, NULL, "a/config" },
        { "{'manifests':null}",        INDEX, 1, 0, NULL, "" },
        { SMALL ",'subject':{'digest':'x'}}", IMAGE, 0, 1, NULL, "a/config" },
        { "{'schemaVersion':1,'fsLayers':[{'blobSum':'" D1 "'}]}",
          "application/vnd.docker.distribution.manifest.v1+json",
          0, 1, NULL, "" },
        { "{'schemaVersion':1,'fsLayers':[{'blobSum':'" D1 "'},{},5,"
          "{'blobSum':'x'},{'blobSum':'" D2 "'}]}",
          "application/vnd.docker.distribution.manifest.v1+json",
          0, 2, NULL, "" },
        { "{'schemaVersion':1,'fsLayers':[],'signatures':[]}",
          "application/vnd.docker.distribution.manifest.v1+prettyjws",
          0, 0, NULL, "" },

        { "",                     NULL, 0, 0, NULL, "" },
        { "[]",                   NULL, 0, 0, NULL, "" },
        { "null",                 NULL, 0, 0, NULL, "" },
        { SMALL,                  NULL, 0, 0, NULL, "" }
    };

    static const struct {
        const char  *text;
        int          unread;
    } whole[] = {
        { SMALL "}",                                            0 },
        { SMALL_INDEX "}",                                      0 },
        { "{'schemaVersion':2," CONFIG ",'layers':[" LAYER "]}", 0 },
        { "{'schemaVersion':2,'manifests':[" CHILD "]}",        0 },
        { SMALL ",'subject':null}",                             0 },
        { SMALL ",'artifactType':'x','x':{'Digest':'" D2 "'}}", 0 },
        { HEAD(IMAGE) CONFIG ",'layers':null}",                 0 },
        { HEAD(INDEX) "'manifests':null}",                      0 },
        { SMALL ",'annotations':{'a':'1','a':'2'}}",            0 },
        { SMALL ",'annotations':{'a':'\\ud800\\u0000'}}",       0 },

        { SMALL_INDEX ",'layers':[],'config':null}",            0 },
        { "{'mediaType':null," CONFIG ",'layers':null}",        0 },
        { "{'mediaType':null,'manifests':null," CONFIG ",'layers':[]}", 0 },
        { SMALL ",'manifests':[]}",                             0 },

        { "{}",                                                 1 },
        { "{'schemaVersion':2}",                                1 },
        { HEAD(IMAGE) "'layers':[]}",                           1 },
        { HEAD(IMAGE) CONFIG "}",                               1 },
        { HEAD(IMAGE) CONFIG ",'layers':{}}",                   1 },
        { HEAD(IMAGE) CONFIG ",'layers':[" LAYER ",null]}",     1 },
        { HEAD(IMAGE) CONFIG ",'layers':[{'digest':'x'}]}",     1 },
        { HEAD(IMAGE) CONFIG ",'layers':[{'Digest':'" D1 "'}]}", 1 },
        { HEAD(IMAGE) CONFIG ",'layers':[{'mediaType':'" TAR "','size':1,"
          "'digest':'" D1 "','DIGEST':'" D2 "'}]}",             1 },
        { HEAD(IMAGE) CONFIG ",'Layers':[" LAYER "]}",          1 },
        { SMALL ",'Layers':[" LAYER "]}",                       1 },
        { SMALL ",'layer\xc5\xbf':[" LAYER "]}",                1 },
        { SMALL ",'layers':[" LAYER "]}",                       1 },
        { SMALL ",'Annotations':5,'ARTIFACTTYPE':5}",           0 },
        { HEAD(IMAGE) "'Config':" DESC("a/config", D0, "2") ",'layers':[]}",
                                                                1 },
        { SMALL ",'manifests':[" CHILD "]}",                    1 },
        { SMALL ",'subject':{'digest':'x'}}",                   1 },
        { SMALL ",'Subject':" DESC(IMAGE, D2, "3") "}",         1 },
        { HEAD(INDEX) "'Manifests':[" CHILD "]}",               1 },
        { SMALL_INDEX ",'MANIFESTS':[" CHILD "]}",              1 },
        { SMALL_INDEX ",'layers':[" LAYER "]}",                 1 },
        { HEAD(INDEX) "'x':[" CHILD "]}",                       1 },
        { HEAD(INDEX) "'manifests':[{}]}",                      1 },
        { HEAD("application/vnd.oci.artifact.manifest.v1+json") "'blobs':["
          LAYER "]}",                                           1 },
        { HEAD("application/vnd.oci.image.manifest.v9+json") CONFIG
          ",'layers':[" LAYER "]}",                             1 },
        { "{'schemaVersion':2,'mediaType':5," CONFIG ",'layers':[]}", 1 },
        { "{'schemaVersion':2,'MediaType':'" INDEX "'," CONFIG
          ",'layers':[]}",                                      1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        s = doc(rows[i].text);
        memset(&m, 0xa5, sizeof(reg_manifest_t));
        reg_error_clear(&e);

        rc = reg_manifest_read(&m, s.data, s.len, &e);

        if (rows[i].type == NULL) {
            ok(rc == REG_MANIFEST_INVALID && e.rc == rc && m.root == NULL,
               "read, row %zu: %s", i, e.detail);
            reg_manifest_free(&m);
            continue;
        }

        ok(rc == REG_OK && e.rc == REG_OK, "read, row %zu %s", i, e.detail);
        is(m.media_type, rows[i].type, "  its type");
        reg_manifest_type_of(s.data, s.len, type);
        is(reg_str_of(type), rows[i].type, "  its type without a tree");
        ok(m.index == (unsigned) rows[i].index, "  an index or not");
        is_num((long long) m.nrefs, (long long) rows[i].nrefs, "  refs");
        ok(m.has_subject == (rows[i].subject != NULL), "  a subject or none");

        if (m.has_subject) {
            is(reg_digest_str(&m.subject), rows[i].subject, "  its digest");
        }

        is(m.artifact_type, rows[i].artifact, "  artifactType");

        reg_manifest_free(&m);
    }

    /* who has to know all layers of a schema 1 is told when they are not */

    s = doc("{'schemaVersion':1,'fsLayers':[{'blobSum':'" D1 "'}]}");
    ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK && !m.unread,
       "all layers are told");
    reg_manifest_free(&m);
    s = doc("{'schemaVersion':1,'fsLayers':[{'blobSum':'x'}]}");
    ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK && m.unread,
       "one is not");
    reg_manifest_free(&m);
    s = doc("{'schemaVersion':1,'fsLayers':[{'blobSum':'" D1 "','BlobSum':'"
            D2 "'}]}");
    ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK && m.unread,
       "one is another one to programs in Go");
    reg_manifest_free(&m);
    s = doc("{'schemaVersion':1}");
    ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK && m.unread,
       "no list of them");
    reg_manifest_free(&m);

    /* and who collects or copies, of any other reference */

    for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        s = doc(whole[i].text);
        ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK
           && m.unread == (unsigned) whole[i].unread,
           "%s is told: %s", whole[i].unread ? "not all" : "all",
           whole[i].text);

        /* what may be pushed is understood, and a little more */

        ok(!m.unread || reg_manifest_parse(&n, s.data, s.len, m.media_type,
                                           NULL) == REG_MANIFEST_INVALID,
           "  and what is not is refused");
        reg_manifest_type_of(s.data, s.len, type);
        is(m.media_type, type, "  its type without a tree");
        reg_manifest_free(&m);
    }

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        s = doc(odd[i].text);
        reg_manifest_type_of(s.data, s.len, type);
        is(reg_str_of(type), odd[i].type, odd[i].text);

        if (reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK) {
            is(m.media_type, type, "  with a tree");
        }

        reg_manifest_free(&m);
    }

    /* the last counts, though it is longer than any type there is */

    len = (size_t) snprintf(text, sizeof(text), "{\"mediaType\":\"" INDEX
                            "\",\"mediaType\":\"\\/%05000d\"}", 0);
    reg_manifest_type_of(text, len, type);
    is(reg_str_of(type), IMAGE, "a type of 5000 bytes");
    ok(reg_manifest_read(&m, text, len, NULL) == REG_OK, "it is read");
    is(m.media_type, type, "  with a tree");
    reg_manifest_free(&m);

    /* annotations of any kind are there; strings are shown */

    s = doc(SMALL ",'annotations':{'a':1,'b':'x','c':null}}");
    ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK
       && json_object_size(m.annotations) == 3, "odd annotations are read");

    (void) reg_digest_parse(&d, reg_str(D2), NULL);
    reg_buf_init(&b, 4096);
    (void) reg_manifest_descriptor(&b, &m, &d, 1);
    ok(reg_str_ends(reg_buf_slice(&b),
                    reg_str(",\"annotations\":{\"b\":\"x\"}}")),
       "those that make sense are shown");
    reg_buf_free(&b);
    reg_manifest_free(&m);

    /* sizes are summed up: none is below zero */

    s = doc(HEAD(IMAGE) CONFIG ",'layers':[" DESC(TAR, D1, "-5") ","
            DESC(TAR, D2, "'x'") "]}");
    ok(reg_manifest_read(&m, s.data, s.len, NULL) == REG_OK && m.nrefs == 3
       && m.refs[1].size == 0 && m.refs[2].size == 0,
       "a size that is none is 0");
    reg_manifest_free(&m);

    ok(reg_manifest_read(&m, "[", 1, NULL) == REG_MANIFEST_INVALID,
       "nobody to tell");
}


/* As many layers as the bound on values lets pass, and one more. */

static void
test_large(void)
{
    char            *text, *p;
    size_t           i, n;
    reg_error_t      e;
    reg_manifest_t   m;

    /* 7 values a layer, and 17 around them */

    n = (REG_JSON_VALUES_MAX - 17) / 7;

    text = (malloc)((n + 2) * sizeof(LAYER) + 1024);
    p = text + sprintf(text, HEAD(IMAGE) CONFIG ",'layers':[" LAYER);

    for (i = 1; i < n; i++) {
        p += sprintf(p, "," LAYER);
    }

    (void) sprintf(p, "]}");

    ok(parse(&m, text, "", &e) == REG_OK && m.nrefs == n + 1,
       "%zu layers %s", n, e.detail);
    reg_manifest_free(&m);

    (void) sprintf(p, "," LAYER "," LAYER "]}");

    ok(parse(&m, text, "", &e) == REG_MANIFEST_INVALID
       && strstr(e.detail, "too many") != NULL, "and two more: %s", e.detail);

    (free)(text);
}


static void
test_alloc(void)
{
    int              all, bad, strict;
    reg_rc_t         rc;
    reg_buf_t        b;
    reg_str_t        s;
    reg_error_t      e;
    reg_digest_t     d;
    unsigned long    n;
    reg_manifest_t   m;

    s = doc(SMALL ",'subject':" DESC(IMAGE, D2, "3")
            ",'annotations':{'a':'1','b':'2'},'x':[1,[2],{'y':null}]}");

    (void) reg_digest_parse(&d, reg_str(D1), NULL);

    for (all = 0; all < 4; all++) {
        strict = all & 2;
        bad = 0;

        for (n = 1; ; n++) {
            reg_error_clear(&e);
            reg_buf_init(&b, 4096);

            reg_test_alloc_fail(n, all & 1);

            rc = strict ? reg_manifest_parse(&m, s.data, s.len, reg_str(""),
                                             &e)
                        : reg_manifest_read(&m, s.data, s.len, &e);

            if (rc == REG_OK
                && reg_manifest_descriptor(&b, &m, &d, 1) != 0)
            {
                rc = REG_NO_MEMORY;
                e.rc = rc;
            }

            if (!reg_test_alloc_restore()) {
                ok(rc == REG_OK && m.nrefs == 1 && m.has_subject, "all of it");
                reg_manifest_free(&m);
                reg_buf_free(&b);
                break;
            }

            if (rc != REG_NO_MEMORY || e.rc != rc) {
                bad++;
            }

            reg_manifest_free(&m);
            reg_buf_free(&b);

            if (reg_test_alloc_jansson != 0) {
                bad++;
            }
        }

        ok(bad == 0, "each of %lu allocations fails %s, and cleanly", n - 1,
           (all & 1) ? "with all behind it" : "alone");
        ok(n > 20, "which are more than 20");
        ok(reg_test_alloc_jansson == 0, "nothing is left");
    }
}
