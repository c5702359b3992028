/* Loaded before the C library (LD_PRELOAD): lets one call of one kind fail, as the test asks
 * through a page of memory that both map. Of the page's kind, the calls are counted while it is
 * armed, and the one numbered `fail_at` fails with `error`; with `lasting` all after it too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind {
    NOTHING,
    MEMORY,
    RECV,
    SEND,
    ACCEPT,
    CONNECT,
    SOCKET,
    EPOLL_CTL,
    EPOLL_WAIT,
    WRITE,
    READ,
    OPEN,
    RANDOM
};

struct page {
    _Atomic uint32_t kind;
    _Atomic uint32_t count;
    _Atomic uint32_t fail_at;
    _Atomic uint32_t lasting;
    _Atomic int32_t error;
};

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static struct page *page;

__attribute__((constructor)) static void map_page(void) {
    const char *path = getenv("FAULT_PAGE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    page = mapped == MAP_FAILED ? NULL : mapped;
    if (fd >= 0) {
        close(fd);
    }
}

static int fails(enum kind kind) {
    if (!page || atomic_load_explicit(&page->kind, memory_order_relaxed) != kind) {
        return 0;
    }
    uint32_t number = atomic_fetch_add(&page->count, 1) + 1;
    uint32_t fail_at = atomic_load(&page->fail_at);
    if (number < fail_at || (number > fail_at && !atomic_load(&page->lasting))) {
        return 0;
    }
    errno = atomic_load(&page->error);
    return 1;
}

void *malloc(size_t size) {
    return fails(MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails(MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return fails(MEMORY) ? NULL : __libc_realloc(old, size);
}

/* NEXT(recv)(...) is the C library's. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t recv(int fd, void *bytes, size_t len, int flags) {
    return fails(RECV) ? -1 : NEXT(recv)(fd, bytes, len, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    return fails(SEND) ? -1 : NEXT(send)(fd, bytes, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return fails(SEND) ? -1 : NEXT(sendmsg)(fd, message, flags);
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict len, int flags) {
    return fails(ACCEPT) ? -1 : NEXT(accept4)(fd, address, len, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t len) {
    return fails(CONNECT) ? -1 : NEXT(connect)(fd, address, len);
}

int socket(int family, int type, int protocol) {
    return fails(SOCKET) ? -1 : NEXT(socket)(family, type, protocol);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    return fails(EPOLL_CTL) ? -1 : NEXT(epoll_ctl)(epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms) {
    return fails(EPOLL_WAIT) ? -1 : NEXT(epoll_wait)(epoll, events, count, timeout_ms);
}

ssize_t write(int fd, const void *bytes, size_t len) {
    return fails(WRITE) ? -1 : NEXT(write)(fd, bytes, len);
}

ssize_t read(int fd, void *bytes, size_t len) {
    return fails(READ) ? -1 : NEXT(read)(fd, bytes, len);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return fails(OPEN) ? -1 : NEXT(open)(path, flags, mode);
}

ssize_t getrandom(void *bytes, size_t len, unsigned flags) {
    return fails(RANDOM) ? -1 : NEXT(getrandom)(bytes, len, flags);
}
