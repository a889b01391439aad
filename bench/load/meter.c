
#include "meter.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>


static int meter_stat(pid_t pid, pid_t *parent, double *sys);
static void meter_tree(meter_t *m);
static double meter_field(pid_t pid, const char *file, const char *name);
static void meter_reset_peak(pid_t pid);


static int
meter_stat(pid_t pid, pid_t *parent, double *sys)
{
    int            ppid;
    char           path[64], line[1024], *p;
    FILE          *f;
    unsigned long  stime;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);

    f = fopen(path, "r");

    if (f == NULL) {
        return -1;
    }

    p = fgets(line, sizeof(line), f);
    fclose(f);

    /* the name in parentheses may hold anything */

    p = p ? strrchr(line, ')') : NULL;

    if (p == NULL
        || sscanf(p + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %lu",
                  &ppid, &stime)
           != 2)
    {
        return -1;
    }

    *parent = ppid;
    *sys = (double) stime / (double) sysconf(_SC_CLK_TCK);

    return 0;
}


static void
meter_tree(meter_t *m)
{
    DIR            *dir;
    pid_t           pid, parent, all[2][32768];
    double          sys;
    size_t          i, j, n;
    struct dirent  *e;

    dir = opendir("/proc");

    if (dir == NULL) {
        die("cannot read /proc");
    }

    n = 0;

    while ((e = readdir(dir)) != NULL && n < 32768) {
        pid = (pid_t) atoi(e->d_name);

        if (pid > 0 && meter_stat(pid, &parent, &sys) == 0) {
            all[0][n] = pid;
            all[1][n++] = parent;
        }
    }

    closedir(dir);

    m->pids[0] = m->root;
    m->npids = 1;

    for (i = 0; i < m->npids; i++) {
        for (j = 0; j < n; j++) {
            if (all[1][j] == m->pids[i] && m->npids < METER_PIDS_MAX) {
                m->pids[m->npids++] = all[0][j];
            }
        }
    }
}


/* A "name:   number kB" of a file of the process; 0 where there is none. */

static double
meter_field(pid_t pid, const char *file, const char *name)
{
    char     path[64], line[256];
    FILE    *f;
    double   value;
    size_t   len;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);

    f = fopen(path, "r");

    if (f == NULL) {
        return 0;
    }

    len = strlen(name);
    value = 0;

    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            value = strtod(line + len + 1, NULL);
            break;
        }
    }

    fclose(f);

    return value;
}


static void
meter_reset_peak(pid_t pid)
{
    int   fd;
    char  path[64];

    snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int) pid);

    fd = open(path, O_WRONLY);

    if (fd == -1 || write(fd, "5", 1) != 1) {
        die("cannot reset the peak memory of process %d", (int) pid);
    }

    close(fd);
}


void
meter_start(meter_t *m, pid_t root)
{
    size_t  i;

    memset(m, 0, sizeof(meter_t));
    m->root = root;

    if (root) {
        meter_tree(m);

        for (i = 0; i < m->npids; i++) {
            meter_reset_peak(m->pids[i]);
        }

        meter_read(m, &m->start);
    }

    m->client = meter_self();
    m->at = now();
}


double
meter_cpu(const meter_t *m)
{
    double           cpu;
    size_t           i;
    clockid_t        clock;
    struct timespec  ts;

    cpu = 0;

    for (i = 0; i < m->npids; i++) {

        if (clock_getcpuclockid(m->pids[i], &clock) != 0
            || clock_gettime(clock, &ts) == -1)
        {
            die("server process %d is gone", (int) m->pids[i]);
        }

        cpu += (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
    }

    return cpu;
}


void
meter_read(meter_t *m, meter_usage_t *u)
{
    pid_t   parent;
    double  sys;
    size_t  i;

    memset(u, 0, sizeof(meter_usage_t));

    u->cpu = meter_cpu(m);

    for (i = 0; i < m->npids; i++) {

        if (meter_stat(m->pids[i], &parent, &sys) == -1) {
            die("server process %d is gone", (int) m->pids[i]);
        }

        u->sys += sys;
        u->rss += meter_field(m->pids[i], "smaps_rollup", "Rss");
        u->peak += meter_field(m->pids[i], "status", "VmHWM");
    }
}


double
meter_self(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}
