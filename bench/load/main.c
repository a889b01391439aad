
/*
 * load: the load generator and meter of the benchmark.  It speaks the
 * distribution protocol to any registry (with --files: plain GET and PUT to a
 * file server, the physical limit) and prints one line of JSON a run, above
 * all what the run cost the server's processes.  bench/run calls it.
 */

#include "load.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>


typedef struct {
    const char  *name;
    void       (*run)(const load_opt_t *opt);
} main_command_t;


static void main_exec(const load_opt_t *opt);
static void main_spawn(const load_opt_t *opt);
static void main_namespace(const load_opt_t *opt);
static int main_write(const char *path, const char *text);
static int main_loopback(void);
static void main_files_limit(void);
static uint64_t main_size(const char *s);
static void main_options(load_opt_t *opt, int argc, char **argv);


static const main_command_t  main_commands[] = {
    { "push-blob",    load_push_blob },
    { "pull-blob",    load_pull_blob },
    { "push-image",   load_push_image },
    { "pull-image",   load_pull_image },
    { "sync-image",   load_sync_image },
    { "request",      load_request },
    { "list",         load_list },
    { "ping",         load_ping },
    { "uploads",      load_uploads },
    { "idle",         load_idle },
    { "beside",       load_beside },
    { "seed-blob",    load_seed_blob },
    { "seed-images",  load_seed_images },
    { "seed-tags",    load_seed_tags },
    { "seed-repos",   load_seed_repos },
    { "seed-garbage", load_seed_garbage },
    { "seed-wide",    load_seed_wide },
    { "exec",         main_exec },
    { "spawn",        main_spawn },
    { "namespace",    main_namespace },
    { NULL,           NULL }
};


int
main(int argc, char **argv)
{
    load_opt_t             opt;
    const main_command_t  *cmd;

    if (argc > 1) {
        for (cmd = main_commands; cmd->name; cmd++) {

            if (strcmp(cmd->name, argv[1]) == 0) {
                signal(SIGPIPE, SIG_IGN);
                main_options(&opt, argc - 1, argv + 1);
                main_files_limit();
                cmd->run(&opt);

                return 0;
            }
        }
    }

    fprintf(stderr, "usage: load COMMAND [options]; commands:");

    for (cmd = main_commands; cmd->name; cmd++) {
        fprintf(stderr, " %s", cmd->name);
    }

    fprintf(stderr, "\n");

    return 2;
}


static void
main_options(load_opt_t *opt, int argc, char **argv)
{
    int  c;

    static const struct option  options[] = {
        { "url",         required_argument, NULL, 'u' },
        { "pid",         required_argument, NULL, 'p' },
        { "repo",        required_argument, NULL, 'r' },
        { "seed",        required_argument, NULL, 's' },
        { "connections", required_argument, NULL, 'c' },
        { "count",       required_argument, NULL, 'n' },
        { "duration",    required_argument, NULL, 'd' },
        { "size",        required_argument, NULL, 'z' },
        { "pieces",      required_argument, NULL, 'k' },
        { "interval",    required_argument, NULL, 'i' },
        { "images",      required_argument, NULL, 'I' },
        { "user",        required_argument, NULL, 'U' },
        { "guesses",     required_argument, NULL, 'g' },
        { "method",      required_argument, NULL, 'm' },
        { "by",          required_argument, NULL, 'b' },
        { "path",        required_argument, NULL, 'P' },
        { "strings",     required_argument, NULL, 'S' },
        { "expect",      required_argument, NULL, 'e' },
        { "root",        required_argument, NULL, 'R' },
        { "mirror",      required_argument, NULL, 'M' },
        { "until",       required_argument, NULL, 'L' },
        { "files",       no_argument,       NULL, 'f' },
        { "probe",       no_argument,       NULL, 'o' },
        { "change",      no_argument,       NULL, 'C' },
        { "each",        no_argument,       NULL, 'E' },
        { NULL,          0,                 NULL, 0 }
    };

    memset(opt, 0, sizeof(load_opt_t));
    opt->url = "http://127.0.0.1:5000";
    opt->repo = "bench";
    opt->seed = xprintf("%x", (unsigned) (now() * 1e6));
    opt->connections = 1;
    opt->duration = 1;
    opt->size = 1024;
    opt->pieces = 1;
    opt->images = 100;
    opt->method = "GET";
    opt->by = "tag";

    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (c) {
        case 'u': opt->url = optarg; break;
        case 'p': opt->pid = (pid_t) atoi(optarg); break;
        case 'r': opt->repo = optarg; break;
        case 's': opt->seed = optarg; break;
        case 'c': opt->connections = (unsigned) main_size(optarg); break;
        case 'n': opt->count = main_size(optarg); break;
        case 'd': opt->duration = strtod(optarg, NULL); break;
        case 'z': opt->size = main_size(optarg); break;
        case 'k': opt->pieces = main_size(optarg); break;
        case 'i': opt->interval = strtod(optarg, NULL); break;
        case 'I': opt->images = (unsigned) main_size(optarg); break;
        case 'U': opt->user = optarg; break;
        case 'g': opt->guesses = (unsigned) main_size(optarg); break;
        case 'm': opt->method = optarg; break;
        case 'b': opt->by = optarg; break;
        case 'P': opt->path = optarg; break;
        case 'S': opt->strings = (unsigned) main_size(optarg); break;
        case 'e': opt->expect = (unsigned) main_size(optarg); break;
        case 'R': opt->root = optarg; break;
        case 'M': opt->mirror = optarg; break;
        case 'L': opt->until = optarg; break;
        case 'f': opt->files = 1; break;
        case 'o': opt->probe = 1; break;
        case 'C': opt->change = 1; break;
        case 'E': opt->each = 1; break;
        default:
            exit(2);
        }
    }

    opt->args = argv + optind;
}


/* A number, with k, m or g for the powers of 1024. */

static uint64_t
main_size(const char *s)
{
    char      *end;
    uint64_t   n;

    n = strtoull(s, &end, 10);

    switch (*end) {
    case 'g':
        n <<= 30;
        break;
    case 'm':
        n <<= 20;
        break;
    case 'k':
        n <<= 10;
        break;
    case '\0':
        end--;
        break;
    default:
        end = (char *) s - 1;
    }

    if (end < s || end[1] != '\0') {
        die("\"%s\" is not a number", s);
    }

    return n;
}


static void
main_files_limit(void)
{
    struct rlimit  rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max < 65536 ? rl.rlim_max : 65536;
        (void) setrlimit(RLIMIT_NOFILE, &rl);
    }
}


/* Runs a command and reports what it cost; --size is what it processes. */

static void
main_exec(const load_opt_t *opt)
{
    int            status;
    pid_t          pid;
    double         began, cpu, gib;
    struct rusage  ru;

    began = now();
    pid = fork();

    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL) {
            _exit(127);
        }

        execvp(opt->args[0], opt->args);
        die("cannot run %s: %s", opt->args[0], strerror(errno));
    }

    if (pid == -1 || wait4(pid, &status, 0, &ru) == -1) {
        die("cannot run %s", opt->args[0]);
    }

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        die("%s failed", opt->args[0]);
    }

    cpu = (double) ru.ru_utime.tv_sec + (double) ru.ru_utime.tv_usec / 1e6
          + (double) ru.ru_stime.tv_sec + (double) ru.ru_stime.tv_usec / 1e6;
    gib = (double) opt->size / 1073741824;

    result_number("wall_s", now() - began);
    result_number("units", 1);
    result_number("errors", 0);
    result_number("cpu_s", cpu);

    if (opt->size) {
        result_number("cpu_s_per_gib", cpu / gib);
        result_number("mib_per_s", 1024 * gib / (now() - began));
    }

    result_number("peak_mib", (double) ru.ru_maxrss / 1024);
    result_close();
}


/*
 * Becomes a server which ends with the one that started it, whatever way that
 * one ends.
 */

static void
main_spawn(const load_opt_t *opt)
{
    pid_t  parent;

    parent = getppid();

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != parent) {
        die("the starting process is gone");
    }

    signal(SIGPIPE, SIG_DFL);
    execvp(opt->args[0], opt->args);
    die("cannot run %s: %s", opt->args[0], strerror(errno));
}


/*
 * Runs a command in a network namespace of its own which has a loopback
 * interface and Reno as congestion control, and says in BENCH_NETWORK how it
 * went.  The namespace ends with its last process.
 *
 * Where the machine's default is BBR, its pacing timers dominate loopback
 * transfers, sendfile looks six times dearer than it is and all servers look
 * alike.
 */

static void
main_namespace(const load_opt_t *opt)
{
    int    rc;
    char  *uids, *gids;

    rc = unshare(CLONE_NEWNET);

    if (rc == -1) {
        uids = xprintf("%u %u 1", (unsigned) geteuid(), (unsigned) geteuid());
        gids = xprintf("%u %u 1", (unsigned) getegid(), (unsigned) getegid());

        rc = unshare(CLONE_NEWUSER|CLONE_NEWNET);

        if (rc == 0
            && (main_write("/proc/self/uid_map", uids) == -1
                || main_write("/proc/self/setgroups", "deny") == -1
                || main_write("/proc/self/gid_map", gids) == -1))
        {
            die("cannot map the user into a new namespace");
        }
    }

    if (rc == -1) {
        setenv("BENCH_NETWORK", "the machine's own", 1);

    } else if (main_loopback() == -1) {
        die("cannot set up a network namespace: %s", strerror(errno));

    } else {
        setenv("BENCH_NETWORK", "a namespace of its own", 1);
    }

    signal(SIGPIPE, SIG_DFL);
    execvp(opt->args[0], opt->args);
    die("cannot run %s: %s", opt->args[0], strerror(errno));
}


static int
main_write(const char *path, const char *text)
{
    int      fd;
    ssize_t  n;

    fd = open(path, O_WRONLY);

    if (fd == -1) {
        return -1;
    }

    n = write(fd, text, strlen(text));
    close(fd);

    return n == -1 ? -1 : 0;
}


static int
main_loopback(void)
{
    int           rc, s;
    struct ifreq  ifr;

    s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s == -1) {
        return -1;
    }

    memset(&ifr, 0, sizeof(ifr));
    strcpy(ifr.ifr_name, "lo");
    ifr.ifr_flags = IFF_UP|IFF_RUNNING;

    rc = ioctl(s, SIOCSIFFLAGS, &ifr);
    close(s);

    if (rc == -1) {
        return -1;
    }

    return main_write("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
}
