
#include "reg_test_store.h"

#include "reg_count.h"


static reg_rc_t count(void);


static reg_store_t  *s;
static reg_count_t   c;


int
main(void)
{
    uint64_t      bytes;
    reg_count_t   other;
    reg_digest_t  d;

    root_make();
    s = store_open();

    is_num(count(), REG_OK, "nothing at all");
    ok(c.blobs == 0 && c.bytes == 0 && c.repositories == 0, "is nothing");

    (void) push_image(s, "app", "v1", "", NULL);
    (void) push_image(s, "app", "v2", "", NULL);
    (void) push_image(s, "deep/er/app", NULL, "", NULL);

    is_num(count(), REG_OK, "two repositories");
    is_num((long long) c.repositories, 2, "are counted");
    is_num((long long) c.blobs, 3, "what both have counts once");
    bytes = c.bytes;
    ok(bytes > 7, "its bytes");

    (void) push_blob(s, "app", REG_SHA512, reg_str("0123456789"), NULL);

    is_num(count(), REG_OK, "another algorithm");
    is_num((long long) c.blobs, 4, "counts");
    is_num((long long) (c.bytes - bytes), 10, "with its bytes");

    /* nobody links it, and the disk has it */

    reg_digest_of(&d, REG_SHA256, "lone", 4);
    spit_bytes(at(V2 "blobs/sha256/%.2s/%s/data", reg_digest_hex(&d),
                  reg_digest_hex(&d)), "lone", 4);

    is_num(count(), REG_OK, "a blob that nobody links");
    is_num((long long) c.blobs, 5, "is one");

    /* a directory without its file is being made, or freed */

    make_dirs(at(V2 "blobs/sha256/00/%064d", 0));
    spit_bytes(at(V2 "blobs/README"), "x", 1);

    is_num(count(), REG_OK, "what is no blob");
    is_num((long long) c.blobs, 5, "is passed over");

    is_num(reg_count_begin(&c, s, NULL), REG_OK, "one begins");
    is_num(reg_count_begin(&other, s, NULL), REG_ABSENT, "another waits");
    reg_count_end(&other);
    reg_count_end(&c);

    if (symlink("/", at(V2 "blobs/sha256/link")) == -1) {
        bail("symlink");
    }

    ok(count() != REG_OK, "a symbolic link ends it");

    reg_store_close(s);

    return done_testing();
}


static reg_rc_t
count(void)
{
    reg_rc_t  rc;

    rc = reg_count_begin(&c, s, NULL);

    while (rc == REG_OK && !c.done) {
        rc = reg_count_step(&c, NULL);
    }

    reg_count_end(&c);

    return rc;
}
