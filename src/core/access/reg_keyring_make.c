
/*
 * The file is written under a name that nobody else uses and then linked to
 * its own: link() fails where there is something, so that of any number of
 * makers one has made the key, and all of them read it.
 */


#include "reg_keyring.h"
#include "reg_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>


#define REG_KEYRING_PATH      4096
#define REG_KEYRING_DIR_MODE  0755


static int reg_keyring_directory(char *path, reg_why_t *why);
static int reg_keyring_write(const char *temp, reg_str_t text,
    reg_why_t *why);
static int reg_keyring_link(const char *temp, const char *path,
    reg_why_t *why);
static int reg_keyring_sync(char *path, reg_why_t *why);
static int reg_keyring_failed(reg_why_t *why, const char *call,
    const char *path);


int
reg_keyring_make(const char *path, reg_jws_e alg, reg_why_t *why)
{
    int            rc;
    char           dir[REG_KEYRING_PATH];
    char           temp[REG_KEYRING_PATH + REG_UUID_LEN + 2];
    char           id[REG_UUID_LEN + 1];
    reg_buf_t      text;
    reg_signer_t  *signer;

    if (strlen(path) >= REG_KEYRING_PATH || reg_uuid_make(id) != 0) {
        return reg_why_set(why, "its name is too long, or no random bytes can "
                           "be had");
    }

    (void) snprintf(dir, sizeof(dir), "%s", path);
    (void) snprintf(temp, sizeof(temp), "%s.%s", path, id);

    signer = reg_signer_make(alg, why);

    if (signer == NULL) {
        return -1;
    }

    reg_buf_init(&text, REG_SIGNER_PEM_MAX);

    if (reg_signer_print(&text, signer) != 0) {
        rc = reg_why_set(why, "out of memory");

    } else if (reg_keyring_directory(dir, why) == 0
               && reg_keyring_write(temp, reg_buf_slice(&text), why) == 0
               && reg_keyring_link(temp, path, why) == 0)
    {
        rc = reg_keyring_sync(dir, why);

    } else {
        rc = -1;
    }

    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.size);
    }

    reg_buf_free(&text);
    reg_signer_free(signer);

    return rc;
}


/* Makes the directory of path, and those above it. */

static int
reg_keyring_directory(char *path, reg_why_t *why)
{
    int    rc;
    char  *slash;

    slash = strrchr(path, '/');

    if (slash == NULL || slash == path) {
        return 0;
    }

    *slash = '\0';

    rc = 0;

    if (mkdir(path, REG_KEYRING_DIR_MODE) == -1 && errno != EEXIST) {

        if (errno != ENOENT) {
            rc = reg_keyring_failed(why, "mkdir()", path);

        } else {
            rc = reg_keyring_directory(path, why);

            if (rc == 0 && mkdir(path, REG_KEYRING_DIR_MODE) == -1
                && errno != EEXIST)
            {
                rc = reg_keyring_failed(why, "mkdir()", path);
            }
        }
    }

    *slash = '/';

    return rc;
}


static int
reg_keyring_write(const char *temp, reg_str_t text, reg_why_t *why)
{
    int      fd, err;
    ssize_t  n;

    fd = open(temp, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);

    if (fd == -1) {
        return reg_keyring_failed(why, "open()", temp);
    }

    err = 0;

    while (text.len != 0) {
        n = write(fd, text.data, text.len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            err = errno;
            break;
        }

        text.data += n;
        text.len -= (size_t) n;
    }

    if (err == 0 && fsync(fd) == -1) {
        err = errno;
    }

    if (close(fd) == -1 && err == 0) {
        err = errno;
    }

    if (err != 0) {
        (void) unlink(temp);
        errno = err;
        return reg_keyring_failed(why, "write()", temp);
    }

    return 0;
}


static int
reg_keyring_link(const char *temp, const char *path, reg_why_t *why)
{
    int  rc;

    rc = 0;

    if (link(temp, path) == -1 && errno != EEXIST) {
        rc = reg_keyring_failed(why, "link()", path);
    }

    (void) unlink(temp);

    return rc;
}


static int
reg_keyring_sync(char *path, reg_why_t *why)
{
    int    fd, rc;
    char  *slash;

    slash = strrchr(path, '/');

    if (slash == NULL) {
        path = ".";

    } else {
        slash[(slash == path) ? 1 : 0] = '\0';
    }

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return reg_keyring_failed(why, "open()", path);
    }

    rc = (fsync(fd) == -1) ? reg_keyring_failed(why, "fsync()", path) : 0;

    (void) close(fd);

    return rc;
}


static int
reg_keyring_failed(reg_why_t *why, const char *call, const char *path)
{
    return reg_why_set(why, "%s \"%s\" failed: %s", call, path,
                       strerror(errno));
}
