
#include "reg_test_spool.h"


static void test_empty(void);
static void test_append(void);
static void test_emit(void);
static void test_refused(void);
static void test_for(void);
static void test_reader(void);
static void test_rest(void);
static void test_torn(void);
static void test_damage(void);
static void test_window(void);
static void test_forged(void);
static void test_rotate(void);
static void test_kept(void);
static void test_limits(void);
static void test_keep(void);
static void test_removed(void);
static void test_above(void);
static void test_other(void);
static void test_stat(void);


int
main(void)
{
    root_make();
    s = store_open();

    test_empty();
    test_append();
    test_emit();
    test_refused();
    test_for();
    test_reader();
    test_rest();
    test_torn();
    test_damage();
    test_window();
    test_forged();
    test_rotate();
    test_kept();
    test_limits();
    test_keep();
    test_removed();
    test_above();
    test_other();
    test_stat();

    reg_store_close(s);

    return done_testing();
}


/* A fresh store. */

static void
again(void)
{
    reg_store_close(s);
    root_make();
    s = store_open();
}


static void
test_empty(void)
{
    uint64_t             at;
    reg_spool_t         *sp;
    reg_spool_stat_t     st;
    reg_spool_reader_t  *r;
    reg_spool_record_t   rec;

    is_num(reg_spool_exists(s, NULL), 0, "there is no spool");
    events_are(0, "", "nothing is read");

    sp = spool_open(0, 0);
    is_num(reg_spool_stat(sp, &st, NULL), REG_OK, "nothing is looked at");
    ok(st.first == 0 && st.last == 0 && st.bytes == 0 && st.segments == 0,
       "and is nothing");
    is_num(reg_spool_trim(sp, NOW, NULL), REG_OK, "nothing is trimmed");
    is_num(reg_spool_exists(s, NULL), 0, "looking makes none");

    r = reader(0);
    at = 1;
    is_num(reg_spool_seek(r, REG_SPOOL_END, &at, NULL), REG_OK,
           "the end of nothing");
    is_num((long long) at, 0, "is its beginning");

    (void) put(sp, "", "one", NULL);
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "what comes then");
    is(rec.event, "one", "is read");
    is_num((long long) rec.lost, 0, "and nothing was lost before it");

    reg_spool_reader_close(r);
    reg_spool_reader_close(NULL);
    reg_spool_close(sp);
    reg_spool_close(NULL);
}


static void
test_append(void)
{
    uint64_t          seq;
    reg_spool_t      *sp;
    reg_spool_item_t  items[3];

    again();
    sp = spool_open(0, 0);

    is_num(put(sp, "", "one", &seq), REG_OK, "the first");
    ok(seq == FIRST, "is numbered for the time");
    is_num(reg_spool_exists(s, NULL), 1, "there is a spool");
    is_num(segment(FIRST), REG_SPOOL_FRAME + 3, "and one segment");

    (void) put(sp, "ci,audit", "two", &seq);
    ok(seq == FIRST + 1, "the next number");

    items[0].to = items[1].to = items[2].to = reg_null_str;
    items[0].event = reg_str("three");
    items[1].event = reg_str("four");
    items[2].event = reg_str("five");

    is_num(reg_spool_append(sp, items, 3, 0, 0, &seq, NULL), REG_OK,
           "three more, unsynced");
    ok(seq == FIRST + 4, "with three numbers");

    reg_spool_close(sp);
    sp = spool_open(0, 0);

    (void) put(sp, "", "six", &seq);
    ok(seq == FIRST + 5, "another handle goes on");

    events_are(0, "one,two,three,four,five,six,", "all of them");
    events_are(FIRST + 1, "three,four,five,six,", "those behind one");
    events_are(FIRST + 5, "", "none behind the last");
    events_are(FIRST + 1000, "", "none behind what is to come");

    reg_spool_close(sp);
}


static void
test_emit(void)
{
    size_t                n;
    json_t               *tree;
    uint64_t              seq;
    reg_event_t           ev[2], back;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again();
    sp = spool_open(0, 0);

    memset(ev, 0, sizeof(ev));

    for (n = 0; n < 2; n++) {
        ev[n].action = REG_EVENT_PUSH;
        ev[n].repository = reg_str("a/b");
        ev[n].tag = n ? reg_str("v2") : reg_str("v1");
    }

    ev[1].time = 1;

    is_num(reg_spool_emit(sp, reg_str("ci"), ev, 2, 1, NOW, &seq, NULL),
           REG_OK, "events are printed and appended");
    ok(seq == FIRST + 1, "both");

    r = reader(0);

    for (n = 0; n < 2; n++) {
        (void) reg_spool_next(r, &rec, NULL);
        is(rec.to, "ci", "for whom");
        ok(reg_event_load(&back, &tree, rec.event, NULL) == REG_OK
           && back.time == (n ? 1 : NOW)
           && strcmp(back.id, ev[n].id) == 0, "which and when");
        is(back.tag, n ? "v2" : "v1", "what");
        json_decref(tree);
    }

    is_num(reg_spool_emit(sp, reg_null_str, ev, 0, 1, NOW, NULL, NULL),
           REG_INTERNAL, "none is no event");

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


static void
test_refused(void)
{
    char              *big;
    reg_spool_t       *sp;
    reg_spool_item_t   item;

    again();
    sp = spool_open(0, 0);

    is_num(put(sp, "", "", NULL), REG_INTERNAL, "nothing");
    is_num(put(sp, "", "a\nb", NULL), REG_INTERNAL, "two lines");
    is_num(put(sp, "a b", "x", NULL), REG_INTERNAL, "a name with a blank");
    is_num(put(sp, "a\n", "x", NULL), REG_INTERNAL, "a name with a line end");

    big = calloc(1, REG_EVENT_MAX + 2);
    memset(big, 'x', REG_EVENT_MAX + 1);

    is_num(put(sp, "", big, NULL), REG_INTERNAL, "too long an event");
    is_num(put(sp, big, "x", NULL), REG_INTERNAL, "too long a list");

    item.to.data = big;
    item.to.len = REG_SPOOL_TO_MAX;
    item.event.data = big;
    item.event.len = REG_EVENT_MAX;

    is_num(reg_spool_append(sp, &item, 1, 1, NOW, NULL, NULL), REG_OK,
           "the longest of both");
    is_num(reg_spool_append(sp, &item, 0, 1, NOW, NULL, NULL), REG_INTERNAL,
           "none");
    (void) put(sp, "", "y", NULL);

    is_num((long long) strlen(events(FIRST - 1, &(size_t) { 0 })),
           2, "the longest does not fit the test, the next does");

    free(big);
    reg_spool_close(sp);
}


static void
test_for(void)
{
    size_t  i;

    static const struct {
        const char  *to;
        const char  *name;
        int          is;
    } rows[] = {
        { "", "ci", 1 }, { "ci", "ci", 1 }, { "ci,audit", "ci", 1 },
        { "ci,audit", "audit", 1 }, { "ci,audit", "aud", 0 },
        { "ci,audit", "i", 0 }, { "cia", "ci", 0 }, { "a,ci", "ci", 1 },
        { ",", "ci", 0 }, { "ci,", "ci", 1 }, { "a,", "ci", 0 },
        { ",ci", "ci", 1 }, { REG_SPOOL_NOBODY, "ci", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_num(reg_spool_for(reg_str_of(rows[i].to), reg_str_of(rows[i].name)),
               rows[i].is, rows[i].to);
    }
}


static void
test_reader(void)
{
    int                   i;
    uint64_t              at;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again();
    sp = spool_open(0, 0);
    r = reader(0);

    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "none yet");
    reg_spool_again(r);
    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "and none again");

    for (i = 0; i < 3; i++) {
        (void) put(sp, "", "x", NULL);
        is_num(reg_spool_next(r, &rec, NULL), REG_OK, "one comes");
        ok(rec.seq == FIRST + (uint64_t) i, "the right one");

        reg_spool_again(r);
        is_num(reg_spool_next(r, &rec, NULL), REG_OK, "once more");
        ok(rec.seq == FIRST + (uint64_t) i && rec.event.len == 1,
           "the same one");

        is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "then none");
    }

    (void) reg_spool_seek(r, FIRST, &at, NULL);
    ok(at == FIRST, "back to the first");
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == FIRST + 1, "behind it comes the second");

    reg_spool_again(r);
    (void) reg_spool_seek(r, 0, NULL, NULL);
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == FIRST, "who goes elsewhere is given nothing once more");

    (void) reg_spool_seek(r, REG_SPOOL_END, &at, NULL);
    ok(at == FIRST + 2, "at the end");
    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "is nothing");

    (void) reg_spool_seek(r, FIRST + 3, NULL, NULL);
    (void) put(sp, "", "3", NULL);
    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "what is passed over");
    (void) put(sp, "", "4", NULL);
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "what is waited for");
    ok(rec.seq == FIRST + 4 && rec.lost == 0, "comes");

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


/* Bytes that this process has read by its calls. */

static uint64_t
bytes_read(void)
{
    FILE                *f;
    unsigned long long   n;

    n = 0;
    f = fopen("/proc/self/io", "r");

    if (f == NULL || fscanf(f, "rchar: %llu", &n) != 1) {
        bail("/proc/self/io");
    }

    (void) fclose(f);

    return n;
}


/* A reader rests between any two events, and goes on where it was. */

static void
test_rest(void)
{
    int                   i;
    char                  event[20001];
    uint64_t              before;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again();
    sp = spool_open(0, 0);
    r = reader(0);

    memset(event, 'x', sizeof(event) - 1);
    event[sizeof(event) - 1] = '\0';

    reg_spool_rest(r);
    is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "none yet");

    for (i = 0; i < 100; i++) {
        (void) put(sp, "", event, NULL);
        reg_spool_rest(r);
        is_num(reg_spool_next(r, &rec, NULL), REG_OK, "one comes");
        ok(rec.seq == FIRST + (uint64_t) i && rec.event.len == 20000,
           "the right one");
        reg_spool_rest(r);
        is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "then none");
    }

    before = bytes_read();

    for (i = 0; i < 10; i++) {
        reg_spool_rest(r);
        (void) reg_spool_next(r, &rec, NULL);
    }

    ok(bytes_read() - before < 1000000, "what was read is not read again");

    (void) put(sp, "", "a", NULL);
    (void) put(sp, "", "b", NULL);
    (void) reg_spool_next(r, &rec, NULL);
    reg_spool_again(r);
    reg_spool_rest(r);
    (void) reg_spool_next(r, &rec, NULL);
    is(rec.event, "a", "what is given once more is given");
    reg_spool_rest(r);
    (void) reg_spool_next(r, &rec, NULL);
    is(rec.event, "b", "and the next behind it");

    reg_spool_rest(r);
    (void) reg_spool_seek(r, FIRST, NULL, NULL);
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == FIRST + 1, "who goes elsewhere is there");

    reg_spool_reader_close(r);
    reg_spool_close(sp);

    /* from segment to segment, some of which go meanwhile */

    again();
    sp = spool_open(1024 * 1024, 0);
    r = reader(0);

    for (i = 0; i < 200; i++) {
        (void) put(sp, "", event, NULL);
        reg_spool_rest(r);
        ok(reg_spool_next(r, &rec, NULL) == REG_OK
           && rec.seq == FIRST + (uint64_t) i && rec.lost == 0,
           "one after the other");
    }

    for (i = 0; i < 200; i++) {
        (void) put(sp, "", event, NULL);
    }

    reg_spool_rest(r);
    ok(reg_spool_next(r, &rec, NULL) == REG_OK
       && rec.lost == rec.seq - FIRST - 200 && rec.lost != 0,
       "its segment went while it rested");

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


/* A tail that is cut at every byte, and one of zeros. */

static void
test_torn(void)
{
    int           how, wrong;
    long          whole, cut;
    char          text[200];
    uint64_t      seq;
    reg_spool_t  *sp;

    again();
    sp = spool_open(0, 0);

    (void) put(sp, "", "one", NULL);
    whole = segment(FIRST);

    wrong = 0;

    for (how = 0; how < 3; how++) {
        for (cut = 1; cut < 80; cut++) {

            /* the handle has seen it, or is a new one */

            if (how != 0) {
                reg_spool_close(sp);
                sp = spool_open(0, 0);
            }

            (void) put(sp, "", "a torn event, of some length", &seq);

            if (how == 2) {
                memset(text, 0, sizeof(text));
                overwrite(FIRST, text,
                          (size_t) (segment(FIRST) - whole - cut),
                          whole + cut);

            } else {
                (void) truncate(segment_path(FIRST), whole + cut);
            }

            if (how != 0) {
                reg_spool_close(sp);
                sp = spool_open(0, 0);
            }

            wrong += (strcmp(events(0, &(size_t) { 0 }), "one,") != 0);

            (void) put(sp, "", "two", &seq);

            wrong += (seq <= FIRST);
            wrong += (strcmp(events(0, &(size_t) { 0 }), "one,two,") != 0);
            wrong += (segment(FIRST) != 2 * whole);

            (void) truncate(segment_path(FIRST), whole);
            reg_spool_close(sp);
            sp = spool_open(0, 0);
        }
    }

    is_num(wrong, 0, "a torn tail is not read, and cut off");

    /* a reader that was there all the time */

    {
        reg_spool_record_t   rec;
        reg_spool_reader_t  *r;

        r = reader(0);
        (void) reg_spool_next(r, &rec, NULL);

        (void) put(sp, "", "cut", &seq);
        (void) truncate(segment_path(FIRST), whole + 30);
        is_num(reg_spool_next(r, &rec, NULL), REG_ABSENT, "half a record");

        reg_spool_close(sp);
        sp = spool_open(0, 0);
        (void) put(sp, "", "written anew", &seq);
        is_num(reg_spool_next(r, &rec, NULL), REG_OK, "another in its place");
        is(rec.event, "written anew", "is read");

        reg_spool_reader_close(r);
    }

    reg_spool_close(sp);
}


/* What is damaged in the middle costs itself, nothing behind it. */

static void
test_damage(void)
{
    int                   i, wrong;
    long                  where;
    char                 *text;
    size_t                n, len;
    uint64_t              seq;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again();
    sp = spool_open(0, 0);

    for (i = 0; i < 3; i++) {
        (void) put(sp, "", "event", NULL);
    }

    reg_spool_close(sp);

    len = (size_t) segment(FIRST);
    wrong = 0;

    for (where = (long) (len / 3); where < (long) (len / 3 * 2); where++) {
        flip(FIRST, where);
        (void) events(0, &n);

        /* without its line end nobody knows where the next begins */

        wrong += (n != ((where == (long) (len / 3 * 2) - 1) ? 1 : 2));

        flip(FIRST, where);
    }

    is_num(wrong, 0, "a flipped bit costs one event");

    flip(FIRST, (long) (len / 2));

    r = reader(0);
    (void) reg_spool_next(r, &rec, NULL);
    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "the one behind the damage");
    ok(rec.seq == FIRST + 2 && rec.lost == 1, "tells of the one lost");
    reg_spool_again(r);
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == FIRST + 2 && rec.lost == 0, "once");
    reg_spool_reader_close(r);

    sp = spool_open(0, 0);
    (void) put(sp, "", "more", &seq);
    ok(seq == FIRST + 3, "the numbers go on");
    (void) events(0, &n);
    is_num((long long) n, 3, "and nothing that is good was cut off");
    reg_spool_close(sp);

    /* more of it than is read at once */

    again();
    sp = spool_open(0, 0);
    (void) put(sp, "", "one", NULL);
    reg_spool_close(sp);

    len = 3 * REG_SPOOL_WINDOW;
    text = calloc(1, len + 1);
    memset(text, 'E', len);

    overwrite(FIRST, text, len, segment(FIRST));

    events_are(0, "one,", "much that is nothing");
    sp = spool_open(0, 0);
    (void) put(sp, "", "two", NULL);
    is_num(segment(FIRST), 2 * (REG_SPOOL_FRAME + 3), "is cut off");

    for (i = 0; i < 2000; i++) {
        (void) put(sp, "", "some that are behind it, of some length", NULL);
    }

    text[0] = '\n';
    overwrite(FIRST, text, 150000, REG_SPOOL_FRAME + 3);

    (void) events(0, &n);
    ok(n > 500 && n < 2002, "behind much damage it goes on (%zu)", n);

    free(text);
    reg_spool_close(sp);
}


/* Damage that looks like records, and one behind it, in two windows. */

static void
test_window(void)
{
    char              *text;
    size_t             i, k, len;
    reg_buf_t          b;
    reg_spool_t       *sp;
    reg_spool_item_t   item;

    static const char  alike[] = "\nE1 ";

    item.to = reg_null_str;
    item.event = reg_str("two");

    reg_buf_init(&b, 1000);
    reg_spool_record_print(&b, FIRST + 1, &item);

    text = malloc(3 * REG_SPOOL_WINDOW + 1000);

    for (k = 0; k < 7; k++) {
        again();
        sp = spool_open(0, 0);
        (void) put(sp, "", "one", NULL);
        reg_spool_close(sp);

        /* the last: nothing but beginnings of lines */

        len = (k == 6) ? 3 * REG_SPOOL_WINDOW : REG_SPOOL_WINDOW + 1 - k;

        for (i = 0; i < len; i++) {
            text[i] = (k == 6) ? alike[i % 4] : 'x';
        }

        text[len - 1] = '\n';
        memcpy(text + len, b.data, b.len);

        overwrite(FIRST, text, len + b.len, segment(FIRST));

        events_are(0, "one,two,", "a record behind damage of a window");
    }

    free(text);
    reg_buf_free(&b);
}


/* A client that knows what a record looks like. */

static void
test_forged(void)
{
    size_t                n;
    char                  text[1000];
    uint64_t              seq;
    reg_buf_t             b;
    reg_spool_t          *sp;
    reg_spool_item_t      item;

    again();
    sp = spool_open(0, 0);

    item.to = reg_null_str;
    item.event = reg_str("forged");

    reg_buf_init(&b, 1000);
    reg_spool_record_print(&b, INT64_MAX, &item);
    b.len--;

    (void) snprintf(text, sizeof(text), "x%.*s", (int) b.len, b.data);

    (void) put(sp, "", text, NULL);
    (void) put(sp, "", "two", NULL);

    /* its record is damaged */

    flip(FIRST, 5);

    events_are(0, "two,", "a record inside an event is none");
    (void) put(sp, "", "three", &seq);
    (void) events(0, &n);
    ok(seq == FIRST + 2 && n == 2, "and gives no number");

    reg_buf_free(&b);
    reg_spool_close(sp);
}


static void
test_rotate(void)
{
    size_t                i, n, segments;
    char                  text[1000];
    uint64_t              seq, first;
    reg_spool_t          *sp, *other;
    reg_spool_stat_t      st;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    again();

    /* two handles, as two processes have them, and segments of 64 KB */

    sp = spool_open(2 * 1024 * 1024, 0);
    other = spool_open(2 * 1024 * 1024, 0);
    r = reader(0);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    for (i = 0; i < 1000; i++) {
        (void) put((i % 3) ? sp : other, "", text, &seq);

        if (seq != FIRST + i) {
            break;
        }

        if (i % 7 == 0) {
            while (reg_spool_next(r, &rec, NULL) == REG_OK) {
                /* void */
            }

            if (rec.seq != seq) {
                break;
            }
        }
    }

    is_num((long long) i, 1000, "two handles take turns, a reader follows");

    (void) events(0, &n);
    is_num((long long) n, 1000, "a new reader reads all");

    (void) reg_spool_stat(sp, &st, NULL);
    segments = st.segments;
    ok(segments > 4, "in %zu segments", segments);
    ok(st.first == FIRST && st.last == FIRST + 999, "from first to last");
    ok(st.bytes == 1000 * (REG_SPOOL_FRAME + sizeof(text) - 1),
       "with all their bytes");

    for (first = FIRST; first < FIRST + 1000; first++) {
        (void) events(first, &n);

        if (n != FIRST + 999 - first) {
            ok(0, "behind %llu", (unsigned long long) first);
        }

        first += 36;
    }

    reg_spool_reader_close(r);
    reg_spool_close(sp);
    reg_spool_close(other);
}


/* Room for some events is theirs, whatever else the segment has room for. */

static void
test_kept(void)
{
    char               text[1000];
    size_t             n;
    reg_event_t        ev[10];
    reg_spool_t       *sp;
    reg_spool_stat_t   st;

    again();
    sp = spool_open(REG_SPOOL_SIZE_MIN, 0);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    while (segment(FIRST) < 64 * 1024 - 2000) {
        (void) put(sp, "", text, NULL);
    }

    memset(ev, 0, sizeof(ev));

    for (n = 0; n < 10; n++) {
        ev[n].action = REG_EVENT_DELETE;
        ev[n].repository = reg_str("a/b");
    }

    is_num(reg_spool_reserve(sp, reg_null_str, ev, 10, 1, NOW, NULL), REG_OK,
           "room for ten events, where one has its place");
    is_num(reg_spool_emit_sure(sp, reg_null_str, ev, 1, NOW, NULL), REG_OK,
           "one of them");
    is_num(reg_spool_emit_sure(sp, reg_null_str, ev + 1, 9, NOW, NULL),
           REG_OK, "and the rest");
    (void) reg_spool_stat(sp, &st, NULL);
    ok(st.segments == 1 && st.bytes > 64 * 1024, "go where it was made");

    (void) put(sp, "", "next", NULL);
    (void) reg_spool_stat(sp, &st, NULL);
    is_num(st.segments, 2, "what comes then begins a segment");

    reg_spool_close(sp);
}


static void
test_limits(void)
{
    size_t                i, n;
    char                  text[1000];
    uint64_t              seq;
    reg_spool_t          *sp;
    reg_spool_stat_t      st;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r, *slow;

    again();
    sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
    slow = reader(0);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    for (i = 0; i < 3000; i++) {
        (void) put(sp, "", text, &seq);

        if (i == 10) {
            (void) reg_spool_next(slow, &rec, NULL);
            (void) reg_spool_next(slow, &rec, NULL);
        }

        if (i % 100 == 0) {
            (void) reg_spool_stat(sp, &st, NULL);

            if (st.bytes > REG_SPOOL_SIZE_MIN) {
                ok(0, "%llu bytes", (unsigned long long) st.bytes);
            }
        }
    }

    ok(seq == FIRST + 2999, "numbers do not care for what is dropped");

    (void) reg_spool_stat(sp, &st, NULL);
    ok(st.bytes <= REG_SPOOL_SIZE_MIN && st.bytes > REG_SPOOL_SIZE_MIN / 2,
       "the size is kept, %llu bytes", (unsigned long long) st.bytes);
    ok(st.dropped == st.first - FIRST && st.dropped > 0,
       "%llu were dropped", (unsigned long long) st.dropped);

    r = reader(FIRST + 9);
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == st.first, "the first that is kept");
    ok(rec.lost == st.first - FIRST - 10, "and how many are lost");
    reg_spool_reader_close(r);

    /* it has a segment open that is gone */

    for (n = 0, i = 0; reg_spool_next(slow, &rec, NULL) == REG_OK; n++) {
        i += rec.lost;
    }

    ok(i > 0 && n + i + 2 == 3000, "a slow reader hears of all, "
       "%zu read and %zu lost", n + 2, i);
    reg_spool_reader_close(slow);

    /* who has no limit drops nothing */

    reg_spool_close(sp);
    sp = spool_open(0, 0);
    (void) put(sp, "", text, NULL);
    (void) reg_spool_trim(sp, NOW, NULL);
    (void) events(seq, &n);
    is_num((long long) n, 1, "without a limit nothing is dropped");
    reg_spool_close(sp);
}


static void
test_keep(void)
{
    uint64_t           seq;
    int64_t            now;
    reg_spool_t       *sp;
    reg_spool_stat_t   st;
    struct timespec    times[2];

    again();
    sp = spool_open(0, INT64_C(3600000000000));
    now = NOW;

    (void) put(sp, "", "one", NULL);

    times[0].tv_sec = times[1].tv_sec = now / 1000000000 - 3000;
    times[0].tv_nsec = times[1].tv_nsec = 0;
    (void) utimensat(AT_FDCWD, segment_path(FIRST), times, 0);

    (void) reg_spool_trim(sp, now, NULL);
    events_are(0, "one,", "not old enough");

    times[0].tv_sec = times[1].tv_sec = now / 1000000000 - 4000;
    (void) utimensat(AT_FDCWD, segment_path(FIRST), times, 0);

    is_num(reg_spool_trim(sp, now, NULL), REG_OK, "an old one");
    events_are(0, "", "goes");
    is_num(segment(FIRST), -1, "with its file");
    is_num(segment(FIRST + 1), 0, "an empty one stays");

    is_num(reg_spool_trim(sp, now, NULL), REG_OK, "once more");
    is_num(segment(FIRST + 1), 0, "it stays");

    (void) reg_spool_stat(sp, &st, NULL);
    ok(st.first == 0 && st.last == FIRST && st.dropped == 1,
       "nothing is there, one was");

    reg_spool_close(sp);
    sp = spool_open(0, 0);
    (void) put(sp, "", "two", &seq);
    ok(seq == FIRST + 1, "the number is not given twice");
    reg_spool_close(sp);
}


/* Somebody removes the folder, or a part of it, under our feet. */

static void
test_removed(void)
{
    uint64_t               seq;
    reg_spool_t           *sp;
    reg_spool_record_t     rec;
    reg_spool_reader_t    *r;
    reg_spool_endpoint_t   ep;

    again();
    sp = spool_open(0, 0);

    (void) put(sp, "", "one", NULL);
    r = reader(0);
    (void) reg_spool_next(r, &rec, NULL);

    (void) unlink(segment_path(FIRST));
    (void) unlink(at(EVENTS "/lock"));
    (void) rmdir(at(EVENTS));

    is_num(put(sp, "", "two", &seq), REG_OK, "it is made again");
    ok(seq == FIRST, "and begun at the time");
    reg_spool_close(sp);
    sp = spool_open(0, 0);

    /* endpoints remember where they were */

    memset(&ep, 0, sizeof(ep));
    ep.cursor = FIRST + 500;
    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
    (void) unlink(segment_path(FIRST));

    is_num(put(sp, "", "three", &seq), REG_OK, "segments alone");
    ok(seq == FIRST + 501, "behind what an endpoint has seen");

    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "a reader goes on");
    is(rec.event, "three", "with the new");
    ok(rec.lost == 500 && !rec.anew, "and hears what is gone");

    /* so much that nobody knows */

    ep.cursor = FIRST + UINT64_C(86400000000);
    (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);
    (void) unlink(segment_path(FIRST + 501));

    is_num(put(sp, "", "four", &seq), REG_OK, "a day later");
    ok(seq == ep.cursor + 1, "behind that");

    is_num(reg_spool_next(r, &rec, NULL), REG_OK, "a reader goes on");
    ok(rec.lost == 0 && rec.anew, "and hears of the new spool");
    reg_spool_again(r);
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == seq && !rec.anew, "once");
    reg_spool_reader_close(r);

    r = reader(0);
    (void) reg_spool_next(r, &rec, NULL);
    ok(rec.seq == seq && !rec.anew, "but not who was nowhere");

    reg_spool_reader_close(r);
    reg_spool_close(sp);
}


/*
 * The last records are gone, with an endpoint that has seen them and one that
 * is behind: nothing new is taken for what was seen.
 */

static void
test_above(void)
{
    int                    i, how;
    size_t                 n;
    uint64_t               seq;
    reg_spool_t           *sp;
    reg_spool_record_t     rec;
    reg_spool_reader_t    *r, *behind;
    reg_spool_endpoint_t   ep;

    static const char *const  ways[] = { "damaged", "cut", "all of it cut" };

    for (how = 0; how < 3; how++) {
        again();
        sp = spool_open(0, 0);

        for (i = 0; i < 3; i++) {
            (void) put(sp, "", "event", NULL);
        }

        reg_spool_close(sp);

        r = reader(FIRST + 1);
        (void) reg_spool_next(r, &rec, NULL);
        behind = reader(0);
        (void) reg_spool_next(behind, &rec, NULL);
        reg_spool_rest(behind);

        memset(&ep, 0, sizeof(ep));
        ep.cursor = FIRST + 2;
        (void) reg_spool_endpoint_save(s, "ci", &ep, NULL);

        if (how == 0) {
            flip(FIRST, (long) segment(FIRST) - 5);

        } else if (truncate(segment_path(FIRST),
                            (how == 1) ? (off_t) segment(FIRST) / 3 * 2 : 0)
                   != 0)
        {
            bail("truncate");
        }

        sp = spool_open(0, 0);
        is_num(put(sp, "", "new", &seq), REG_OK, ways[how]);
        ok(seq == FIRST + 3, "the number is a new one");
        events_are(FIRST + 2, "new,", "who has seen the others has it");

        is_num(reg_spool_next(r, &rec, NULL), REG_OK, "who is at the end");
        ok(rec.seq == seq && rec.lost == 0, "gets it, and nothing is lost");

        do {
            i = reg_spool_next(behind, &rec, NULL);
        } while (i == REG_OK && rec.seq < seq);

        is_num(i, REG_OK, "who is behind");
        ok(rec.lost == ((how == 2) ? 2 : 1), "hears what was lost");

        (void) put(sp, "", "more", &seq);
        ok(seq == FIRST + 4, "and it goes on");
        (void) events(0, &n);
        is_num((long long) n, (how == 2) ? 2 : 4, "with the rest");

        reg_spool_reader_close(r);
        reg_spool_reader_close(behind);
        reg_spool_close(sp);
    }
}


/* What else may stand in the folder. */

static void
test_other(void)
{
    reg_spool_t  *sp;

    again();

    make_dirs(at(EVENTS));
    spit(at(EVENTS "/note"), "x");
    spit(at(EVENTS "/0000000000000000.log"), "x");
    spit(at(EVENTS "/ffffffffffffffff.log"), "x");
    spit(at(EVENTS "/00000000000000AB.log"), "x");
    make_dirs(at(EVENTS "/00000000000000ff.log"));

    sp = spool_open(0, 0);
    is_num(put(sp, "", "one", NULL), REG_OK, "other things are not ours");
    events_are(0, "one,", "nor read");
    reg_spool_close(sp);

    /* a link out of the store */

    again();
    make_dirs(at("docker/registry/nginx"));
    (void) !symlink("/tmp", at(EVENTS));
    sp = spool_open(0, 0);
    ok(put(sp, "", "one", NULL) != REG_OK, "A110 no link is followed");
    reg_spool_close(sp);
    (void) unlink(at(EVENTS));
}


/* A handle that looks while others write. */

static void
test_stat(void)
{
    int                i, wrong;
    uint64_t           seq;
    reg_spool_t       *sp, *look;
    reg_spool_stat_t   st;

    again();

    sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
    look = spool_open(0, 0);
    wrong = 0;

    for (i = 0; i < 4000; i++) {
        (void) put(sp, "", "an event that is neither long nor short, but made "
                   "to fill some segments after all, so that the look has to "
                   "go on from one to the next", &seq);

        if (i % 13 == 0) {
            wrong += (reg_spool_stat(look, &st, NULL) != REG_OK
                      || st.last != seq);
        }
    }

    is_num(wrong, 0, "it sees the last event");
    ok(st.segments > 5, "over %u segments", st.segments);

    (void) truncate(segment_path(st.first), 10);
    is_num(reg_spool_stat(look, &st, NULL), REG_OK, "and what is torn");

    reg_spool_close(sp);
    reg_spool_close(look);
}
