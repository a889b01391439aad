
#include "reg_notify.h"

#include "reg_hmac.h"

#include <string.h>
#include <strings.h>


#define REG_NOTIFY_URL_MAX   2048

/* ms; a day */
#define REG_NOTIFY_WAIT_MAX  86400000


static int reg_notify_token(reg_str_t s);
static int reg_notify_reserved(reg_str_t name);
static reg_str_t reg_notify_authority(reg_str_t url, size_t *scheme);
static int reg_notify_port(reg_str_t host);


/* --- parameters ---------------------------------------------------------- */

int
reg_notify_header(reg_str_t line, reg_str_t *name, reg_str_t *value,
    reg_why_t *why)
{
    size_t       i;
    const char  *colon;

    colon = (line.len == 0) ? NULL : memchr(line.data, ':', line.len);

    if (colon == NULL) {
        return reg_why_set(why, "a header has no colon behind its name");
    }

    name->data = line.data;
    name->len = (size_t) (colon - line.data);

    value->data = colon + 1;
    value->len = line.len - name->len - 1;

    if (!reg_notify_token(*name)) {
        return reg_why_set(why, "a header has a name that is no token");
    }

    if (reg_notify_reserved(*name)) {
        return reg_why_set(why, "\"%.*s\" cannot be set: it is the transfer's "
                           "or the registry's own", reg_why_str(*name));
    }

    while (value->len != 0
           && (value->data[0] == ' ' || value->data[0] == '\t'))
    {
        value->data++;
        value->len--;
    }

    while (value->len != 0 && (value->data[value->len - 1] == ' '
                               || value->data[value->len - 1] == '\t'))
    {
        value->len--;
    }

    for (i = 0; i < value->len; i++) {
        if (((unsigned char) value->data[i] < ' ' && value->data[i] != '\t')
            || value->data[i] == '\x7f')
        {
            return reg_why_set(why, "the value of the header \"%.*s\" holds a "
                               "control byte", reg_why_str(*name));
        }
    }

    if (value->len == 0) {
        return reg_why_set(why, "the header \"%.*s\" has no value",
                           reg_why_str(*name));
    }

    return 0;
}


static int
reg_notify_token(reg_str_t s)
{
    char    c;
    size_t  i;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9'))
            && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
        {
            return 0;
        }
    }

    return s.len != 0;
}


static int
reg_notify_reserved(reg_str_t name)
{
    size_t  i;

    static const reg_str_t  names[] = {
        { 12, "Content-Type" },
        { 14, "Content-Length" },
        { 17, "Transfer-Encoding" },
        { 10, "Connection" },
        { 6,  "Expect" },
        { 2,  "TE" },
        { 7,  "Trailer" },
        { 7,  "Upgrade" }
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (name.len == names[i].len
            && strncasecmp(name.data, names[i].data, name.len) == 0)
        {
            return 1;
        }
    }

    return name.len > 10 && strncasecmp(name.data, "X-Registry-", 11) == 0;
}


int
reg_notify_url(reg_str_t url, reg_why_t *why)
{
    size_t     i, scheme;
    reg_str_t  host;

    if (url.len > REG_NOTIFY_URL_MAX) {
        return reg_why_set(why, "the URL is longer than %d bytes",
                           REG_NOTIFY_URL_MAX);
    }

    host = reg_notify_authority(url, &scheme);

    if (scheme == 0) {
        return reg_why_set(why, "the URL does not begin with \"http://\" or "
                           "\"https://\"");
    }

    for (i = 0; i < url.len; i++) {
        if (url.data[i] <= ' ' || url.data[i] > '~' || url.data[i] == '#') {
            return reg_why_set(why, "the URL holds a blank, a \"#\" or "
                               "another byte that has to be written as %%XX");
        }
    }

    if (host.len == 0 || host.data[0] == ':') {
        return reg_why_set(why, "the URL has no host");
    }

    /* a password with a slash in it, too: its beginning would be shown */

    if (!reg_notify_port(host)) {
        return reg_why_set(why, "the URL has a port that is none, or a user or "
                           "password with bytes that have to be written as "
                           "%%XX");
    }

    return 0;
}


/* Host and port; *scheme is the length of "https://", or 0 without any. */

static reg_str_t
reg_notify_authority(reg_str_t url, size_t *scheme)
{
    size_t     i;
    reg_str_t  host;

    *scheme = 0;

    if (url.len >= 7 && strncasecmp(url.data, "http://", 7) == 0) {
        *scheme = 7;

    } else if (url.len >= 8 && strncasecmp(url.data, "https://", 8) == 0) {
        *scheme = 8;

    } else {
        return reg_null_str;
    }

    host.data = url.data + *scheme;
    host.len = url.len - *scheme;

    for (i = 0; i < host.len; i++) {
        if (strchr("/?#", host.data[i]) != NULL) {
            host.len = i;
            break;
        }
    }

    for (i = host.len; i > 0; i--) {
        if (host.data[i - 1] == '@') {
            host.data += i;
            host.len -= i;
            break;
        }
    }

    return host;
}


/* 1 when there is none, or an empty one, or a number. */

static int
reg_notify_port(reg_str_t host)
{
    size_t     i;
    uint64_t   n;
    reg_str_t  port;

    for (i = host.len; i > 0 && host.data[i - 1] != ']'; i--) {

        if (host.data[i - 1] == ':') {
            port.data = host.data + i;
            port.len = host.len - i;

            return port.len == 0
                   || (reg_str_number(port, 65535, &n) == 0 && n != 0);
        }
    }

    return 1;
}


void
reg_notify_url_shown(reg_buf_t *b, reg_str_t url)
{
    size_t     scheme;
    reg_str_t  host;

    host = reg_notify_authority(url, &scheme);

    reg_buf_add(b, url.data, scheme);
    reg_buf_str(b, host);

    if (scheme != 0 && host.data + host.len < url.data + url.len) {
        reg_buf_str(b, reg_str("/..."));
    }
}


int
reg_notify_secret(reg_str_t text, reg_str_t *secret, reg_why_t *why)
{
    const char  *end;

    end = (text.len == 0) ? NULL : memchr(text.data, '\n', text.len);

    *secret = text;

    if (end != NULL) {
        secret->len = (size_t) (end - text.data);
    }

    if (secret->len != 0 && secret->data[secret->len - 1] == '\r') {
        secret->len--;
    }

    if (secret->len == 0) {
        return reg_why_set(why, "its first line, the secret, is empty");
    }

    return 0;
}


/* --- one POST ------------------------------------------------------------ */

void
reg_notify_batch_begin(reg_notify_batch_t *b, reg_notify_format_e format,
    size_t max)
{
    b->format = format;
    b->max = max;
    b->n = 0;
    b->first = 0;
    b->last = 0;

    if (b->body.max == 0) {
        reg_buf_init(&b->body, REG_NOTIFY_BATCH_SIZE + 2 * REG_EVENT_MAX);
    }

    reg_buf_reset(&b->body);
    reg_buf_str(&b->body, (format == REG_NOTIFY_CLOUDEVENTS)
                          ? reg_str("[") : reg_str("{\"events\":["));
}


int
reg_notify_batch_add(reg_notify_batch_t *b, uint64_t seq, reg_str_t json,
    const reg_event_t *ev)
{
    size_t  len;

    if (b->n == b->max) {
        return 0;
    }

    len = b->body.len;

    if (b->n != 0) {
        reg_buf_str(&b->body, reg_str(",\n"));
    }

    if (b->format == REG_NOTIFY_CLOUDEVENTS) {
        reg_event_cloud(&b->body, ev, json);

    } else {
        reg_buf_str(&b->body, json);
    }

    if (reg_buf_failed(&b->body)) {
        return -1;
    }

    if (b->n != 0 && b->body.len > REG_NOTIFY_BATCH_SIZE) {
        b->body.len = len;
        return 0;
    }

    if (b->n++ == 0) {
        b->first = seq;
    }

    b->last = seq;

    return 1;
}


int
reg_notify_batch_end(reg_notify_batch_t *b, uint64_t next)
{
    switch (b->format) {

    case REG_NOTIFY_CLOUDEVENTS:
        reg_buf_str(&b->body, reg_str("]"));
        break;

    case REG_NOTIFY_FEED:
        reg_buf_printf(&b->body, "],\"next\":\"%llu\"}",
                       (unsigned long long) next);
        break;

    default:
        reg_buf_str(&b->body, reg_str("]}"));
    }

    return reg_buf_failed(&b->body) ? -1 : 0;
}


const char *
reg_notify_type(reg_notify_format_e format)
{
    switch (format) {

    case REG_NOTIFY_CLOUDEVENTS:
        return REG_EVENT_CLOUD_TYPE;

    case REG_NOTIFY_FEED:
        return "application/json";

    default:
        return REG_EVENT_TYPE;
    }
}


void
reg_notify_sign(reg_str_t secret, reg_str_t body, char *out)
{
    size_t         i;
    unsigned char  sum[REG_SHA256_LEN];

    static const char  hex[] = "0123456789abcdef";

    reg_hmac_sha256_key(secret, &body, 1, sum);

    memcpy(out, "sha256=", 7);
    out += 7;

    for (i = 0; i < sizeof(sum); i++) {
        *out++ = hex[sum[i] >> 4];
        *out++ = hex[sum[i] & 0xf];
    }

    *out = '\0';
}


/* --- trying again -------------------------------------------------------- */

uint64_t
reg_notify_wait(const reg_notify_retry_t *r, uint64_t failures,
    uint32_t random)
{
    uint64_t  i, max, wait, half;

    max = (r->max < REG_NOTIFY_WAIT_MAX) ? r->max : REG_NOTIFY_WAIT_MAX;
    wait = REG_NOTIFY_RETRY_SOON;

    if (failures >= r->threshold) {
        wait = r->backoff;

        for (i = r->threshold; i < failures && wait < max; i++) {
            wait *= 2;
        }

        if (wait > max) {
            wait = max;
        }

        if (wait < REG_NOTIFY_RETRY_SOON) {
            wait = REG_NOTIFY_RETRY_SOON;
        }
    }

    half = wait / 2;

    return half + (((wait - half) * ((uint64_t) random + 1)) >> 32);
}
