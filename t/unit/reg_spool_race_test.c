
/* Several threads of several processes append, others read. */

#include "reg_test_spool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>


#define PROCESSES  3
#define THREADS    4
#define EACH       150


typedef struct {
    int           who;
    int           each;
    reg_spool_t  *sp;
    int           failed;
} writer_t;


static void test_together(void);
static void test_reader(void);
static void test_sync_fails(void);
static void test_killed(void);
static void *failing(void *ctx);
static void *writer(void *ctx);
static void writers(int process, int each);


/* how many of each thread are known to be on disk; shared by processes */
static int  *acked;

/* each so many syncs one fails; 0: none does */
static atomic_int  sync_fails;
static atomic_int  syncs;

static char  sync_acked[THREADS][EACH];


int
main(void)
{
    root_make();
    s = store_open();

    acked = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                 -1, 0);

    test_together();
    test_reader();
    test_sync_fails();
    test_killed();

    reg_store_close(s);

    return done_testing();
}


int
fdatasync(int fd)
{
    int  each;

    each = atomic_load(&sync_fails);

    if (each != 0 && atomic_fetch_add(&syncs, 1) % each == 0) {
        errno = EIO;
        return -1;
    }

    return (int) syscall(SYS_fdatasync, fd);
}


static void *
writer(void *ctx)
{
    int        i;
    char       text[200];
    uint64_t   seq, last;
    writer_t  *w;

    w = ctx;
    last = 0;

    for (i = 0; i < w->each; i++) {
        (void) snprintf(text, sizeof(text), "%d:%d of some length, so that "
                        "there are some segments in the end", w->who, i);

        if (put(w->sp, "", text, &seq) != REG_OK || seq <= last) {
            w->failed++;
        }

        last = seq;
        __atomic_store_n(&acked[w->who], i + 1, __ATOMIC_RELEASE);
    }

    return NULL;
}


/* What one process does. */

static void
writers(int process, int each)
{
    int           i, failed;
    writer_t      w[THREADS];
    pthread_t     threads[THREADS];
    reg_spool_t  *sp;

    sp = spool_open(64 * 1024 * 1024, 0);
    sp->limits.size = 0;

    for (i = 0; i < THREADS; i++) {
        w[i].who = process * THREADS + i;
        w[i].each = each;
        w[i].sp = sp;
        w[i].failed = 0;

        if (pthread_create(&threads[i], NULL, writer, &w[i]) != 0) {
            bail("pthread_create");
        }
    }

    failed = 0;

    for (i = 0; i < THREADS; i++) {
        (void) pthread_join(threads[i], NULL);
        failed += w[i].failed;
    }

    reg_spool_close(sp);
    _exit(failed ? 1 : 0);
}


/*
 * Reads all: each writer's events in their order, none twice; those that have
 * been acknowledged are there.
 */

static int
check(const char *what)
{
    int                   who, i, n, next[PROCESSES * THREADS];
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    memset(next, 0, sizeof(next));
    r = reader(0);
    n = 0;

    while (reg_spool_next(r, &rec, NULL) == REG_OK) {

        if (sscanf(rec.event.data, "%d:%d ", &who, &i) != 2
            || who < 0 || who >= PROCESSES * THREADS || i != next[who])
        {
            return ok(0, "%s: %.*s comes out of turn", what, 40,
                      rec.event.data);
        }

        next[who] = i + 1;
        n++;
    }

    reg_spool_reader_close(r);

    for (who = 0; who < PROCESSES * THREADS; who++) {
        if (next[who] < __atomic_load_n(&acked[who], __ATOMIC_ACQUIRE)) {
            return ok(0, "%s: of writer %d %d are there, %d acknowledged",
                      what, who, next[who], acked[who]);
        }
    }

    return ok(1, "%s: %d events in their order", what, n);
}


static void
fresh(void)
{
    reg_store_close(s);
    root_make();
    s = store_open();
    memset(acked, 0, 4096);
}


static void
test_together(void)
{
    int    i, status, failed;
    pid_t  pids[PROCESSES];

    fresh();

    for (i = 0; i < PROCESSES; i++) {
        pids[i] = fork();

        if (pids[i] == 0) {
            writers(i, EACH);
        }
    }

    failed = 0;

    for (i = 0; i < PROCESSES; i++) {
        (void) waitpid(pids[i], &status, 0);
        failed += !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }

    is_num(failed, 0, "processes and threads append");
    (void) check("together");
}


/* One that reads meanwhile, over small segments. */

static void
test_reader(void)
{
    int                   i, n, wrong, status;
    pid_t                 pid;
    char                  text[1000];
    uint64_t              last;
    reg_rc_t              rc;
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    fresh();
    pid = fork();

    if (pid == 0) {
        sp = spool_open(REG_SPOOL_SIZE_MIN, 0);
        memset(text, 'x', sizeof(text) - 1);

        for (i = 0; i < 900; i++) {
            text[sizeof(text) - 1 - (size_t) (i % 100)] = '\0';
            (void) put(sp, "", text, NULL);
            text[sizeof(text) - 1 - (size_t) (i % 100)] = 'x';
            text[sizeof(text) - 1] = '\0';
        }

        _exit(0);
    }

    r = reader(0);
    n = 0;
    last = 0;
    wrong = 0;

    for (i = 0; i < 60000 && n < 900; i++) {
        rc = reg_spool_next(r, &rec, NULL);

        if (rc == REG_ABSENT) {
            (void) usleep(1000);
            continue;
        }

        wrong += (rc != REG_OK || rec.lost != 0 || rec.seq <= last);
        last = rec.seq;
        n++;
    }

    reg_spool_reader_close(r);
    (void) waitpid(pid, &status, 0);

    ok(wrong == 0 && n == 900, "a reader follows, %d read, %d wrong", n,
       wrong);
}


static void *
failing(void *ctx)
{
    int        i;
    char       text[64];
    reg_rc_t   rc;
    writer_t  *w;

    w = ctx;

    for (i = 0; i < EACH; i++) {
        (void) snprintf(text, sizeof(text), "%d:%d failing", w->who, i);

        rc = put(w->sp, "", text, NULL);

        sync_acked[w->who][i] = (rc == REG_OK);
        w->failed += (rc != REG_OK);
    }

    return NULL;
}


/* Syncs that fail while several wait for them: each hears of its own. */

static void
test_sync_fails(void)
{
    int                   i, n, who, missing, failed, next[THREADS];
    writer_t              w[THREADS];
    pthread_t             threads[THREADS];
    reg_spool_t          *sp;
    reg_spool_record_t    rec;
    reg_spool_reader_t   *r;

    fresh();
    sp = spool_open(0, 0);
    atomic_store(&sync_fails, 7);

    for (i = 0; i < THREADS; i++) {
        w[i].who = i;
        w[i].sp = sp;
        w[i].failed = 0;

        if (pthread_create(&threads[i], NULL, failing, &w[i]) != 0) {
            bail("pthread_create");
        }
    }

    failed = 0;

    for (i = 0; i < THREADS; i++) {
        (void) pthread_join(threads[i], NULL);
        failed += w[i].failed;
    }

    atomic_store(&sync_fails, 0);
    reg_spool_close(sp);

    memset(next, 0, sizeof(next));
    missing = 0;
    n = 0;
    r = reader(0);

    while (reg_spool_next(r, &rec, NULL) == REG_OK) {

        if (sscanf(rec.event.data, "%d:%d ", &who, &i) != 2
            || who < 0 || who >= THREADS || i < next[who] || i >= EACH)
        {
            missing++;
            continue;
        }

        for ( /* void */ ; next[who] < i; next[who]++) {
            missing += sync_acked[who][next[who]];
        }

        next[who] = i + 1;
        n++;
    }

    reg_spool_reader_close(r);

    for (who = 0; who < THREADS; who++) {
        for ( /* void */ ; next[who] < EACH; next[who]++) {
            missing += sync_acked[who][next[who]];
        }
    }

    ok(missing == 0 && failed > 0 && failed < THREADS * EACH,
       "F15 syncs fail: %d of %d appends failed, %d events are there, %d "
       "are missing", failed, THREADS * EACH, n, missing);
}


/* Processes that are killed while their threads append. */

static void
test_killed(void)
{
    int    i, round, status;
    pid_t  pids[PROCESSES];

    for (round = 0; round < 8; round++) {
        fresh();

        for (i = 0; i < PROCESSES; i++) {
            pids[i] = fork();

            if (pids[i] == 0) {
                writers(i, 1000000);
            }
        }

        (void) usleep(30000 + 7000 * (unsigned) round);

        for (i = 0; i < PROCESSES; i++) {
            (void) kill(pids[i], SIGKILL);

            if (i == 0) {
                (void) usleep(5000);
            }
        }

        for (i = 0; i < PROCESSES; i++) {
            (void) waitpid(pids[i], &status, 0);
        }

        if (!check("F18 killed")) {
            break;
        }
    }
}
