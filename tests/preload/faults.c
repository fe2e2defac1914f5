/* LD_PRELOAD: what happens to files below a directory is recorded, refused, or the last thing that
 * the process does. So a program is killed between its last write and its rename, or finds the disk
 * full in the middle of a file, without knowing anything of it.
 *
 *     FAULTS_UNDER=cut/       only files whose absolute path has this in it
 *     FAULTS_OPS=rename,fsync only these calls (write, fsync, rename, link, unlink); default all
 *     FAULTS_NAME=last.npz    only calls on paths that end in this (a rename's: the new one)
 *     FAULTS_TEXT=report      only writes of bytes that have this in them
 *     FAULTS_KILL=N           SIGKILL in place of the N-th such call, from 1; half of a write is
 * done FAULTS_FAIL=N FAULTS_COUNT=M  calls N to N + M - 1 fail with ENOSPC; half of a write is done
 *     FAULTS_JOURNAL=FILE     every call that did something is appended to FILE (journal.h) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "journal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long seen;
static int journal_fd = -1;

static const char *const op_name[] = {"create", "write", "fsync", "rename", "link", "unlink"};

/* The next definition of a function: the C library's. Read through a union, as ISO C knows no cast
 * from an object pointer to that of a function. */
#define REAL(type, name, ...)          \
    union {                            \
        void *object;                  \
        type (*function)(__VA_ARGS__); \
    } real = {.object = dlsym(RTLD_NEXT, #name)}

static long setting(const char *name)
{
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Absolute, without following the last link. */
static const char *absolute(const char *path, char *buf)
{
    if (path[0] == '/') return path;
    char folder[PATH_MAX];
    if (!getcwd(folder, sizeof folder)) return path;
    if (snprintf(buf, 2 * PATH_MAX, "%s/%s", folder, path) < 0) return path;
    return buf;
}

static const char *path_of_fd(int fd, char *buf)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buf, PATH_MAX);
    buf[n > 0 ? n : 0] = '\0';
    return buf;
}

static bool is_ours(const char *path)
{
    const char *under = getenv("FAULTS_UNDER");
    char with_slash[2 * PATH_MAX + 2];
    snprintf(with_slash, sizeof with_slash, "%s/", path); /* the directory itself is fsynced */
    return under && strstr(with_slash, under) != NULL;
}

typedef enum fate { LIVE, FAIL, KILL } fate;

/* What becomes of this call. The lock is held. */
static fate decide(journal_op op, const char *path, const void *bytes, size_t size)
{
    const char *ops = getenv("FAULTS_OPS"), *name = getenv("FAULTS_NAME");
    const char *text = getenv("FAULTS_TEXT");
    if (op == JOURNAL_CREATE || (ops && !strstr(ops, op_name[op]))) return LIVE;
    if (name && !ends_in(path, name)) return LIVE;
    if (text && !memmem(bytes, size, text, strlen(text))) return LIVE;
    seen++;
    long kill_at = setting("FAULTS_KILL"), first = setting("FAULTS_FAIL");
    long count = setting("FAULTS_COUNT");
    if (kill_at > 0 && seen == kill_at) return KILL;
    return first > 0 && seen >= first && seen < first + (count > 0 ? count : 1) ? FAIL : LIVE;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void put(const void *bytes, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    const char *next = bytes;
    while (size > 0) {
        ssize_t n = real.function(journal_fd, next, size);
        if (n <= 0) return;
        next += n;
        size -= (size_t)n;
    }
}

static void record(journal_op op, const char *path, const char *to, uint64_t offset,
                   const void *bytes, size_t size)
{
    const char *name = getenv("FAULTS_JOURNAL");
    REAL(int, open, const char *, int, ...);
    if (!name) return;
    if (journal_fd < 0)
        journal_fd = real.function(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const journal_entry entry = {.op = op,
                                 .path_bytes = (uint32_t)strlen(path),
                                 .to_bytes = (uint32_t)strlen(to),
                                 .offset = offset,
                                 .size = size};
    put(&entry, sizeof entry);
    put(path, entry.path_bytes);
    put(to, entry.to_bytes);
    put(bytes, size);
}

/* ---- writes ---- */

static ssize_t do_write(int fd, const void *bytes, size_t size, off_t offset)
{
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    union {
        void *object;
        ssize_t (*function)(int, const void *, size_t);
    } at_end = {.object = dlsym(RTLD_NEXT, "write")};
    return offset < 0 ? at_end.function(fd, bytes, size) : real.function(fd, bytes, size, offset);
}

/* offset -1: where the file stands. */
static ssize_t faulty_write(int fd, const void *bytes, size_t size, off_t offset)
{
    char path[PATH_MAX + 1];
    if (fd <= 2 || size == 0 || !is_ours(path_of_fd(fd, path)))
        return do_write(fd, bytes, size, offset);
    pthread_mutex_lock(&lock);
    fate what = decide(JOURNAL_WRITE, path, bytes, size);
    int flags = fcntl(fd, F_GETFL);
    off_t where = offset >= 0 ? offset : lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t n = do_write(fd, bytes, what == LIVE ? size : size / 2, offset);
    int number = errno;
    if (n > 0) record(JOURNAL_WRITE, path, "", (uint64_t)where, bytes, (size_t)n);
    if (what == KILL) die();
    pthread_mutex_unlock(&lock);
    errno = what == FAIL ? ENOSPC : number;
    return what == FAIL ? -1 : n;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return faulty_write(fd, bytes, size, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return faulty_write(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return faulty_write(fd, bytes, size, offset);
}

static ssize_t faulty_writev(int fd, const struct iovec *piece, int n, off_t offset)
{
    ssize_t all = 0;
    for (int i = 0; i < n; i++) {
        ssize_t done = faulty_write(fd, piece[i].iov_base, piece[i].iov_len,
                                    offset < 0 ? offset : offset + all);
        if (done < 0) return all > 0 ? all : done;
        all += done;
        if ((size_t)done < piece[i].iov_len) break;
    }
    return all;
}

ssize_t writev(int fd, const struct iovec *piece, int n)
{
    return faulty_writev(fd, piece, n, -1);
}

ssize_t pwritev(int fd, const struct iovec *piece, int n, off_t offset)
{
    return faulty_writev(fd, piece, n, offset);
}

ssize_t pwritev64(int fd, const struct iovec *piece, int n, off_t offset)
{
    return faulty_writev(fd, piece, n, offset);
}

/* ---- everything else ---- */

/* Begins a call on a path that is ours, with the lock held; sets errno where it has to fail. */
static bool begin(journal_op op, const char *path)
{
    pthread_mutex_lock(&lock);
    fate what = decide(op, path, "", 0);
    if (what == KILL) die();
    if (what == LIVE) return true;
    pthread_mutex_unlock(&lock);
    errno = ENOSPC;
    return false;
}

static int end(journal_op op, int result, const char *path, const char *to)
{
    int number = errno;
    if (result >= 0) record(op, path, to, 0, "", 0);
    pthread_mutex_unlock(&lock);
    errno = number;
    return result;
}

int fsync(int fd)
{
    REAL(int, fsync, int);
    char path[PATH_MAX + 1];
    if (!is_ours(path_of_fd(fd, path))) return real.function(fd);
    return begin(JOURNAL_FSYNC, path) ? end(JOURNAL_FSYNC, real.function(fd), path, "") : -1;
}

int fdatasync(int fd)
{
    return fsync(fd); /* the sizes of our files change, so it flushes the same */
}

int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    char buf[2][2 * PATH_MAX];
    const char *old = absolute(from, buf[0]), *new = absolute(to, buf[1]);
    if (!is_ours(new)) return real.function(from, to);
    return begin(JOURNAL_RENAME, new) ? end(JOURNAL_RENAME, real.function(from, to), old, new) : -1;
}

int link(const char *from, const char *to)
{
    REAL(int, link, const char *, const char *);
    char buf[2][2 * PATH_MAX];
    const char *old = absolute(from, buf[0]), *new = absolute(to, buf[1]);
    if (!is_ours(new)) return real.function(from, to);
    return begin(JOURNAL_LINK, new) ? end(JOURNAL_LINK, real.function(from, to), old, new) : -1;
}

int unlink(const char *name)
{
    REAL(int, unlink, const char *);
    char buf[2 * PATH_MAX];
    const char *path = absolute(name, buf);
    if (!is_ours(path)) return real.function(name);
    return begin(JOURNAL_UNLINK, path) ? end(JOURNAL_UNLINK, real.function(name), path, "") : -1;
}

static int faulty_open(const char *name, int flags, mode_t mode)
{
    REAL(int, open, const char *, int, ...);
    char buf[2 * PATH_MAX];
    struct stat info;
    const char *path = absolute(name, buf);
    if (!(flags & O_CREAT) || !is_ours(path)) return real.function(name, flags, mode);
    pthread_mutex_lock(&lock);
    bool there = lstat(path, &info) == 0;
    int fd = real.function(name, flags, mode);
    if (there && !(flags & O_TRUNC)) {
        pthread_mutex_unlock(&lock);
        return fd;
    }
    return end(JOURNAL_CREATE, fd, path, "");
}

/* The mode stands among the arguments only where a file may be made. */
#define OPEN(name)                                                \
    int name(const char *path, int flags, ...)                    \
    {                                                             \
        va_list args;                                             \
        va_start(args, flags);                                    \
        mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0; \
        va_end(args);                                             \
        return faulty_open(path, flags, mode);                    \
    }
OPEN(open)
OPEN(open64)
