
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_cli_password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>


static reg_cli_exit_e reg_cli_password_stdin(char *out, reg_str_t *password);
static reg_cli_exit_e reg_cli_password_ask(const char *user, int twice,
    char *out, reg_str_t *password);
static int reg_cli_password_line(int tty, const char *prompt, const char *user,
    char *out, size_t *len);
static ssize_t reg_cli_password_wait(int tty, const sigset_t *mask,
    char *out);
static void reg_cli_password_signal(int signo);
static reg_cli_exit_e reg_cli_password_check(reg_str_t password);


/* those that would leave the terminal without echo */
static const int  signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

#define SIGNALS  (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t  caught;


reg_cli_exit_e
reg_cli_password(const reg_cli_t *c, const char *user, int twice, char *out,
    reg_str_t *password)
{
    reg_cli_exit_e  rc;

    rc = (reg_cli_value(c, "stdin") != NULL)
         ? reg_cli_password_stdin(out, password)
         : reg_cli_password_ask(user, twice, out, password);

    return (rc == REG_CLI_OK) ? reg_cli_password_check(*password) : rc;
}


static reg_cli_exit_e
reg_cli_password_stdin(char *out, reg_str_t *password)
{
    size_t   n;
    ssize_t  rc;

    for (n = 0; n < REG_CLI_PASSWORD_SIZE; n += (size_t) rc) {
        rc = read(STDIN_FILENO, out + n, REG_CLI_PASSWORD_SIZE - n);

        if (rc == 0) {
            break;
        }

        if (rc == -1) {
            if (errno != EINTR) {
                return reg_cli_fail(REG_CLI_FAILED, "standard input: %s",
                                    strerror(errno));
            }

            rc = 0;
        }
    }

    if (n != 0 && out[n - 1] == '\n') {
        n--;

        if (n != 0 && out[n - 1] == '\r') {
            n--;
        }
    }

    password->data = out;
    password->len = n;

    return REG_CLI_OK;
}


static reg_cli_exit_e
reg_cli_password_ask(const char *user, int twice, char *out,
    reg_str_t *password)
{
    int             tty, rc;
    char            again[REG_CLI_PASSWORD_SIZE];
    size_t          len, n;
    reg_cli_exit_e  result;

    tty = open("/dev/tty", O_RDWR|O_CLOEXEC);

    if (tty == -1) {
        return reg_cli_fail(REG_CLI_USAGE, "there is no terminal to ask for "
                            "the password on: pipe it in, with --stdin");
    }

    len = 0;
    n = 0;

    rc = reg_cli_password_line(tty, "Password for ", user, out, &len);

    if (rc == 0 && twice) {
        rc = reg_cli_password_line(tty, "Again, for ", user, again, &n);
    }

    (void) close(tty);

    if (rc != 0) {
        result = reg_cli_fail(REG_CLI_FAILED, "the terminal: %s",
                              strerror(errno));

    } else if (twice && (len != n || memcmp(out, again, n) != 0)) {
        result = reg_cli_fail(REG_CLI_NO, "the two passwords are not the same: "
                              "nothing was changed");

    } else {
        result = REG_CLI_OK;
    }

    OPENSSL_cleanse(again, sizeof(again));

    password->data = out;
    password->len = len;

    return result;
}


static void
reg_cli_password_signal(int signo)
{
    caught = signo;
}


/* One line, without its end: 0, or -1 and errno. */

static int
reg_cli_password_line(int tty, const char *prompt, const char *user, char *out,
    size_t *len)
{
    int               err;
    size_t            i;
    ssize_t           n;
    sigset_t          block, mask;
    struct termios    before, silent;
    struct sigaction  action, old[SIGNALS];

    if (tcgetattr(tty, &before) == -1) {
        return -1;
    }

    caught = 0;

    memset(&action, 0, sizeof(action));
    action.sa_handler = reg_cli_password_signal;

    (void) sigemptyset(&block);

    for (i = 0; i < SIGNALS; i++) {
        (void) sigaddset(&block, signals[i]);
        (void) sigaction(signals[i], &action, &old[i]);
    }

    /* they come while we wait, and never between a look and the wait */

    (void) sigprocmask(SIG_BLOCK, &block, &mask);

    silent = before;
    silent.c_lflag &= ~(tcflag_t) (ECHO|ECHOE|ECHOK|ECHONL);
    silent.c_lflag |= ICANON|ISIG;

    n = -1;

    if (tcsetattr(tty, TCSAFLUSH, &silent) == 0) {
        (void) dprintf(tty, "%s%s: ", prompt, user);

        n = reg_cli_password_wait(tty, &mask, out);
        err = errno;

        (void) tcsetattr(tty, TCSAFLUSH, &before);
        (void) dprintf(tty, "\n");

        errno = err;
    }

    err = errno;

    for (i = 0; i < SIGNALS; i++) {
        (void) sigaction(signals[i], &old[i], NULL);
    }

    (void) sigprocmask(SIG_SETMASK, &mask, NULL);

    /* now that the terminal is as it was */

    if (caught != 0) {
        (void) raise(caught);
        err = EINTR;
        n = -1;
    }

    if (n <= 0) {
        errno = (n == 0) ? EPIPE : err;
        return -1;
    }

    *len = (size_t) n - (out[n - 1] == '\n');

    return 0;
}


/* Waits with the signals let in, then reads. */

static ssize_t
reg_cli_password_wait(int tty, const sigset_t *mask, char *out)
{
    int            rc;
    struct pollfd  p;

    p.fd = tty;
    p.events = POLLIN;

    do {
        rc = ppoll(&p, 1, NULL, mask);
    } while (rc == -1 && errno == EINTR && caught == 0);

    return (rc == -1) ? -1 : read(tty, out, REG_CLI_PASSWORD_SIZE);
}


/* What no client could send, or no server would look at. */

static reg_cli_exit_e
reg_cli_password_check(reg_str_t password)
{
    size_t         i;
    unsigned char  c;

    if (password.len == 0) {
        return reg_cli_fail(REG_CLI_USAGE, "the password is empty");
    }

    if (password.len > REG_PASSWORD_MAX) {
        return reg_cli_fail(REG_CLI_USAGE, "the password is longer than %d "
                            "bytes, which is as far as bcrypt looks",
                            REG_PASSWORD_MAX);
    }

    for (i = 0; i < password.len; i++) {
        c = (unsigned char) password.data[i];

        if (c < 0x20 || c == 0x7f) {
            return reg_cli_fail(REG_CLI_USAGE, "the password has a line end, "
                                "or another control byte, in it: no client "
                                "can send that");
        }
    }

    return REG_CLI_OK;
}
