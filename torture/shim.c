/* Library that is put in front of libc, so that a process meets a disk that fails and a clock that
 * jumps. What it does is in a file that other processes write; see shim.py.
 *
 * Only files whose name has "bus.db" in it fail. The clock is that of the day; the one that only
 * goes forward is left alone, as on a machine whose time somebody sets.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, READS = 4 };

struct control {
  int64_t clock_offset_ns;
  int64_t operations; /* which of the above fail */
  int64_t error;      /* as errno */
  int64_t every;      /* one in so many fails */
  int64_t seen;
  int64_t failed;
};

static struct control nothing;
static volatile struct control *control = &nothing;
static unsigned char ours[65536];

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("TORTURE_SHIM");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *found = mmap(0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (found != MAP_FAILED) control = found;
  close(fd);
}

static int fails(int fd, int operation) {
  if (!(control->operations & operation) || fd < 0 || fd >= (int)sizeof ours || !ours[fd]) return 0;
  if (__atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST) % control->every) return 0;
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
  errno = (int)control->error;
  return 1;
}

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); \
    va_list more; \
    va_start(more, flags); \
    int fd = real(path, flags, va_arg(more, int)); \
    va_end(more); \
    if (fd >= 0 && fd < (int)sizeof ours) ours[fd] = strstr(path, "bus.db") != NULL; \
    return fd; \
  }
OPEN(open)
OPEN(open64)

#define WITH_DISK(operation, type, name, parameters, arguments) \
  type name parameters { \
    REAL(name); \
    return fails(fd, operation) ? -1 : real arguments; \
  }
WITH_DISK(WRITES, ssize_t, pwrite, (int fd, const void *d, size_t n, off_t at), (fd, d, n, at))
WITH_DISK(WRITES, ssize_t, pwrite64, (int fd, const void *d, size_t n, off64_t at), (fd, d, n, at))
WITH_DISK(WRITES, ssize_t, write, (int fd, const void *d, size_t n), (fd, d, n))
WITH_DISK(WRITES, int, ftruncate64, (int fd, off64_t size), (fd, size))
WITH_DISK(SYNCS, int, fsync, (int fd), (fd))
WITH_DISK(SYNCS, int, fdatasync, (int fd), (fd))
WITH_DISK(READS, ssize_t, pread, (int fd, void *d, size_t n, off_t at), (fd, d, n, at))
WITH_DISK(READS, ssize_t, pread64, (int fd, void *d, size_t n, off64_t at), (fd, d, n, at))

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime);
  int failed = real(clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + control->clock_offset_ns;
    now->tv_sec = ns / 1000000000LL;
    now->tv_nsec = ns % 1000000000LL;
  }
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec precise;
  int failed = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *where) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (where) *where = now.tv_sec;
  return now.tv_sec;
}
