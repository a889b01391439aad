
/*
 * Input: a link file, as a disk may hand it out: what does not name exactly
 * one digest is absent, whatever it is.
 */

#include "fuzz.h"
#include "reg_store.h"


static reg_rc_t read_input(reg_store_t *s, const char *path, size_t max,
    reg_buf_t *out, reg_error_t *e);


static const uint8_t  *input;
static size_t          input_size;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_rc_t      rc;
    reg_error_t   e;
    reg_store_t   s;
    reg_digest_t  d, again;
    reg_driver_t  driver;

    memset(&s, 0, sizeof(reg_store_t));
    memset(&driver, 0, sizeof(reg_driver_t));

    driver.read = read_input;
    s.driver = &driver;

    input = data;
    input_size = size;

    reg_error_clear(&e);
    rc = reg_link_read(&s, "link", &d, &e);

    must(rc == REG_OK || rc == REG_ABSENT);

    if (rc == REG_OK) {
        must(d.len == size && memcmp(d.text, data, size) == 0);
        must(reg_digest_parse(&again, reg_digest_str(&d), NULL) == REG_OK);
        must(reg_digest_eq(&again, &d));
    }

    return 0;
}


/* What is longer than a link may be is another thing than a link. */

static reg_rc_t
read_input(reg_store_t *s, const char *path, size_t max, reg_buf_t *out,
    reg_error_t *e)
{
    char  *copy;

    (void) s;
    (void) path;
    (void) e;

    if (input_size > max) {
        return REG_ABSENT;
    }

    copy = fuzz_copy(input, input_size);
    reg_buf_add(out, copy, input_size);
    free(copy);

    return REG_OK;
}
