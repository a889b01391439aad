
#include "reg_test_store.h"

#include "reg_fs.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>


static void test_lock(void);
static void test_lock_removed(unsigned ms);
static void test_lock_starve(void);


static reg_store_t  *s;
static int           starve_stop;
static int           starve_begun;


int
main(void)
{
    root_make();
    s = store_open();

    test_lock();
    test_lock_removed(0);
    test_lock_removed(30000);
    test_lock_starve();

    reg_store_close(s);

    return done_testing();
}


static void
test_lock(void)
{
    int    a, b, status;
    pid_t  pid;

    is_num(s->driver->lock(s, REG_LOCK_SHARED, &a, NULL), REG_OK, "shared");
    is_num(s->driver->lock(s, REG_LOCK_SHARED, &b, NULL), REG_OK,
           "shared by two");

    pid = fork();

    if (pid == 0) {
        (void) alarm(1);
        (void) s->driver->lock(s, REG_LOCK_EXCLUSIVE, &a, NULL);
        _exit(0);
    }

    (void) waitpid(pid, &status, 0);
    ok(WIFSIGNALED(status), "a third who wants it alone waits");

    s->driver->unlock(s, a);
    s->driver->unlock(s, b);

    pid = fork();

    if (pid == 0) {
        (void) alarm(10);
        (void) s->driver->lock(s, REG_LOCK_EXCLUSIVE, &a, NULL);
        _exit(7);               /* dies with it */
    }

    (void) waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 7,
       "and gets it when they are gone");
    is_num(s->driver->lock(s, REG_LOCK_EXCLUSIVE, &a, NULL), REG_OK,
           "it went with its holder");

    s->driver->unlock(s, a);
}


/*
 * The file is taken away: who waits for it, or tries for so many ms, does not
 * lock it in vain.
 */

static void
test_lock_removed(unsigned ms)
{
    int    a, status;
    pid_t  pid;

    (void) s->driver->lock(s, REG_LOCK_EXCLUSIVE, &a, NULL);

    pid = fork();

    if (pid == 0) {
        (void) close(a);
        (void) ((ms == 0)
                ? s->driver->lock(s, REG_LOCK_EXCLUSIVE, &a, NULL)
                : reg_fs_lock_try(s, ms, &a, NULL));
        _exit(is_there(at(REG_LAYOUT_OWN "/lock")) ? 7 : 8);
    }

    (void) usleep(100000);
    (void) unlink(at(REG_LAYOUT_OWN "/lock"));
    s->driver->unlock(s, a);

    (void) waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 7,
       "a lock file that was removed is made again (%u ms)", ms);
}


static void *
starve(void *ctx)
{
    int  lock;

    (void) ctx;

    while (!__atomic_load_n(&starve_stop, __ATOMIC_RELAXED)) {
        if (s->driver->lock(s, REG_LOCK_SHARED, &lock, NULL) == REG_OK) {
            (void) __atomic_fetch_add(&starve_begun, 1, __ATOMIC_RELAXED);
            (void) usleep(2000);
            s->driver->unlock(s, lock);
        }
    }

    return NULL;
}


/* Those who share it never let go at the same time. */

static void
test_lock_starve(void)
{
    int        i, lock;
    double     took;
    pthread_t  threads[6];
    struct timespec  a, b;

    starve_stop = 0;
    starve_begun = 0;

    for (i = 0; i < 6; i++) {
        (void) pthread_create(&threads[i], NULL, starve, NULL);
    }

    while (__atomic_load_n(&starve_begun, __ATOMIC_RELAXED) < 60) {
        (void) usleep(1000);
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &a);

    for (i = 0; i < 30; i++) {
        (void) s->driver->lock(s, REG_LOCK_EXCLUSIVE, &lock, NULL);
        s->driver->unlock(s, lock);
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &b);
    __atomic_store_n(&starve_stop, 1, __ATOMIC_RELAXED);

    for (i = 0; i < 6; i++) {
        (void) pthread_join(threads[i], NULL);
    }

    took = (double) (b.tv_sec - a.tv_sec)
           + (double) (b.tv_nsec - a.tv_nsec) / 1e9;
    ok(took < 2, "who wants it alone is not passed over (%.3f s)", took);
}
