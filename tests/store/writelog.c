/* What a program writes to one file, in order: for replaying power cuts. LD_PRELOADed.
 *
 * WRITELOG_FILE is the end of the path of the file, WRITELOG_OUT where the log goes. A record:
 *
 *     kind (1 byte: W write, D write through a descriptor with O_DSYNC, S sync, M mark)
 *     offset, length (8 bytes each, little-endian), then `length` bytes of data
 *
 * A lock is held from before each call to after its record, so that the order of records is the order
 * of calls. A record is written when the call has returned: what the log ends with has happened.
 */
#define _GNU_SOURCE
#define _LARGEFILE64_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 1024, OURS = 1, DSYNC = 2 };
static char fds[FDS];
static int out = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t raw_write(int fd, const void *data, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, length);
}

static int flags_of(int fd) { return fd >= 0 && fd < FDS ? fds[fd] : 0; }

static void record(char kind, uint64_t offset, const struct iovec *parts, int count, uint64_t length) {
    char head[17];
    if (out < 0) {
        REAL(int, "open", const char *, int, ...);
        out = real(getenv("WRITELOG_OUT"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    head[0] = kind;
    memcpy(head + 1, &offset, 8);
    memcpy(head + 9, &length, 8);
    if (raw_write(out, head, 17) != 17) abort();
    for (int i = 0; i < count && length > 0; i++) {
        size_t part = parts[i].iov_len < length ? parts[i].iov_len : length;
        if (raw_write(out, parts[i].iov_base, part) != (ssize_t)part) abort();
        length -= part;
    }
}

void writelog_mark(const char *text) {
    struct iovec part = {(void *)text, strlen(text)};
    pthread_mutex_lock(&lock);
    record('M', 0, &part, 1, part.iov_len);
    pthread_mutex_unlock(&lock);
}

static int opened(int fd, const char *path, int flags) {
    const char *name = getenv("WRITELOG_FILE");
    size_t all = strlen(path), end = name ? strlen(name) : 0;
    if (fd >= 0 && fd < FDS) {
        fds[fd] = name && all >= end && !strcmp(path + all - end, name) ? OURS : 0;
        if (fds[fd] && (flags & O_DSYNC)) fds[fd] |= DSYNC;
    }
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened(real(path, flags, mode), path, flags); \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FDS) fds[fd] = 0;
    return real(fd);
}

static ssize_t logged(int fd, ssize_t done, const struct iovec *parts, int count, off64_t offset) {
    if (done > 0) record(flags_of(fd) & DSYNC ? 'D' : 'W', (uint64_t)offset, parts, count, (uint64_t)done);
    return done;
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t length, off64_t offset) { \
        REAL(ssize_t, #name, int, const void *, size_t, off64_t); \
        if (!flags_of(fd)) return real(fd, data, length, offset); \
        struct iovec part = {(void *)data, length}; \
        pthread_mutex_lock(&lock); \
        ssize_t done = logged(fd, real(fd, data, length, offset), &part, 1, offset); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name) \
    ssize_t name(int fd, const struct iovec *parts, int count, off64_t offset) { \
        REAL(ssize_t, #name, int, const struct iovec *, int, off64_t); \
        if (!flags_of(fd)) return real(fd, parts, count, offset); \
        pthread_mutex_lock(&lock); \
        ssize_t done = logged(fd, real(fd, parts, count, offset), parts, count, offset); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (!flags_of(fd)) return real(fd, parts, count);
    pthread_mutex_lock(&lock);
    off64_t offset = lseek64(fd, 0, SEEK_CUR);
    ssize_t done = logged(fd, real(fd, parts, count), parts, count, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *data, size_t length) {
    if (!flags_of(fd)) return raw_write(fd, data, length);
    struct iovec part = {(void *)data, length};
    pthread_mutex_lock(&lock);
    off64_t offset = lseek64(fd, 0, SEEK_CUR);
    ssize_t done = logged(fd, raw_write(fd, data, length), &part, 1, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        if (!flags_of(fd)) return real(fd); \
        pthread_mutex_lock(&lock); \
        int done = real(fd); \
        if (!done) record('S', 0, 0, 0, 0); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
SYNC(fsync)
SYNC(fdatasync)
