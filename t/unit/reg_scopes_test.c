
#include "reg_scopes.h"
#include "reg_test.h"

#include <stdlib.h>


static void test_parse(void);
static void test_many(void);
static void test_needed(void);


int
main(void)
{
    test_parse();
    test_many();
    test_needed();

    return done_testing();
}


static void
test_parse(void)
{
    size_t        i;
    reg_buf_t     b;
    reg_scopes_t  list;

    static const struct {
        reg_str_t    text;
        const char  *scopes;
    } rows[] = {
        { reg_null_str,                           "" },
        { reg_str(""),                            "" },
        { reg_str("   "),                         "" },
        { reg_str("repository:a:pull"),           "repository:a:pull" },
        { reg_str("repository:team/app:pull,push"),
          "repository:team/app:pull,push" },
        { reg_str("repository:team/app:push,pull"),
          "repository:team/app:pull,push" },
        { reg_str("repository:a:pull repository:b:push"),
          "repository:a:pull repository:b:push" },
        { reg_str("  repository:a:pull   repository:b:push "),
          "repository:a:pull repository:b:push" },
        { reg_str("repository:a:pull repository:a:push,pull"),
          "repository:a:pull,push" },
        { reg_str("repository:a:*"),
          "repository:a:pull,push,update,delete" },
        { reg_str("repository:a:*,pull"),
          "repository:a:pull,push,update,delete" },
        { reg_str("repository:a:delete"),         "repository:a:delete" },
        { reg_str("repository:a:update"),         "repository:a:update" },
        { reg_str("repository:a:pull,,push,"),    "repository:a:pull,push" },
        { reg_str("repository:a:pull,fly"),       "repository:a:pull" },
        { reg_str("registry:catalog:*"),          "registry:catalog:*" },
        { reg_str("registry:catalog:* repository:a:pull"),
          "registry:catalog:* repository:a:pull" },
        { reg_str("repository(plugin):a:pull"),   "repository:a:pull" },
        { reg_str("repository(plugin):a:pull repository:a:push"),
          "repository:a:pull,push" },
        { reg_str("registry(x):catalog:*"),       "registry:catalog:*" },

        /* what cannot be granted is no error */
        { reg_str("repository"),                  "" },
        { reg_str("repository:a"),                "" },
        { reg_str("repository:"),                 "" },
        { reg_str(":a:pull"),                     "" },
        { reg_str("::"),                          "" },
        { reg_str(":"),                           "" },
        { reg_str("repository::pull"),            "" },
        { reg_str("repository:a:"),               "" },
        { reg_str("repository:a:fly"),            "" },
        { reg_str("repository:a:PULL"),           "" },
        { reg_str("repository:a:list"),           "" },
        { reg_str("repository:A:pull"),           "" },
        { reg_str("repository:a*:pull"),          "" },
        { reg_str("repository:*:pull"),           "" },
        { reg_str("repository:../a:pull"),        "" },
        { reg_str("repository:host.org:5000/a:pull"), "" },
        { reg_str("repository():a:pull"),         "" },
        { reg_str("repository(X):a:pull"),        "" },
        { reg_str("repository(a)b:a:pull"),       "" },
        { reg_str("repository(a:a:pull"),         "" },
        { reg_str("Repository:a:pull"),           "" },
        { reg_str("repository :a:pull"),          "" },
        { reg_str("registry:catalog:pull"),       "" },
        { reg_str("registry:other:*"),            "" },
        { reg_str("registry::*"),                 "" },
        { reg_str("registry:catalog:*,pull"),     "" },
        { reg_str("repository:a\"b:pull"),        "" },
        { reg_str("repository:a\r\nX:pull"),      "" },
        { reg_str("repository:a\0b:pull"),        "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        list.n = 0;
        reg_buf_init(&b, 4096);

        ok(reg_scopes_parse(&list, rows[i].text) == 0, "scopes %zu", i);
        reg_scopes_print(&b, &list);
        is(reg_buf_slice(&b), rows[i].scopes, "and what they come to");

        reg_buf_free(&b);
    }

    /* a parameter that is repeated */

    list.n = 0;
    reg_buf_init(&b, 4096);
    (void) reg_scopes_parse(&list, reg_str("repository:a:pull"));
    (void) reg_scopes_parse(&list, reg_str("repository:b:pull"));
    (void) reg_scopes_parse(&list, reg_str("repository:a:push"));
    reg_scopes_print(&b, &list);
    is(reg_buf_slice(&b), "repository:a:pull,push repository:b:pull",
       "three parameters");

    reg_buf_reset(&b);
    (void) reg_scopes_parse(&list, reg_str("registry:catalog:*"));
    reg_scopes_print_json(&b, &list);
    is(reg_buf_slice(&b), "[{\"type\":\"repository\",\"name\":\"a\","
       "\"actions\":[\"pull\",\"push\"]},{\"type\":\"repository\","
       "\"name\":\"b\",\"actions\":[\"pull\"]},{\"type\":\"registry\","
       "\"name\":\"catalog\",\"actions\":[\"*\"]}]", "as a claim");

    list.n = 0;
    reg_buf_reset(&b);
    reg_scopes_print_json(&b, &list);
    is(reg_buf_slice(&b), "[]", "an empty claim");
    reg_buf_free(&b);
}


static void
test_many(void)
{
    char          *text;
    size_t         i;
    reg_buf_t      b;
    reg_str_t      s;
    reg_scopes_t   list;

    reg_buf_init(&b, 65536);

    for (i = 0; i < REG_SCOPES_MAX; i++) {
        reg_buf_printf(&b, "repository:r%zu:pull ", i);
    }

    list.n = 0;
    ok(reg_scopes_parse(&list, reg_buf_slice(&b)) == 0
       && list.n == REG_SCOPES_MAX, "as many as there may be");
    ok(reg_scopes_parse(&list, reg_str("repository:r0:push")) == 0,
       "one of them again");
    ok(reg_scopes_parse(&list, reg_str("repository:x:push")) == -1,
       "one too many");

    reg_buf_free(&b);

    text = malloc(REG_SCOPES_TEXT_MAX + 1);
    memset(text, ' ', REG_SCOPES_TEXT_MAX + 1);

    s.data = text;
    s.len = REG_SCOPES_TEXT_MAX;
    list.n = 0;
    ok(reg_scopes_parse(&list, s) == 0, "a long parameter");
    s.len++;
    ok(reg_scopes_parse(&list, s) == -1, "too long a parameter");

    free(text);
}


static void
test_needed(void)
{
    size_t        i;
    reg_buf_t     b;
    reg_scopes_t  list;

    static const struct {
        unsigned     may;
        const char  *name;
        const char  *scope;
    } rows[] = {
        { 0,                             "",    "" },
        { 0,                             "a",   "" },
        { REG_MAY_PULL,                  "a/b", "repository:a/b:pull" },
        { REG_MAY_PUSH,                  "a/b", "repository:a/b:pull,push" },
        { REG_MAY_UPDATE,                "a/b",
          "repository:a/b:pull,push,update" },
        { REG_MAY_DELETE,                "a/b", "repository:a/b:delete" },
        { REG_MAY_LIST,                  "",    "registry:catalog:*" },
        { REG_MAY_PULL,                  "",    "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reg_buf_init(&b, 4096);
        reg_scopes_needed(&list, rows[i].may, reg_str_of(rows[i].name));
        reg_scopes_print(&b, &list);
        is(reg_buf_slice(&b), rows[i].scope, "A85: the scope that is missing");
        reg_buf_free(&b);
    }
}
