/* Blocks travel one way through the writer's mailbox and come back through an atomic list per sink.
 * A sink owns a fixed number of them: that is the bound on what may wait to be written. A sink
 * outlives its blocks because audit_sink_free() waits. */
#include "proxy/audit_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mailbox.h"

enum { BLOCK_BYTES = 64 * 1024, BLOCKS_PER_SINK = 16, RESERVE_BYTES = 2048, RETRY_MS = 100 };

struct audit_block {
    struct message message;
    struct audit_sink *sink; /* NULL: freed after writing */
    struct audit_block *next_free;
    size_t len;
    uint32_t lines;
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
    _Atomic uint64_t dropped_lines;
};

struct audit_sink {
    struct audit_writer *writer;
    struct audit_block *current;
    struct audit_block *free_blocks;
    size_t blocks_out; /* handed over and not back */
    _Atomic(struct audit_block *) returned;
    size_t reserved_bytes;
};

static enum status writer_open(struct audit_writer *writer, struct error *err) {
    if (!writer->file) {
        writer->fd = STDOUT_FILENO;
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
    return STATUS_OK;
}

static void writer_report_failure(struct audit_writer *writer) {
    if (!atomic_exchange(&writer->is_failing, true)) {
        LOG_EVENT(LOG_ERROR, "audit", LOG_STR("problem", "the audit log cannot be written"),
                  LOG_STR("error", strerror(errno)));
    }
}

static void writer_drop(struct audit_writer *writer, const struct audit_block *block) {
    atomic_fetch_add(&writer->dropped_lines, block->lines);
}

static void writer_pause(void) {
    struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    nanosleep(&pause, NULL);
}

static void writer_write(struct audit_writer *writer, const struct audit_block *block) {
    size_t done = 0;
    while (done < block->len) {
        ssize_t n = write(writer->fd, block->bytes + done, block->len - done);
        if (n > 0) {
            done += (size_t)n;
            atomic_store(&writer->is_failing, false);
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        writer_report_failure(writer);
        if (writer->drop_when_full || atomic_load(&writer->gives_up)) {
            writer_drop(writer, block);
            return;
        }
        writer_pause();
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
    writer_write(receiver, block);
    block_give_back(block);
}

static void deliver_reopen(struct message *message, void *receiver) {
    struct error err;
    if (writer_open(receiver, &err) != STATUS_OK) {
        LOG_EVENT(LOG_ERROR, "audit", LOG_STR("problem", err.text));
    }
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
    writer_post(writer, deliver_reopen);
}

void audit_writer_event(struct audit_writer *writer, struct slice line) {
    struct audit_block *block = malloc(sizeof *block + line.len);
    if (!block) {
        atomic_fetch_add(&writer->dropped_lines, 1);
        return;
    }
    *block = (struct audit_block){.message.on_deliver = deliver_block, .len = line.len, .lines = 1};
    memcpy(block->bytes, line.ptr, line.len);
    mailbox_post(writer->mailbox, &block->message);
}

bool audit_writer_is_stdout(const struct audit_writer *writer) {
    return writer->file == NULL;
}

uint64_t audit_writer_dropped(const struct audit_writer *writer) {
    return atomic_load(&writer->dropped_lines);
}

struct audit_sink *audit_sink_new(struct audit_writer *writer) {
    struct audit_sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        return NULL;
    }
    sink->writer = writer;
    for (int i = 0; i < BLOCKS_PER_SINK; i++) {
        struct audit_block *block = malloc(sizeof *block + BLOCK_BYTES);
        if (!block) {
            audit_sink_free(sink);
            return NULL;
        }
        *block = (struct audit_block){
            .message.on_deliver = deliver_block, .sink = sink, .next_free = sink->free_blocks};
        sink->free_blocks = block;
    }
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
        block->next_free = sink->free_blocks;
        block->len = 0;
        block->lines = 0;
        sink->free_blocks = block;
        sink->blocks_out--;
        block = next;
    }
}

static bool sink_has_current(struct audit_sink *sink) {
    if (sink->current) {
        return true;
    }
    if (!sink->free_blocks) {
        sink_collect_returned(sink);
    }
    sink->current = sink->free_blocks;
    if (sink->current) {
        sink->free_blocks = sink->current->next_free;
    }
    return sink->current != NULL;
}

bool audit_sink_has_lines(const struct audit_sink *sink) {
    return sink->current && sink->current->len > 0;
}

void audit_sink_flush(struct audit_sink *sink) {
    if (sink->current && sink->current->len > 0) {
        sink->blocks_out++;
        mailbox_post(sink->writer->mailbox, &sink->current->message);
        sink->current = NULL;
    }
}

void audit_sink_free(struct audit_sink *sink) {
    if (!sink) {
        return;
    }
    audit_sink_flush(sink);
    while (sink->blocks_out > 0) {
        if (atomic_load(&sink->writer->is_failing)) {
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

bool audit_sink_reserve(struct audit_sink *sink) {
    sink_collect_returned(sink);
    size_t ready = (BLOCKS_PER_SINK - sink->blocks_out) * (size_t)BLOCK_BYTES;
    if (sink->current) {
        ready -= sink->current->len;
    }
    bool is_stuck = atomic_load_explicit(&sink->writer->is_failing, memory_order_relaxed) ||
                    sink->reserved_bytes + RESERVE_BYTES > ready;
    if (is_stuck && !sink->writer->drop_when_full) {
        return false;
    }
    sink->reserved_bytes += RESERVE_BYTES;
    return true;
}

void audit_sink_write(struct audit_sink *sink, struct slice line, bool had_reserved) {
    if (had_reserved) {
        sink->reserved_bytes -= RESERVE_BYTES;
    }
    if (sink->current && BLOCK_BYTES - sink->current->len < line.len) {
        audit_sink_flush(sink);
    }
    if (line.len > BLOCK_BYTES || !sink_has_current(sink)) {
        atomic_fetch_add(&sink->writer->dropped_lines, 1);
        return;
    }
    memcpy(sink->current->bytes + sink->current->len, line.ptr, line.len);
    sink->current->len += line.len;
    sink->current->lines++;
}
