
/* Whether a store is sound, by reg_audit(). */


#ifndef REG_TEST_AUDIT_H_INCLUDED
#define REG_TEST_AUDIT_H_INCLUDED


#include "reg_test_store.h"

#include "reg_audit.h"

#include <time.h>


static reg_rc_t
audit_finding(void *data, const reg_audit_finding_t *f)
{
    ++*(unsigned *) data;
    printf("# %s %s %s\n", reg_audit_code(f->code), f->path, f->text);

    return REG_OK;
}


/* The number of findings, which are printed. */

REG_TEST_UNUSED static unsigned
audit_findings(reg_store_t *s)
{
    unsigned            n;
    reg_audit_t         a;
    reg_audit_counts_t  c;

    n = 0;
    memset(&a, 0, sizeof(a));

    a.now = time(NULL);
    a.grace = 3600;
    a.data = &n;
    a.found = audit_finding;

    if (reg_audit(s, &a, &c, NULL) != REG_OK) {
        bail("audit");
    }

    return n;
}


#endif /* REG_TEST_AUDIT_H_INCLUDED */
