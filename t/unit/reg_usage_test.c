
#include "reg_test_store.h"

#include "reg_usage.h"


static reg_usage_t        seen[8];
static char               names[8][64];
static unsigned           nseen;
static reg_usage_total_t  total;


static reg_rc_t
keep(void *ctx, const reg_usage_t *u)
{
    (void) ctx;

    seen[nseen] = *u;
    (void) snprintf(names[nseen], sizeof(names[0]), "%.*s", (int) u->name.len,
                    u->name.data);
    nseen++;

    return REG_OK;
}


static reg_rc_t
stop(void *ctx, const reg_usage_t *u)
{
    (void) ctx;
    (void) u;

    return REG_ABSENT;
}


static reg_rc_t
all(reg_store_t *s)
{
    nseen = 0;

    return reg_usage_all(s, keep, NULL, NULL, &total, NULL);
}


int
main(void)
{
    reg_sums_t    sums;
    reg_usage_t   u;
    reg_store_t  *s;
    reg_digest_t  d, app;

    root_make();
    s = store_open();
    memset(&sums, 0, sizeof(sums));

    is_num(all(s), REG_OK, "an empty store");
    is_num((long long) total.repositories, 0, "has nothing");

    /* config "{}" and layer "layer", 7 bytes, are in both */

    (void) push_image(s, "app", "v1", "", &app);
    (void) push_image(s, "app", "v2", "", NULL);
    (void) push_image(s, "base", NULL, ",\"annotations\":{\"a\":\"b\"}", &d);
    (void) push_blob(s, "base", REG_SHA512, reg_str("0123456789"), NULL);

    is_num(reg_usage_one(s, reg_str("app"), &sums, &u, NULL), REG_OK, "one");
    is_num((long long) u.tags, 2, "its tags");
    is_num((long long) u.manifests, 1, "its manifests");
    is_num((long long) u.blobs, 3, "its blobs");
    is_num(reg_usage_one(s, reg_str("app"), &sums, &u, NULL), REG_OK,
           "once more");
    is_num((long long) u.blobs, 3, "as many");
    is_num(reg_usage_one(s, reg_str("none"), &sums, &u, NULL), REG_OK,
           "one that is not there");
    is_num((long long) u.blobs, 0, "has none");

    is_num(all(s), REG_OK, "all");
    is_num(nseen, 2, "repositories");
    ok(strcmp(names[0], "app") == 0 && strcmp(names[1], "base") == 0,
       "by name");
    is_num((long long) (seen[0].logical - seen[0].exclusive), 7, "shared");
    is_num((long long) (seen[1].logical - seen[1].exclusive), 7, "by both");
    is_num((long long) total.stored,
           (long long) (seen[0].exclusive + seen[1].exclusive + 7),
           "each byte is stored once");
    is_num((long long) total.unlinked, 0, "all is linked");

    /* a third one takes of the first two what they shared already, no more */

    (void) push_image(s, "third", NULL, ",\"annotations\":{\"c\":\"d\"}", NULL);
    u = seen[0];
    is_num(all(s), REG_OK, "a third");
    is_num((long long) seen[0].exclusive, (long long) u.exclusive,
           "what two shared is shared by three");
    is_num((long long) (seen[1].logical - seen[1].exclusive), 7,
           "of the second");
    is_num((long long) (seen[2].logical - seen[2].exclusive), 7,
           "and the third");
    (void) reg_repo_delete(s, reg_str("third"), NULL);
    (void) all(s);
    is_num((long long) total.unlinked, 1, "its manifest nobody has now");

    /* what is linked under both paths counts once */

    (void) reg_blob_link(s, reg_str("app"), &app, NULL);
    u = seen[0];
    is_num(all(s), REG_OK, "a manifest that is a layer, too");
    is_num((long long) seen[0].logical, (long long) u.logical,
           "counts as one");

    (void) reg_repo_delete(s, reg_str("base"), NULL);
    is_num(all(s), REG_OK, "a repository is gone");
    is_num((long long) seen[0].logical, (long long) seen[0].exclusive,
           "the other holds all alone");
    is_num((long long) total.unlinked, 3, "and two blobs nobody");

    is_num(reg_usage_all(s, stop, NULL, NULL, &total, NULL), REG_ABSENT,
           "what ends it comes back");

    reg_sums_free(&sums);
    reg_store_close(s);

    return done_testing();
}
