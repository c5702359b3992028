/* Blocks travel one way through the writer's mailbox and come back through an atomic list per sink.
 * A sink has a limit of them: that is the bound on what may wait to be written. A sink
 * outlives its blocks because audit_sink_free() waits. */
#include "proxy/audit_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mailbox.h"

enum {
    BLOCK_BYTES = 80 * 1024,
    BLOCK_ROOM = BLOCK_BYTES - AUDIT_LINE_MAX, /* the rest may be lost at a block's end */
    FREE_BLOCKS_KEPT = 4,                      /* the rest goes back to the system */
    WORTH_SENDING = 48 * 1024, /* a block that goes out although another is on its way */
    RETRY_MS = 100,
    STALL_MS = 500,     /* a log that takes nothing for so long is failing */
    END_WAIT_MS = 2000, /* for what is still to be written when the process ends */
};

struct audit_block {
    struct message message;
    struct audit_sink *sink; /* NULL: freed after writing */
    struct audit_block *next_free;
    size_t len;
    char bytes[];
};

struct audit_writer {
    pthread_t thread;
    struct mailbox *mailbox;
    char *file;
    int fd;
    bool drop_when_full;
    bool is_ending;          /* writer's thread */
    _Atomic bool is_failing; /* the last write failed and is tried again */
    _Atomic bool gives_up;   /* the process ends: no more retries */
    _Atomic bool wants_reopen;
    bool is_file;        /* writer's thread: a regular file never blocks, anything else may */
    bool is_within_line; /* writer's thread: the log ends in half a line */
    _Atomic uint64_t dropped_lines;
};

struct audit_sink {
    struct audit_writer *writer;
    struct audit_block *current;
    struct audit_block *free_blocks;
    size_t free_count;
    size_t block_limit;
    size_t blocks_out; /* handed over and not back */
    _Atomic(struct audit_block *) returned;
    size_t reserved_bytes;
};

static bool fd_is_file(int fd) {
    struct stat entry;
    return fstat(fd, &entry) == 0 && S_ISREG(entry.st_mode);
}

static enum status writer_open(struct audit_writer *writer, struct error *err) {
    if (!writer->file) {
        writer->fd = STDOUT_FILENO;
        writer->is_file = fd_is_file(writer->fd);
        return STATUS_OK;
    }
    int fd = open(writer->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        return error_set(err, STATUS_IO, "cannot open the audit log %s: %s", writer->file,
                         strerror(errno));
    }
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    writer->fd = fd;
    writer->is_file = fd_is_file(fd);
    return STATUS_OK;
}

static void writer_report_failure(struct audit_writer *writer) {
    if (!atomic_exchange(&writer->is_failing, true)) {
        LOG_EVENT(LOG_ERROR, "audit", LOG_STR("problem", "the audit log cannot be written"),
                  LOG_STR("error", strerror(errno)));
    }
}

static uint32_t count_lines(struct slice bytes) {
    uint32_t lines = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        lines += bytes.ptr[i] == '\n';
    }
    return lines;
}

/* Gives up on what was not written; a line that was cut stays half, the next one begins anew. */
static void writer_drop(struct audit_writer *writer, struct slice rest, bool is_cut) {
    atomic_fetch_add(&writer->dropped_lines, count_lines(rest));
    writer->is_within_line |= is_cut;
}

static void writer_pause(void) {
    struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    nanosleep(&pause, NULL);
}

static void writer_reopen_if_wanted(struct audit_writer *writer) {
    struct error err;
    if (atomic_exchange(&writer->wants_reopen, false) && writer_open(writer, &err) != STATUS_OK) {
        LOG_EVENT(LOG_ERROR, "audit", LOG_STR("problem", err.text));
    }
}

/* Waits until the log takes bytes: a reader that has paused must count as a failing log, and must
 * not hold this thread for ever. */
static bool writer_is_ready(const struct audit_writer *writer) {
    if (writer->is_file) {
        return true;
    }
    struct pollfd poll_fd = {.fd = writer->fd, .events = POLLOUT};
    return poll(&poll_fd, 1, STALL_MS) == 1 && (poll_fd.revents & POLLOUT);
}

/* One try. False when the log did not take a byte. What is ready takes at least PIPE_BUF at once.
 */
static bool writer_try(struct audit_writer *writer, struct slice bytes, size_t *in_out_done) {
    size_t len = bytes.len - *in_out_done;
    if (!writer->is_file && len > PIPE_BUF) {
        len = PIPE_BUF;
    }
    errno = ETIMEDOUT;
    ssize_t n = -1;
    if (writer_is_ready(writer)) {
        do {
            n = write(writer->fd, bytes.ptr + *in_out_done, len);
        } while (n < 0 && errno == EINTR);
    }
    if (n <= 0) {
        writer_report_failure(writer);
        return false;
    }
    *in_out_done += (size_t)n;
    atomic_store(&writer->is_failing, false);
    return true;
}

/* Ends the half line that an earlier drop left. */
static bool writer_try_newline(struct audit_writer *writer) {
    size_t done = 0;
    writer->is_within_line = !writer_try(writer, SLICE("\n"), &done);
    return !writer->is_within_line;
}

static void writer_write(struct audit_writer *writer, struct slice bytes) {
    size_t done = 0;
    while (done < bytes.len) {
        bool was_taken =
            writer->is_within_line ? writer_try_newline(writer) : writer_try(writer, bytes, &done);
        if (was_taken) {
            continue;
        }
        if (writer->drop_when_full || atomic_load(&writer->gives_up)) {
            writer_drop(writer, slice_skip(bytes, done), done > 0 && bytes.ptr[done - 1] != '\n');
            return;
        }
        writer_pause();
        writer_reopen_if_wanted(writer); /* its message waits behind this write */
    }
}

static void block_give_back(struct audit_block *block) {
    struct audit_sink *sink = block->sink;
    if (!sink) {
        free(block);
        return;
    }
    block->next_free = atomic_load_explicit(&sink->returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&sink->returned, &block->next_free, block,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

static void deliver_block(struct message *message, void *receiver) {
    struct audit_block *block = (struct audit_block *)message;
    writer_write(receiver, slice_of(block->bytes, block->len));
    block_give_back(block);
}

static void deliver_reopen(struct message *message, void *receiver) {
    writer_reopen_if_wanted(receiver);
    free(message);
}

static void deliver_end(struct message *message, void *receiver) {
    struct audit_writer *writer = receiver;
    writer->is_ending = true;
    free(message);
}

static void *writer_main(void *argument) {
    struct audit_writer *writer = argument;
    while (!writer->is_ending) {
        mailbox_wait(writer->mailbox);
        mailbox_deliver(writer->mailbox);
    }
    return NULL;
}

struct audit_writer *audit_writer_new(const char *file, bool drop_when_full, struct error *err) {
    struct audit_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    writer->fd = -1;
    writer->drop_when_full = drop_when_full;
    writer->file = file ? strdup(file) : NULL;
    writer->mailbox = mailbox_new(writer, err);
    if (!writer->mailbox || (file && !writer->file) || writer_open(writer, err) != STATUS_OK) {
        goto fail;
    }
    if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0) {
        error_set(err, STATUS_IO, "cannot start the audit thread");
        goto fail;
    }
    return writer;
fail:
    if (writer->mailbox) {
        mailbox_free(writer->mailbox);
    }
    if (file && writer->fd >= 0) {
        close(writer->fd);
    }
    free(writer->file);
    free(writer);
    return NULL;
}

static void writer_post(struct audit_writer *writer, void (*on_deliver)(struct message *, void *)) {
    struct message *message = calloc(1, sizeof *message);
    if (message) {
        message->on_deliver = on_deliver;
        mailbox_post(writer->mailbox, message);
    }
}

void audit_writer_free(struct audit_writer *writer) {
    if (!writer) {
        return;
    }
    atomic_store(&writer->gives_up, true);
    writer_post(writer, deliver_end);
    pthread_join(writer->thread, NULL);
    mailbox_deliver(writer->mailbox);
    mailbox_free(writer->mailbox);
    if (writer->file) {
        close(writer->fd);
    }
    free(writer->file);
    free(writer);
}

void audit_writer_reopen(struct audit_writer *writer) {
    atomic_store(&writer->wants_reopen, true); /* seen by a write that is being retried, too */
    writer_post(writer, deliver_reopen);
}

void audit_writer_event(struct audit_writer *writer, struct slice line) {
    struct audit_block *block = malloc(sizeof *block + line.len);
    if (!block) {
        atomic_fetch_add(&writer->dropped_lines, 1);
        return;
    }
    *block = (struct audit_block){.message.on_deliver = deliver_block, .len = line.len};
    memcpy(block->bytes, line.ptr, line.len);
    mailbox_post(writer->mailbox, &block->message);
}

bool audit_writer_is_stdout(const struct audit_writer *writer) {
    return writer->file == NULL;
}

uint64_t audit_writer_dropped(const struct audit_writer *writer) {
    return atomic_load(&writer->dropped_lines);
}

struct audit_sink *audit_sink_new(struct audit_writer *writer, size_t room_bytes) {
    struct audit_sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        return NULL;
    }
    sink->writer = writer;
    sink->block_limit = room_bytes / BLOCK_ROOM + 2;
    return sink;
}

static void sink_collect_returned(struct audit_sink *sink) {
    if (!atomic_load_explicit(&sink->returned, memory_order_relaxed)) {
        return;
    }
    struct audit_block *block =
        atomic_exchange_explicit(&sink->returned, NULL, memory_order_acquire);
    while (block) {
        struct audit_block *next = block->next_free;
        sink->blocks_out--;
        if (sink->free_count < FREE_BLOCKS_KEPT) {
            block->next_free = sink->free_blocks;
            block->len = 0;
            sink->free_blocks = block;
            sink->free_count++;
        } else {
            free(block);
        }
        block = next;
    }
}

static struct audit_block *sink_take_block(struct audit_sink *sink) {
    struct audit_block *block = sink->free_blocks;
    if (block) {
        sink->free_blocks = block->next_free;
        sink->free_count--;
        return block;
    }
    if (sink->blocks_out >= sink->block_limit) {
        return NULL;
    }
    block = malloc(sizeof *block + BLOCK_BYTES);
    if (block) {
        *block = (struct audit_block){.message.on_deliver = deliver_block, .sink = sink};
    }
    return block;
}

static bool sink_has_current(struct audit_sink *sink) {
    if (!sink->current) {
        sink_collect_returned(sink);
        sink->current = sink_take_block(sink);
    }
    return sink->current != NULL;
}

bool audit_sink_has_lines(const struct audit_sink *sink) {
    return sink->current && sink->current->len > 0;
}

static void sink_hand_over(struct audit_sink *sink) {
    if (audit_sink_has_lines(sink)) {
        sink->blocks_out++;
        mailbox_post(sink->writer->mailbox, &sink->current->message);
        sink->current = NULL;
    }
}

/* While the log is slow a block waits until it is worth its place: reservations count on the room.
 */
void audit_sink_flush(struct audit_sink *sink) {
    sink_collect_returned(sink);
    if (sink->blocks_out == 0 || (sink->current && sink->current->len >= WORTH_SENDING)) {
        sink_hand_over(sink);
    }
}

void audit_sink_free(struct audit_sink *sink) {
    if (!sink) {
        return;
    }
    sink_hand_over(sink);
    uint64_t end_ms = clock_monotonic_ms() + END_WAIT_MS;
    while (sink->blocks_out > 0) {
        if (atomic_load(&sink->writer->is_failing) || clock_monotonic_ms() > end_ms) {
            atomic_store(&sink->writer->gives_up, true);
        }
        sink_collect_returned(sink);
        if (sink->blocks_out > 0) {
            struct timespec pause = {.tv_nsec = 1000000L};
            nanosleep(&pause, NULL);
        }
    }
    free(sink->current);
    while (sink->free_blocks) {
        struct audit_block *next = sink->free_blocks->next_free;
        free(sink->free_blocks);
        sink->free_blocks = next;
    }
    free(sink);
}

/* What may still be written, counted so that lines which do not fit into a block's end cost
 * nothing. */
static size_t sink_room(const struct audit_sink *sink) {
    size_t used = sink->blocks_out * (size_t)BLOCK_ROOM;
    if (sink->current) {
        used += sink->current->len < BLOCK_ROOM ? sink->current->len : BLOCK_ROOM;
    }
    return sink->block_limit * (size_t)BLOCK_ROOM - used;
}

static bool sink_has_free_room(const struct audit_sink *sink, size_t bytes) {
    return sink->reserved_bytes + bytes <= sink_room(sink);
}

bool audit_sink_reserve(struct audit_sink *sink, size_t bytes) {
    sink_collect_returned(sink);
    bool is_stuck = atomic_load_explicit(&sink->writer->is_failing, memory_order_relaxed) ||
                    bytes > AUDIT_LINE_MAX || !sink_has_free_room(sink, bytes);
    if (is_stuck && !sink->writer->drop_when_full) {
        return false;
    }
    sink->reserved_bytes += bytes;
    return true;
}

static bool sink_takes(struct audit_sink *sink, size_t len, size_t reserved_bytes) {
    sink_collect_returned(sink);
    return len <= AUDIT_LINE_MAX && (len <= reserved_bytes || sink_has_free_room(sink, len));
}

void audit_sink_lose(struct audit_sink *sink, size_t reserved_bytes) {
    sink->reserved_bytes -= reserved_bytes;
    atomic_fetch_add(&sink->writer->dropped_lines, 1);
}

void audit_sink_write(struct audit_sink *sink, struct slice line, size_t reserved_bytes) {
    if (sink->current && BLOCK_BYTES - sink->current->len < line.len) {
        sink_hand_over(sink);
    }
    sink->reserved_bytes -= reserved_bytes;
    if (!sink_takes(sink, line.len, reserved_bytes) || !sink_has_current(sink)) {
        audit_sink_lose(sink, 0);
        return;
    }
    memcpy(sink->current->bytes + sink->current->len, line.ptr, line.len);
    sink->current->len += line.len;
}
