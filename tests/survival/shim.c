/* Lets one system call below a folder fail: the n-th of a kind, with an error of choice.
 *
 * Preloaded into a process, it stands between libc and everything in the process that writes, in
 * Python or not. `fault_arm` says what to fail, `fault_seen` how many such calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN, WRITE, FSYNC, RENAME };

static char root[4096];
static int armed = -1, error_number, persistent;
static long wanted;
static atomic_long seen;

void fault_arm(const char *folder, int kind, long n, int number, int stay) {
    snprintf(root, sizeof root, "%s/", folder);
    wanted = n, error_number = number, persistent = stay;
    atomic_store(&seen, 0);
    armed = kind;
}

long fault_seen(void) { return atomic_load(&seen); }

static int below(const char *path) { return path && !strncmp(path, root, strlen(root)); }

static int fails(int kind, int here) {
    if (kind != armed || !here) return 0;
    long mine = atomic_fetch_add(&seen, 1) + 1;
    if (persistent ? mine < wanted : mine != wanted) return 0;
    errno = error_number;
    return 1;
}

static int fd_below(int fd) {
    char link[64], path[4096];
    if (armed < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int at_below(int at, const char *path) {
    return armed >= 0 && path && (path[0] == '/' ? below(path) : at != AT_FDCWD && fd_below(at));
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(name); \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (fails(OPEN, WRITES(flags) && at_below(AT_FDCWD, path))) return -1; \
        return next(path, flags, mode); \
    }
#define OPENS_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        NEXT(name); \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (fails(OPEN, WRITES(flags) && at_below(at, path))) return -1; \
        return next(at, path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

#define PASS(name, kind, type, given, called, first) \
    type name given { \
        NEXT(name); \
        if (fails(kind, fd_below(first))) return -1; \
        return next called; \
    }
PASS(write, WRITE, ssize_t, (int fd, const void *data, size_t n), (fd, data, n), fd)
PASS(pwrite, WRITE, ssize_t, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at), fd)
PASS(pwrite64, WRITE, ssize_t, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at), fd)
PASS(writev, WRITE, ssize_t, (int fd, const struct iovec *v, int n), (fd, v, n), fd)
PASS(pwritev, WRITE, ssize_t, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), fd)
PASS(fsync, FSYNC, int, (int fd), (fd), fd)
PASS(fdatasync, FSYNC, int, (int fd), (fd), fd)

int rename(const char *a, const char *b) {
    NEXT(rename);
    if (fails(RENAME, at_below(AT_FDCWD, b))) return -1;
    return next(a, b);
}
int renameat(int at, const char *a, int to, const char *b) {
    NEXT(renameat);
    if (fails(RENAME, at_below(to, b))) return -1;
    return next(at, a, to, b);
}
int renameat2(int at, const char *a, int to, const char *b, unsigned flags) {
    NEXT(renameat2);
    if (fails(RENAME, at_below(to, b))) return -1;
    return next(at, a, to, b, flags);
}
int link(const char *a, const char *b) {
    NEXT(link);
    if (fails(RENAME, at_below(AT_FDCWD, b))) return -1;
    return next(a, b);
}
int linkat(int at, const char *a, int to, const char *b, int flags) {
    NEXT(linkat);
    if (fails(RENAME, at_below(to, b))) return -1;
    return next(at, a, to, b, flags);
}
