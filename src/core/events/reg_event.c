
#include "reg_event.h"

#include "reg_json.h"
#include "reg_time.h"

#include <string.h>



typedef struct {
    unsigned   action;
    reg_str_t  name;
} reg_event_name_t;


static void reg_event_member(reg_buf_t *b, const char *key, reg_str_t value);
static void reg_event_optional(reg_buf_t *b, const char *key,
    reg_str_t value);
static void reg_event_text(reg_buf_t *b, reg_str_t value);
static reg_str_t reg_event_cut(reg_str_t value);
static void reg_event_target(reg_buf_t *b, const reg_event_t *ev);
static reg_str_t reg_event_url(const reg_event_t *ev, char *out);
static void reg_event_request(reg_buf_t *b, const reg_event_who_t *who);
static int reg_event_fill(reg_event_t *ev, const json_t *tree);
static void reg_event_source(reg_buf_t *b, reg_str_t host);


static const reg_event_name_t  reg_event_names[] = {
    { REG_EVENT_PULL,   { 4, "pull" } },
    { REG_EVENT_PUSH,   { 4, "push" } },
    { REG_EVENT_MOUNT,  { 5, "mount" } },
    { REG_EVENT_DELETE, { 6, "delete" } }
};

#define REG_EVENT_NAMES  (sizeof(reg_event_names) / sizeof(reg_event_name_t))


reg_str_t
reg_event_action(unsigned action)
{
    size_t  i;

    for (i = 0; i < REG_EVENT_NAMES; i++) {
        if (reg_event_names[i].action == action) {
            return reg_event_names[i].name;
        }
    }

    return reg_str("");
}


unsigned
reg_event_action_find(reg_str_t name)
{
    size_t  i;

    for (i = 0; i < REG_EVENT_NAMES; i++) {
        if (reg_str_eq(reg_event_names[i].name, name)) {
            return reg_event_names[i].action;
        }
    }

    return 0;
}


/* --- to JSON ------------------------------------------------------------- */

/*
 * Members stand in the order of distribution's structs, and those are left out
 * that it leaves out when they are empty ("omitempty").
 */

reg_rc_t
reg_event_print(reg_buf_t *b, reg_event_t *ev, reg_error_t *e)
{
    char  time[REG_EVENT_TIME_LEN + 1];

    if (ev->id[0] == '\0' && reg_uuid_make(ev->id) != 0) {
        ev->id[0] = '\0';
        return reg_error_set(e, REG_INTERNAL, "the system gives no random "
                             "bytes");
    }

    (void) reg_event_time_print(ev->time, time);

    reg_buf_str(b, reg_str("{\"id\":\""));
    reg_buf_str(b, reg_str_of(ev->id));
    reg_buf_str(b, reg_str("\",\"timestamp\":\""));
    reg_buf_str(b, reg_str_of(time));
    reg_buf_str(b, reg_str("\""));

    reg_event_member(b, ",\"action\":", reg_event_action(ev->action));

    reg_event_target(b, ev);
    reg_event_request(b, &ev->who);

    reg_buf_str(b, reg_str(",\"actor\":{"));

    if (ev->who.actor.len != 0) {
        reg_event_member(b, "\"name\":", ev->who.actor);
    }

    reg_buf_str(b, reg_str("},\"source\":{"));

    if (ev->who.source.len != 0) {
        reg_event_member(b, "\"addr\":", ev->who.source);
    }

    if (ev->who.instance.len != 0) {
        reg_event_member(b, (ev->who.source.len != 0) ? ",\"instanceID\":"
                                                      : "\"instanceID\":",
                         ev->who.instance);
    }

    reg_buf_str(b, reg_str("}}"));

    return REG_OK;
}


static void
reg_event_target(reg_buf_t *b, const reg_event_t *ev)
{
    char       url[REG_EVENT_TEXT_MAX], digits[REG_STR_DIGITS];
    reg_str_t  size;

    size = reg_str_digits(ev->size, 1, digits);

    reg_buf_str(b, reg_str(",\"target\":{"));

    /* the three of an OCI descriptor are always there */

    reg_event_member(b, "\"mediaType\":", ev->media_type);
    reg_event_member(b, ",\"digest\":", ev->digest);
    reg_buf_str(b, reg_str(",\"size\":"));
    reg_buf_str(b, size);

    if (ev->size != 0) {
        reg_buf_str(b, reg_str(",\"length\":"));
        reg_buf_str(b, size);
    }

    reg_event_optional(b, ",\"repository\":", ev->repository);
    reg_event_optional(b, ",\"fromRepository\":", ev->from);
    reg_event_optional(b, ",\"url\":", reg_event_url(ev, url));
    reg_event_optional(b, ",\"tag\":", ev->tag);

    reg_buf_str(b, reg_str("}"));
}


/* Where it can be got, as distribution's URL builder says; not what is gone. */

static reg_str_t
reg_event_url(const reg_event_t *ev, char *out)
{
    size_t     i;
    reg_str_t  base, url, parts[6];

    if (ev->url.len != 0) {
        return ev->url;
    }

    base = ev->who.base;

    if (base.len == 0 || ev->digest.len == 0 || ev->repository.len == 0
        || ev->action == REG_EVENT_DELETE
        || base.len > REG_EVENT_TEXT_MAX || ev->digest.len > REG_DIGEST_MAX
        || ev->repository.len > REG_NAME_MAX)
    {
        return reg_null_str;
    }

    parts[0] = base;
    parts[1] = reg_str("/v2/");
    parts[2] = ev->repository;
    parts[3] = ev->manifest ? reg_str("/manifests/") : reg_str("/blobs/");
    parts[4] = ev->digest;
    parts[5] = reg_null_str;

    url.data = out;
    url.len = 0;

    for (i = 0; parts[i].len != 0; i++) {

        if (parts[i].len > REG_EVENT_TEXT_MAX - url.len) {
            return reg_null_str;
        }

        memcpy(out + url.len, parts[i].data, parts[i].len);
        url.len += parts[i].len;
    }

    return url;
}


static void
reg_event_request(reg_buf_t *b, const reg_event_who_t *who)
{
    reg_buf_str(b, reg_str(",\"request\":{"));
    reg_event_member(b, "\"id\":", who->id);
    reg_event_optional(b, ",\"addr\":", who->addr);
    reg_event_optional(b, ",\"host\":", who->host);
    reg_event_member(b, ",\"method\":", who->method);
    reg_event_member(b, ",\"useragent\":", who->useragent);
    reg_buf_str(b, reg_str("}"));
}


static void
reg_event_optional(reg_buf_t *b, const char *key, reg_str_t value)
{
    if (value.len != 0) {
        reg_event_member(b, key, value);
    }
}


static void
reg_event_member(reg_buf_t *b, const char *key, reg_str_t value)
{
    reg_buf_str(b, reg_str_of(key));
    reg_buf_str(b, reg_str("\""));
    reg_event_text(b, reg_event_cut(value));
    reg_buf_str(b, reg_str("\""));
}


/* NUL is JSON, but many who read it cannot take it, we for one. */

static void
reg_event_text(reg_buf_t *b, reg_str_t value)
{
    reg_str_t    run;
    const char  *nul;

    while (value.len != 0) {
        nul = memchr(value.data, '\0', value.len);

        run.data = value.data;
        run.len = (nul == NULL) ? value.len : (size_t) (nul - value.data);

        reg_buf_json(b, run);

        if (nul == NULL) {
            return;
        }

        reg_buf_str(b, reg_str("\xef\xbf\xbd"));

        value.data += run.len + 1;
        value.len -= run.len + 1;
    }
}


/* Not within a character, as far as there are such. */

static reg_str_t
reg_event_cut(reg_str_t value)
{
    size_t  len, back;

    if (value.len <= REG_EVENT_TEXT_MAX) {
        return value;
    }

    len = REG_EVENT_TEXT_MAX;

    /* of a character up to three bytes stand behind its first */

    for (back = 0; back <= 3; back++) {
        if (((unsigned char) value.data[len - back] & 0xc0) != 0x80) {
            len -= back;
            break;
        }
    }

    value.len = len;

    return value;
}


size_t
reg_event_time_print(int64_t time, char *out)
{
    char       text[REG_TIME_LEN + 1], digits[REG_STR_DIGITS];
    size_t     n;
    int64_t    seconds, ns;
    reg_str_t  fraction;

    seconds = time / REG_TIME_SECOND;
    ns = time % REG_TIME_SECOND;

    if (time < 0 || reg_time_print(seconds, text) != 0) {
        ns = 0;
        (void) reg_time_print(0, text);
    }

    fraction = reg_str_digits((uint64_t) ns, 9, digits);

    n = REG_TIME_LEN - 1;
    memcpy(out, text, n);
    out[n++] = '.';
    memcpy(out + n, fraction.data, fraction.len);
    n += fraction.len;

    /* as Go does: no zeros behind, and no point behind nothing */

    while (out[n - 1] == '0') {
        n--;
    }

    if (out[n - 1] == '.') {
        n--;
    }

    out[n++] = 'Z';
    out[n] = '\0';

    return n;
}


/* --- from JSON ----------------------------------------------------------- */

int
reg_event_time_parse(reg_str_t s, int64_t *time)
{
    char       text[REG_TIME_LEN + 1];
    size_t     i, digits;
    int64_t    seconds, ns;
    reg_str_t  whole;

    if (s.len < REG_TIME_LEN || s.len > REG_EVENT_TIME_LEN
        || s.data[s.len - 1] != 'Z')
    {
        return -1;
    }

    memcpy(text, s.data, REG_TIME_LEN - 1);
    text[REG_TIME_LEN - 1] = 'Z';
    text[REG_TIME_LEN] = '\0';

    whole = reg_str_of(text);
    ns = 0;

    if (whole.len != REG_TIME_LEN || reg_time_parse(whole, &seconds) != 0) {
        return -1;
    }

    if (s.len > REG_TIME_LEN) {

        if (s.data[REG_TIME_LEN - 1] != '.') {
            return -1;
        }

        digits = s.len - REG_TIME_LEN - 1;

        if (digits == 0) {
            return -1;
        }

        for (i = 0; i < 9; i++) {
            ns *= 10;

            if (i >= digits) {
                continue;
            }

            if (s.data[REG_TIME_LEN + i] < '0'
                || s.data[REG_TIME_LEN + i] > '9')
            {
                return -1;
            }

            ns += s.data[REG_TIME_LEN + i] - '0';
        }
    }

    /* in the year 2262 an int64_t comes to its end */

    if (seconds > INT64_MAX / REG_TIME_SECOND - 1) {
        return -1;
    }

    *time = seconds * REG_TIME_SECOND + ns;

    return 0;
}


reg_rc_t
reg_event_load(reg_event_t *ev, json_t **tree, reg_str_t text, reg_error_t *e)
{
    reg_error_t  why;

    memset(ev, 0, sizeof(reg_event_t));
    reg_error_clear(&why);

    *tree = reg_json_load(text.data, text.len, &why);

    if (*tree == NULL) {
        if (e != NULL && e->rc == REG_OK) {
            *e = why;
        }

        return why.rc;
    }

    if (reg_event_fill(ev, *tree) == 0) {
        return REG_OK;
    }

    json_decref(*tree);
    *tree = NULL;

    return reg_error_set(e, REG_MANIFEST_INVALID, "not an event");
}


static int
reg_event_fill(reg_event_t *ev, const json_t *tree)
{
    json_int_t     size;
    reg_str_t      id;
    const json_t  *target, *request, *actor, *source;

    target = json_object_get(tree, "target");
    request = json_object_get(tree, "request");
    actor = json_object_get(tree, "actor");
    source = json_object_get(tree, "source");

    id = reg_json_str(tree, "id");
    size = json_integer_value(json_object_get(target, "size"));

    ev->action = reg_event_action_find(reg_json_str(tree, "action"));

    if (ev->action == 0 || id.len == 0 || id.len > REG_UUID_LEN || size < 0
        || !json_is_object(target)
        || reg_event_time_parse(reg_json_str(tree, "timestamp"), &ev->time)
           != 0)
    {
        return -1;
    }

    memcpy(ev->id, id.data, id.len);

    ev->size = (uint64_t) size;
    ev->repository = reg_json_str(target, "repository");
    ev->media_type = reg_json_str(target, "mediaType");
    ev->digest = reg_json_str(target, "digest");
    ev->tag = reg_json_str(target, "tag");
    ev->from = reg_json_str(target, "fromRepository");
    ev->url = reg_json_str(target, "url");

    ev->manifest = (ev->media_type.len != 0
                    && !reg_str_eq(ev->media_type, reg_str(REG_EVENT_BLOB)));

    ev->who.id = reg_json_str(request, "id");
    ev->who.addr = reg_json_str(request, "addr");
    ev->who.host = reg_json_str(request, "host");
    ev->who.method = reg_json_str(request, "method");
    ev->who.useragent = reg_json_str(request, "useragent");
    ev->who.actor = reg_json_str(actor, "name");
    ev->who.source = reg_json_str(source, "addr");
    ev->who.instance = reg_json_str(source, "instanceID");

    return 0;
}


/* --- CloudEvents --------------------------------------------------------- */

void
reg_event_cloud(reg_buf_t *b, const reg_event_t *ev, reg_str_t json)
{
    char  time[REG_EVENT_TIME_LEN + 1];

    (void) reg_event_time_print(ev->time, time);

    reg_buf_str(b, reg_str("{\"specversion\":\"1.0\""));
    reg_event_member(b, ",\"id\":", reg_str_of(ev->id));

    reg_buf_str(b, reg_str(",\"source\":\"//"));
    reg_event_source(b, (ev->who.host.len != 0) ? ev->who.host
                                                : ev->who.source);

    reg_buf_str(b, reg_str("\",\"type\":\"io.github.distribution."));
    reg_buf_str(b, reg_event_action(ev->action));

    reg_buf_str(b, reg_str("\",\"subject\":\""));
    reg_event_text(b, reg_event_cut(ev->repository));

    if (ev->tag.len != 0) {
        reg_buf_str(b, reg_str(":"));
        reg_event_text(b, reg_event_cut(ev->tag));

    } else if (ev->digest.len != 0) {
        reg_buf_str(b, reg_str("@"));
        reg_event_text(b, reg_event_cut(ev->digest));
    }

    reg_buf_printf(b, "\",\"time\":\"%s\"", time);
    reg_buf_str(b, reg_str(",\"datacontenttype\":\"application/json\","
                           "\"data\":"));
    reg_buf_str(b, json);
    reg_buf_str(b, reg_str("}"));
}


/* The authority of a URI (RFC 3986, 3.2), whatever the client called us. */

static void
reg_event_source(reg_buf_t *b, reg_str_t host)
{
    size_t     i;
    reg_str_t  c;

    if (host.len == 0) {
        reg_buf_str(b, reg_str("registry"));
        return;
    }

    host = reg_event_cut(host);

    for (i = 0; i < host.len; i++) {
        c.data = host.data + i;
        c.len = 1;

        if (*c.data == ':' || *c.data == '[' || *c.data == ']') {
            reg_buf_str(b, c);

        } else {
            reg_buf_uri(b, c);
        }
    }
}
