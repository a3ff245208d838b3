// Counts the file operations of a process under a folder, over all its threads; kills it at one of them, or lets it fail.
//
// Preloaded with LD_PRELOAD, and told what to do by the environment:
//
//   TIDEMILL_SHIM_FOLDER  the folder; what lies elsewhere passes untouched
//   TIDEMILL_SHIM_LOG     a file that gets a line for each operation: its number, its function, its kind of file, its path;
//                         a line that begins with "!" is one that a rule has struck
//   TIDEMILL_SHIM_RULE    "ACTION FUNCTION KIND NTH[+]", several parted by ";": FUNCTION and KIND are patterns (fnmatch), NTH counts
//                         the operations that they fit, from 1; with a "+" all from the NTH on are struck; a KIND with a "/" is a
//                         pattern of the path in the folder
//                           kill    the process is killed instead of the operation
//                           after   the process is killed when the operation is done
//                           tear    half of a write is done, then the process is killed
//                           cut     the folder's file system is shut down, and keeps nothing that was not synced; the process is killed
//                           short   half of a write is done
//                           wait    the operation is done once the file TIDEMILL_SHIM_HEALED exists
//                           slowN   the operation takes N milliseconds more
//                           EIO, ENOSPC, EINTR  the operation fails so, if it can: none but calls that wait are interrupted, and
//                                               those never twice in a row; what needs no room finds room
//   TIDEMILL_SHIM_ARMED   a file; nothing is counted by the rules before it exists
//   TIDEMILL_SHIM_HEALED  a file; once it exists, nothing fails any more
//   TIDEMILL_SHIM_CLOCK   "BASE SPEED [BACK]": from BASE (seconds since 1970) on, the wall clock runs SPEED times as fast, and it is
//                         BACK seconds slow
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// What files in a data folder are, by their path in it; the first that fits counts.
static const char *const KINDS[][2] = {
    {"lock", "lock"},
    {"topics/*/topic.*", "topic.json"},
    {"topics/*.log", "log"},
    {"topics/*.new", "log-draft"},
    {"topics/*.index", "index"},
    {"topics/*/*", "partition"},
    {"topics*", "topics"},
    {"cache.sqlite", "cache"},
    {"cache.sqlite-wal", "wal"},
    {"cache.sqlite-shm", "shm"},
    {"cache.sqlite-journal", "journal"},
    {"spool/*.part", "object-draft"},
    {"spool/object+*", "object"},
    {"spool/*", "segment"},
    {"spool", "spool"},
    {"components*", "component"},
    {"compiled*", "compiled"},
    {"lake/.temp*", "lake-temp"},
    {"lake/.meta/*.parquet", "lake-meta"},
    {"lake/.meta/*.json", "lake-meta"},
    {"lake/*.parquet", "lake-object"},
    {"lake/*.json", "lake-object"},
    {"lake*", "lake-folder"},
    {"", "data"},
    {"*", "other"},
};

enum action { KILL, CUT, AFTER, TEAR, SHORT, WAIT, FAIL, SLOW };

struct rule {
    enum action action;
    // Of what fails; of what is slow, the milliseconds.
    int error;
    char function[32], kind[64];
    unsigned long nth, seen;
    int on;
};

enum { RULES_MAX = 8 };
static struct rule rules[RULES_MAX];
static int rules_count;
static const char *folder, *armed, *healed;
static size_t folder_length;
static int log_fd = -1;
static unsigned long counted;
static long long clock_base, clock_speed, clock_back;
// Set when the power goes: whatever is under way then never comes back, for the file system may call it done or failed at will.
static int dark;
// A call that was interrupted is let through when it is tried again, as a signal that has passed would.
static __thread int interrupted;

// The function that ours stands before, looked up once.
#define REAL(name)                                                                                                         \
    (*({                                                                                                                   \
        static __typeof__(&name) found_;                                                                                   \
        if (!found_) found_ = (__typeof__(&name))real(#name);                                                              \
        found_;                                                                                                            \
    }))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static void parse(char *text) {
    static const struct { const char *name; enum action action; int error; } ACTIONS[] = {
        {"kill", KILL, 0}, {"cut", CUT, 0}, {"after", AFTER, 0}, {"tear", TEAR, 0}, {"short", SHORT, 0},
        {"wait", WAIT, 0},
        {"EIO", FAIL, EIO}, {"ENOSPC", FAIL, ENOSPC}, {"EINTR", FAIL, EINTR},
    };
    char *rest = NULL;
    for (char *one = strtok_r(text, ";", &rest); one && rules_count < RULES_MAX; one = strtok_r(NULL, ";", &rest)) {
        struct rule *rule = &rules[rules_count];
        char action[16], nth[32];
        if (sscanf(one, " %15s %31s %63s %31s", action, rule->function, rule->kind, nth) != 4) abort();
        rule->nth = strtoul(nth, NULL, 10);
        rule->on = strchr(nth, '+') != NULL;
        if (sscanf(action, "slow%d", &rule->error) == 1) {
            rule->action = SLOW;
            rules_count++;
            continue;
        }
        size_t at = 0;
        while (at < sizeof ACTIONS / sizeof *ACTIONS && strcmp(ACTIONS[at].name, action)) at++;
        if (at == sizeof ACTIONS / sizeof *ACTIONS || !rule->nth) abort();
        rule->action = ACTIONS[at].action;
        rule->error = ACTIONS[at].error;
        rules_count++;
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("TIDEMILL_SHIM_CLOCK");
    if (at) sscanf(at, "%lld %lld %lld", &clock_base, &clock_speed, &clock_back);
    armed = getenv("TIDEMILL_SHIM_ARMED");
    healed = getenv("TIDEMILL_SHIM_HEALED");
    if ((at = getenv("TIDEMILL_SHIM_LOG")))
        log_fd = syscall(SYS_openat, AT_FDCWD, at, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if ((at = getenv("TIDEMILL_SHIM_RULE"))) parse(strdup(at));
    const char *under = getenv("TIDEMILL_SHIM_FOLDER");
    // Last: until it is there, nothing is looked at.
    if (under) folder_length = strlen(under), folder = under;
}

static void stand_still(void) {
    for (;;) pause();
}

static void wait_ms(int time) {
    struct timespec left = {time / 1000, time % 1000 * 1000000L};
    while (nanosleep(&left, &left)) {
    }
}

static void die(void) {
    kill(getpid(), SIGKILL);
    stand_still();
}

static int is_dark(void) {
    return __atomic_load_n(&dark, __ATOMIC_SEQ_CST);
}

// What a loss of power does to a file system that has a journal: ext4 and XFS know this call, and the flag not to write the journal.
static void cut(void) {
    unsigned flags = 2;
    __atomic_store_n(&dark, 1, __ATOMIC_SEQ_CST);
    int fd = syscall(SYS_openat, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, _IOR('X', 125, unsigned), &flags)) {
        perror("the file system cannot be shut down");
        abort();
    }
}

// The path below the folder; NULL for what lies elsewhere.
static const char *below(const char *path) {
    if (!folder || strncmp(path, folder, folder_length)) return NULL;
    const char *rest = path + folder_length;
    return *rest == '/' ? rest + 1 : *rest ? NULL : rest;
}

static const char *of_fd(int fd, char path[PATH_MAX]) {
    char link[64];
    if (!folder || fd < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0 || path[0] != '/') return NULL;
    path[length] = 0;
    static const char GONE[] = " (deleted)";
    size_t gone = sizeof GONE - 1;
    if ((size_t)length > gone && !strcmp(path + length - gone, GONE)) path[length - gone] = 0;
    return below(path);
}

static const char *of_path(int at, const char *name, char path[PATH_MAX]) {
    if (!folder || !name) return NULL;
    if (name[0] == '/') return below(name);
    char base[PATH_MAX];
    if (at == AT_FDCWD) {
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", base, PATH_MAX - 1);
        if (length <= 0) return NULL;
        base[length] = 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, base, PATH_MAX - 1);
        if (length <= 0) return NULL;
        base[length] = 0;
    }
    if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return NULL;
    return below(path);
}

static int there(const char *file) {
    return file && syscall(SYS_faccessat, AT_FDCWD, file, F_OK) == 0;
}

static int starts(const char *function, const char *with) {
    return !strncmp(function, with, strlen(with));
}

// Whether a function can fail so at all.
static int can_fail(const char *function, int error) {
    if (error == EINTR)
        return starts(function, "open") || strstr(function, "write") || strstr(function, "truncate") ||
               strstr(function, "fallocate") || strstr(function, "sync");
    if (error == ENOSPC) return !starts(function, "unlink") && !starts(function, "rmdir") && !strstr(function, "truncate");
    return 1;
}

// Counts an operation; what is to become of it: nothing (NULL) or what the rule says.
static struct rule *strike(const char *function, const char *path) {
    int before = errno;
    if (is_dark()) stand_still();
    const char *kind = "other";
    for (size_t at = 0; at < sizeof KINDS / sizeof *KINDS; at++)
        if (!fnmatch(KINDS[at][0], path, 0)) {
            kind = KINDS[at][1];
            break;
        }
    unsigned long number = __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST);
    struct rule *struck = NULL;
    int counts = rules_count && (!armed || there(armed));
    for (int at = 0; counts && at < rules_count && !struck; at++) {
        struct rule *rule = &rules[at];
        if (fnmatch(rule->function, function, 0)) continue;
        if (fnmatch(rule->kind, strchr(rule->kind, '/') ? path : kind, 0)) continue;
        unsigned long seen = __atomic_add_fetch(&rule->seen, 1, __ATOMIC_SEQ_CST);
        if (rule->on ? seen < rule->nth : seen != rule->nth) continue;
        if (rule->action >= SHORT && there(healed)) continue;
        if (rule->action == FAIL && !can_fail(function, rule->error)) continue;
        if (rule->action == FAIL && rule->error == EINTR && (interrupted = !interrupted) == 0) continue;
        struck = rule;
    }
    if (log_fd >= 0) {
        char line[PATH_MAX + 128];
        int length =
            snprintf(line, sizeof line, "%s%lu %s %s %s\n", struck ? "!" : "", number, function, kind, path);
        if (length > 0) syscall(SYS_write, log_fd, line, (size_t)length);
    }
    if (struck && struck->action == SLOW) {
        wait_ms(struck->error);
        struck = NULL;
    }
    if (struck && struck->action == CUT) cut();
    if (struck && struck->action <= CUT) die();
    while (struck && struck->action == WAIT && !there(healed)) nanosleep(&(struct timespec){0, 1000000}, NULL);
    errno = before;
    return struck;
}

// What an operation comes to that writes nothing: done, or failed.
#define PLAIN(name, path, call)                                                                                            \
    do {                                                                                                                   \
        const char *at_ = (path);                                                                                          \
        struct rule *rule_ = at_ ? strike(#name, at_) : NULL;                                                              \
        if (rule_ && rule_->action == TEAR) die();                                                                         \
        if (rule_ && rule_->action == FAIL) return errno = rule_->error, -1;                                               \
        __typeof__(call) done_ = (call);                                                                                   \
        if (at_ && is_dark()) stand_still();                                                                               \
        if (rule_ && rule_->action == AFTER) die();                                                                        \
        return done_;                                                                                                      \
    } while (0)

// A write of `size` bytes: done, half done, or failed.
#define WRITE(name, path, size, call, half)                                                                                \
    do {                                                                                                                   \
        const char *at_ = (path);                                                                                          \
        struct rule *rule_ = at_ ? strike(#name, at_) : NULL;                                                              \
        if (rule_ && rule_->action == FAIL) return errno = rule_->error, -1;                                               \
        int in_half_ = rule_ && (rule_->action == TEAR || rule_->action == SHORT) && (size) > 1;                           \
        ssize_t done_ = in_half_ ? (half) : (call);                                                                        \
        if (at_ && is_dark()) stand_still();                                                                               \
        if (rule_ && (rule_->action == AFTER || rule_->action == TEAR)) die();                                             \
        return done_;                                                                                                      \
    } while (0)

static int changes(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
}

#define OPEN(name, at, file, flags, ...)                                                                                   \
    do {                                                                                                                   \
        mode_t mode = 0;                                                                                                   \
        if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
            va_list more;                                                                                                  \
            va_start(more, flags);                                                                                         \
            mode = va_arg(more, mode_t);                                                                                   \
            va_end(more);                                                                                                  \
        }                                                                                                                  \
        char path[PATH_MAX];                                                                                               \
        PLAIN(name, changes(flags) ? of_path(at, file, path) : NULL, REAL(name)(__VA_ARGS__, flags, mode));                \
    } while (0)

int open(const char *file, int flags, ...) { OPEN(open, AT_FDCWD, file, flags, file); }
int open64(const char *file, int flags, ...) { OPEN(open64, AT_FDCWD, file, flags, file); }
int openat(int at, const char *file, int flags, ...) { OPEN(openat, at, file, flags, at, file); }
int openat64(int at, const char *file, int flags, ...) { OPEN(openat64, at, file, flags, at, file); }

int creat(const char *file, mode_t mode) {
    char path[PATH_MAX];
    PLAIN(creat, of_path(AT_FDCWD, file, path), REAL(creat)(file, mode));
}

ssize_t write(int fd, const void *bytes, size_t size) {
    char path[PATH_MAX];
    WRITE(write, of_fd(fd, path), size, REAL(write)(fd, bytes, size), REAL(write)(fd, bytes, size / 2));
}

#define PWRITE(name)                                                                                                       \
    ssize_t name(int fd, const void *bytes, size_t size, off_t to) {                                                       \
        char path[PATH_MAX];                                                                                               \
        WRITE(name, of_fd(fd, path), size, REAL(name)(fd, bytes, size, to), REAL(name)(fd, bytes, size / 2, to));          \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

static size_t sum(const struct iovec *parts, int count) {
    size_t bytes = 0;
    for (int at = 0; at < count; at++) bytes += parts[at].iov_len;
    return bytes;
}

// The first half of what is to be written, from one part after another, as one write of it would.
static ssize_t half_of(int fd, const struct iovec *parts, int count, off_t to) {
    size_t left = sum(parts, count) / 2;
    char *bytes = malloc(left), *next = bytes;
    if (!bytes) abort();
    for (int at = 0; left > 0 && at < count; at++) {
        size_t size = parts[at].iov_len < left ? parts[at].iov_len : left;
        memcpy(next, parts[at].iov_base, size);
        next += size, left -= size;
    }
    size_t size = (size_t)(next - bytes);
    ssize_t done = to < 0 ? REAL(write)(fd, bytes, size) : REAL(pwrite)(fd, bytes, size, to);
    free(bytes);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    WRITE(writev, of_fd(fd, path), sum(parts, count), REAL(writev)(fd, parts, count), half_of(fd, parts, count, -1));
}

#define PWRITEV(name)                                                                                                      \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t to) {                                                 \
        char path[PATH_MAX];                                                                                               \
        WRITE(name, of_fd(fd, path), sum(parts, count), REAL(name)(fd, parts, count, to), half_of(fd, parts, count, to));  \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define PWRITEV2(name)                                                                                                     \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t to, int flags) {                                      \
        char path[PATH_MAX];                                                                                               \
        WRITE(name, of_fd(fd, path), sum(parts, count), REAL(name)(fd, parts, count, to, flags),                           \
              half_of(fd, parts, count, to));                                                                              \
    }
PWRITEV2(pwritev2)
PWRITEV2(pwritev64v2)

ssize_t copy_file_range(int from, off64_t *from_at, int fd, off64_t *to, size_t size, unsigned flags) {
    char path[PATH_MAX];
    WRITE(copy_file_range, of_fd(fd, path), size, REAL(copy_file_range)(from, from_at, fd, to, size, flags),
          REAL(copy_file_range)(from, from_at, fd, to, size / 2, flags));
}

#define SENDFILE(name, offset)                                                                                             \
    ssize_t name(int fd, int from, offset *from_at, size_t size) {                                                         \
        char path[PATH_MAX];                                                                                               \
        WRITE(name, of_fd(fd, path), size, REAL(name)(fd, from, from_at, size), REAL(name)(fd, from, from_at, size / 2));  \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

#define ON_FD(type, name, declared, ...)                                                                                   \
    type name declared {                                                                                                   \
        char path[PATH_MAX];                                                                                               \
        PLAIN(name, of_fd(fd, path), REAL(name)(__VA_ARGS__));                                                             \
    }
ON_FD(int, fsync, (int fd), fd)
ON_FD(int, fdatasync, (int fd), fd)
ON_FD(int, syncfs, (int fd), fd)
ON_FD(int, sync_file_range, (int fd, off64_t from, off64_t size, unsigned flags), fd, from, size, flags)
ON_FD(int, ftruncate, (int fd, off_t size), fd, size)
ON_FD(int, ftruncate64, (int fd, off64_t size), fd, size)
ON_FD(int, fallocate, (int fd, int mode, off_t from, off_t size), fd, mode, from, size)
ON_FD(int, fallocate64, (int fd, int mode, off64_t from, off64_t size), fd, mode, from, size)
ON_FD(int, fchmod, (int fd, mode_t mode), fd, mode)
ON_FD(int, futimens, (int fd, const struct timespec times[2]), fd, times)

// The error is the answer here.
#define POSIX_FALLOCATE(name, offset)                                                                                      \
    int name(int fd, offset from, offset size) {                                                                           \
        char path[PATH_MAX];                                                                                               \
        const char *at = of_fd(fd, path);                                                                                  \
        struct rule *rule = at ? strike(#name, at) : NULL;                                                                 \
        if (rule && rule->action == FAIL) return rule->error;                                                              \
        int done = REAL(name)(fd, from, size);                                                                             \
        if (rule && rule->action == AFTER) die();                                                                          \
        return done;                                                                                                       \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define ON_PATH(name, at, file, declared, ...)                                                                             \
    int name declared {                                                                                                    \
        char path[PATH_MAX];                                                                                               \
        PLAIN(name, of_path(at, file, path), REAL(name)(__VA_ARGS__));                                                     \
    }
ON_PATH(truncate, AT_FDCWD, file, (const char *file, off_t size), file, size)
ON_PATH(truncate64, AT_FDCWD, file, (const char *file, off64_t size), file, size)
ON_PATH(rename, AT_FDCWD, to, (const char *from, const char *to), from, to)
ON_PATH(renameat, at, to, (int of, const char *from, int at, const char *to), of, from, at, to)
ON_PATH(renameat2, at, to, (int of, const char *from, int at, const char *to, unsigned flags), of, from, at, to, flags)
ON_PATH(link, AT_FDCWD, to, (const char *from, const char *to), from, to)
ON_PATH(linkat, at, to, (int of, const char *from, int at, const char *to, int flags), of, from, at, to, flags)
ON_PATH(symlink, AT_FDCWD, to, (const char *from, const char *to), from, to)
ON_PATH(symlinkat, at, to, (const char *from, int at, const char *to), from, at, to)
ON_PATH(unlink, AT_FDCWD, file, (const char *file), file)
ON_PATH(unlinkat, at, file, (int at, const char *file, int flags), at, file, flags)
ON_PATH(remove, AT_FDCWD, file, (const char *file), file)
ON_PATH(rmdir, AT_FDCWD, file, (const char *file), file)
ON_PATH(mkdir, AT_FDCWD, file, (const char *file, mode_t mode), file, mode)
ON_PATH(mkdirat, at, file, (int at, const char *file, mode_t mode), at, file, mode)
ON_PATH(chmod, AT_FDCWD, file, (const char *file, mode_t mode), file, mode)
ON_PATH(utimensat, at, file, (int at, const char *file, const struct timespec times[2], int flags), at, file, times, flags)

// Which file is mapped there is not looked up: nothing in a data folder is expected to be synced so.
int msync(void *from, size_t size, int flags) { PLAIN(msync, folder ? "" : NULL, REAL(msync)(from, size, flags)); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = REAL(clock_gettime)(clock, now);
    if (!done && clock_speed && clock == CLOCK_REALTIME) {
        long long passed = (now->tv_sec - clock_base) * 1000000000LL + now->tv_nsec;
        passed *= clock_speed;
        now->tv_sec = clock_base + passed / 1000000000LL - clock_back;
        now->tv_nsec = passed % 1000000000LL;
    }
    return done;
}
