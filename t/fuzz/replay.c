/*
 * Replays a corpus through a fuzzer's entry without libFuzzer, so that every
 * compiler, with or without sanitizers, runs it in every test run:
 *
 *     <name>_replay FILE|DIRECTORY...
 *
 * Each file is fed whole, then cut short at every length up to CUT_MAX: most
 * faults of a parser are reads past an early end.  The bytes stand in a block
 * of exactly their length, so a sanitizer sees the first byte too many.
 * Output is TAP, one test a file; a crash shows as a plan that is not met,
 * after a line that names the file.
 */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>


#define CUT_MAX   512
#define SIZE_CAP  (16 * 1024 * 1024)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_path(const char *path);
static int replay_dir(const char *path);
static int replay_file(const char *path, size_t size);
static int replay_bytes(const uint8_t *data, size_t size);


static unsigned  count;


int
main(int argc, char **argv)
{
    int  i, rc;

    setvbuf(stdout, NULL, _IOLBF, 0);

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
        return 2;
    }

    printf("# the empty input\n");

    if (replay_bytes(NULL, 0) != 0) {
        return 1;
    }

    printf("ok %u - the empty input\n", ++count);

    rc = 0;

    for (i = 1; i < argc; i++) {
        if (replay_path(argv[i]) != 0) {
            rc = 1;
        }
    }

    /* a corpus that was not found must not pass for a clean one */

    if (count == 1) {
        fprintf(stderr, "no file to replay\n");
        rc = 1;
    }

    printf("1..%u\n", count);

    return rc;
}


static int
replay_path(const char *path)
{
    struct stat  st;

    if (stat(path, &st) == -1) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }

    if (S_ISDIR(st.st_mode)) {
        return replay_dir(path);
    }

    if (st.st_size > SIZE_CAP) {
        fprintf(stderr, "%s: larger than %d bytes\n", path, SIZE_CAP);
        return -1;
    }

    return replay_file(path, (size_t) st.st_size);
}


static int
replay_dir(const char *path)
{
    int             i, n, rc;
    char           *child;
    size_t          size;
    struct dirent **list;

    n = scandir(path, &list, NULL, alphasort);

    if (n == -1) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }

    rc = 0;

    for (i = 0; i < n; i++) {

        if (list[i]->d_name[0] != '.') {
            size = strlen(path) + strlen(list[i]->d_name) + sizeof("/");
            child = malloc(size);

            if (child == NULL) {
                fprintf(stderr, "out of memory\n");
                exit(2);
            }

            snprintf(child, size, "%s/%s", path, list[i]->d_name);

            if (replay_path(child) != 0) {
                rc = -1;
            }

            free(child);
        }

        free(list[i]);
    }

    free(list);

    return rc;
}


static int
replay_file(const char *path, size_t size)
{
    FILE     *f;
    size_t    cut, n;
    uint8_t  *data;

    f = fopen(path, "rb");

    if (f == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }

    data = malloc(size ? size : 1);

    if (data == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }

    n = fread(data, 1, size, f);
    fclose(f);

    if (n != size) {
        fprintf(stderr, "%s: short read\n", path);
        free(data);
        return -1;
    }

    printf("# %s, %zu bytes\n", path, size);

    if (replay_bytes(data, size) != 0) {
        free(data);
        return -1;
    }

    for (cut = 1; cut < size && cut <= CUT_MAX; cut++) {
        if (replay_bytes(data, cut) != 0) {
            free(data);
            return -1;
        }
    }

    free(data);

    printf("ok %u - %s\n", ++count, path);

    return 0;
}


static int
replay_bytes(const uint8_t *data, size_t size)
{
    int       rc;
    uint8_t  *exact;

    /* malloc(0) gives a block too, whose first byte is already one too many */

    exact = malloc(size);

    if (exact == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }

    if (size != 0) {
        memcpy(exact, data, size);
    }

    rc = LLVMFuzzerTestOneInput(exact, size);

    free(exact);

    /* -1 says "not for the corpus", which is no fault */

    if (rc != 0 && rc != -1) {
        fprintf(stderr, "the fuzzer's entry returned %d\n", rc);
        return -1;
    }

    return 0;
}
