
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_emit.h"

#include "reg_name.h"
#include "reg_time.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


/* room is made for a manifest with so many tags, less one */
#define EMIT_EVENTS  65


static void emit_event(const reg_cli_emit_t *emit, reg_event_t *ev,
    reg_str_t repository);
static int64_t emit_now(void);


void
reg_cli_emit_who(reg_cli_emit_t *emit)
{
    struct passwd  *pw;

    pw = getpwuid(getuid());

    if (pw != NULL) {
        (void) snprintf(emit->actor, sizeof(emit->actor), "%s", pw->pw_name);
    }

    if (gethostname(emit->host, sizeof(emit->host) - 1) == -1) {
        emit->host[0] = '\0';
    }

    if (reg_uuid_make(emit->id) != 0) {
        emit->id[0] = '\0';
    }
}


reg_rc_t
reg_cli_emit_open(reg_cli_emit_t *emit, reg_store_t *s, reg_error_t *e)
{
    int                 there;
    reg_spool_limits_t  limits;

    there = reg_spool_exists(s, e);

    if (there != 1) {
        return (there == 0) ? REG_OK : REG_STORAGE;
    }

    /* what nginx was told is unknown here: it drops what is too much */

    memset(&limits, 0, sizeof(limits));

    return reg_spool_open(&emit->spool, s, &limits, e);
}


void
reg_cli_emit_close(reg_cli_emit_t *emit)
{
    reg_spool_close(emit->spool);
    emit->spool = NULL;
}


static void
emit_event(const reg_cli_emit_t *emit, reg_event_t *ev, reg_str_t repository)
{
    memset(ev, 0, sizeof(reg_event_t));

    ev->action = REG_EVENT_DELETE;
    ev->repository = repository;
    ev->who.id = reg_str_of(emit->id);
    ev->who.method = reg_str("DELETE");
    ev->who.useragent = reg_str("registryctl");
    ev->who.actor = reg_str_of(emit->actor);
    ev->who.source = reg_str_of(emit->host);
    ev->who.instance = reg_str_of(emit->id);
}


static int64_t
emit_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_REALTIME, &now);

    return reg_time_ns(&now);
}


reg_rc_t
reg_cli_emit_room(const reg_cli_emit_t *emit, reg_str_t repository,
    reg_error_t *e)
{
    char         tag[REG_TAG_MAX];
    reg_event_t  ev;

    if (emit->spool == NULL) {
        return REG_OK;
    }

    emit_event(emit, &ev, repository);

    memset(tag, 'x', sizeof(tag));
    ev.tag.data = tag;
    ev.tag.len = sizeof(tag);

    return reg_spool_reserve(emit->spool, reg_null_str, &ev, EMIT_EVENTS,
                             1, emit_now(), e);
}


reg_rc_t
reg_cli_emit_delete(reg_cli_emit_t *emit, reg_str_t repository, reg_str_t tag,
    reg_str_t digest, reg_error_t *e)
{
    reg_event_t  ev;

    if (emit->spool == NULL) {
        return REG_OK;
    }

    emit_event(emit, &ev, repository);

    ev.tag = tag;
    ev.digest = digest;

    return reg_spool_emit_sure(emit->spool, reg_null_str, &ev, 1, emit_now(),
                               e);
}
