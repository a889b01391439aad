
/* Deletes of manifests between others: F42. */

#include "reg_test_store.h"


static void test_tag_moves_on(void);


static reg_store_t  *s;


int
main(void)
{
    root_make();
    s = store_open();

    test_tag_moves_on();

    reg_store_close(s);

    return done_testing();
}


static reg_digest_t          mo_digests[3];
static int                   mo_moves;
static const reg_driver_t   *mo_driver;


/*
 * Just before a revision is looked for, its tag moves on to the next manifest
 * and it is deleted.
 */

static reg_rc_t
mo_read(reg_store_t *st, const char *path, size_t max, reg_buf_t *out,
    reg_error_t *e)
{
    int                  i;
    char                 more[64];
    reg_digest_t         config, layer;
    const reg_driver_t  *hooked;

    hooked = st->driver;

    for (i = 0; i < 2; i++) {
        if (mo_moves <= i || strstr(path, "/revisions/") == NULL
            || strstr(path, reg_digest_hex(&mo_digests[i])) == NULL)
        {
            continue;
        }

        st->driver = mo_driver;

        (void) snprintf(more, sizeof(more),
                        ",\"annotations\":{\"m\":\"%d\"}", i + 1);
        config = digest_of(REG_SHA256, reg_str("{}"));
        layer = digest_of(REG_SHA256, reg_str("layer"));

        (void) put_manifest(st, "mo", "v1", image_text(&config, &layer, more),
                            NULL, NULL);
        (void) reg_manifest_delete(st, reg_str("mo"), &mo_digests[i], NULL);

        st->driver = hooked;
        break;
    }

    return mo_driver->read(st, path, max, out, e);
}


/* The tag is there all the time, whatever becomes of the manifests. */

static void
test_tag_moves_on(void)
{
    int           i;
    char          more[64];
    reg_rc_t      rc;
    reg_error_t   e;
    reg_digest_t  d, target;
    reg_driver_t  driver;

    mo_driver = s->driver;
    driver = *mo_driver;
    driver.read = mo_read;

    for (mo_moves = 0; mo_moves < 3; mo_moves++) {

        for (i = 2; i >= 0; i--) {
            (void) snprintf(more, sizeof(more),
                            ",\"annotations\":{\"m\":\"%d\"}", i);
            (void) push_image(s, "mo", "v1", more, &mo_digests[i]);
        }

        reg_error_clear(&e);

        s->driver = &driver;
        rc = reg_tag_find(s, reg_str("mo"), reg_str("v1"), &d, &target, &e);
        s->driver = mo_driver;

        ok(rc == REG_OK, "F42 a tag that moves on %d times while its "
           "manifests are deleted", mo_moves);
        is_num(e.rc, REG_OK, "F42 and no error is left");
        ok(reg_digest_eq(&d, &mo_digests[mo_moves]),
           "F42 it is read where it is in the end");
    }

    (void) unlink(at(REPOS "mo/_manifests/revisions/sha256/%s/link",
                     reg_digest_hex(&d)));

    is_num(reg_tag_find(s, reg_str("mo"), reg_str("v1"), &d, &target, NULL),
           REG_MANIFEST_UNKNOWN, "a tag on a manifest that is missing");
}
