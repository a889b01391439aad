
#include "reg_referrers_private.h"

#include "reg_fs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define REG_MARK_UNTIL  "until "


void
reg_referrers_begin(reg_store_t *s, reg_str_t name,
    reg_referrers_mark_t *mark)
{
    char  was[REG_MARK_MAX], is[REG_MARK_MAX];

    mark->complete = 0;

    /* nobody asked yet: who asks first will scan, and all pushes are free */

    if (reg_referrers_mark_read(s, name, was, &mark->until) != 0
        || reg_referrers_mark_now(s, name, is, NULL, NULL) != REG_OK)
    {
        return;
    }

    mark->complete = (strcmp(was, is) == 0);
}


void
reg_referrers_end(reg_store_t *s, reg_str_t name,
    const reg_referrers_mark_t *mark)
{
    char  text[REG_MARK_MAX];

    if (mark->complete
        && reg_referrers_mark_now(s, name, text, NULL, NULL) == REG_OK)
    {
        reg_referrers_mark_write(s, name, text, mark->until);
    }
}


reg_rc_t
reg_referrers_mark_now(reg_store_t *s, reg_str_t name, char *text,
    int64_t *newest, reg_error_t *e)
{
    int         i, n;
    size_t      len;
    reg_rc_t    rc;
    reg_stat_t  st;
    reg_path_t  path;

    len = 0;
    text[0] = '\0';

    for (i = 0; i < REG_ALG_N; i++) {

        reg_layout_repo(&path, name, "/_manifests/revisions/");
        (void) snprintf(path.s + path.len, sizeof(path.s) - path.len, "%s",
                        reg_alg_name((reg_alg_e) i).data);

        rc = s->driver->stat(s, path.s, &st, e);

        if (rc == REG_OK) {
            n = snprintf(text + len, REG_MARK_MAX - len,
                         "%" PRIu64 " %" PRId64 "\n", st.ino, st.ctime);

        } else if (rc == REG_ABSENT) {
            n = snprintf(text + len, REG_MARK_MAX - len, "-\n");

        } else {
            return rc;
        }

        if (n < 0 || (size_t) n >= REG_MARK_MAX - len) {
            return reg_error_set(e, REG_INTERNAL, NULL);
        }

        len += (size_t) n;

        if (newest != NULL && rc == REG_OK && st.ctime > *newest) {
            *newest = st.ctime;
        }
    }

    return REG_OK;
}


int
reg_referrers_mark_read(reg_store_t *s, reg_str_t name, char *text,
    int64_t *until)
{
    int         rc;
    char       *end;
    size_t      len;
    reg_buf_t   b;
    reg_path_t  path;

    reg_layout_repo(&path, name, "/_referrers/scanned");
    reg_buf_init(&b, REG_MARK_MAX);

    rc = -1;

    if (s->driver->read(s, path.s, REG_MARK_MAX - 1, &b, NULL) == REG_OK
        && b.len > 0)
    {
        memcpy(text, b.data, b.len);
        text[b.len] = '\0';

        rc = 0;
    }

    reg_buf_free(&b);

    *until = 0;
    len = sizeof(REG_MARK_UNTIL) - 1;

    if (rc == 0 && strncmp(text, REG_MARK_UNTIL, len) == 0) {

        *until = strtoll(text + len, &end, 10);

        if (*end != '\n') {
            return -1;
        }

        memmove(text, end + 1, strlen(end + 1) + 1);
    }

    return rc;
}


/*
 * Written over in place where it is there: the file is never synced, and what
 * is torn or old by a power cut or a killed process fits nothing.
 */

void
reg_referrers_mark_write(reg_store_t *s, reg_str_t name, const char *text,
    int64_t until)
{
    int         fd, rc;
    char        mark[REG_MARK_MAX + 32];
    reg_path_t  path;

    if (until != 0) {
        (void) snprintf(mark, sizeof(mark), REG_MARK_UNTIL "%" PRId64 "\n%s",
                        until, text);
        text = mark;
    }

    reg_layout_repo(&path, name, "/_referrers/scanned");

    fd = reg_fs_open(reg_fs_of(s), reg_fs_of(s)->root, path.s, O_WRONLY);

    rc = -1;

    if (fd != -1) {
        rc = reg_fs_pwrite(fd, text, strlen(text), 0);

        if (rc == 0) {
            rc = ftruncate(fd, (off_t) strlen(text));
        }

        (void) close(fd);
    }

    if (rc == -1) {
        (void) s->driver->write(s, path.s, reg_str_of(text), 0, NULL);
    }
}
