/* Preloaded into a gateway: every write, fdatasync and fsync of a file on one file system takes so many milliseconds,
 * as a file says that may change at any time. Nothing else is touched; a call that waits goes on once the file says 0. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_MS = 5 };

static long told_ms(void) {
    char text[16] = {0};
    const char *path = getenv("SLOW_DISK_MS");
    long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return atol(text);
}

static int is_on_the_disk(int fd) {
    struct stat disk, file;
    const char *folder = getenv("SLOW_DISK");
    return folder && !fstat(fd, &file) && (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)) && !stat(folder, &disk) &&
           disk.st_dev == file.st_dev;
}

static void take_time(int fd) {
    const int before = errno;
    if (is_on_the_disk(fd)) {
        const struct timespec slice = {0, SLICE_MS * 1000000L};
        for (long passed = 0; passed < told_ms(); passed += SLICE_MS) syscall(SYS_nanosleep, &slice, NULL);
    }
    errno = before;
}

ssize_t write(int fd, const void *content, size_t count) {
    take_time(fd);
    return syscall(SYS_write, fd, content, count);
}

int fdatasync(int fd) {
    take_time(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    take_time(fd);
    return (int)syscall(SYS_fsync, fd);
}
