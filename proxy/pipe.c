/* A pipe costs two descriptors and, while it is full, PIPE_BYTES of the kernel's memory: there are
 * few, and who finds none copies. */
#define _GNU_SOURCE /* pipe2, F_SETPIPE_SZ */
#include "proxy/pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the kernel allows less it stays at its default: 64 KiB. */
enum { PIPE_BYTES = 256 * 1024 };

static struct pipe *pipe_open(struct pipe_shelf *shelf) {
    int fds[2];
    struct pipe *pipe = malloc(sizeof *pipe);
    if (!pipe || pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
        free(pipe);
        return NULL;
    }
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
    *pipe = (struct pipe){.read_fd = fds[0], .write_fd = fds[1], .shelf = shelf};
    shelf->count++;
    return pipe;
}

static void pipe_close(struct pipe *pipe) {
    pipe->shelf->count--;
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
}

struct pipe *pipe_take(struct pipe_shelf *shelf) {
    struct pipe *pipe = shelf->free_pipes;
    if (pipe) {
        shelf->free_pipes = pipe->next_free;
        return pipe;
    }
    return shelf->count < PIPES_PER_WORKER ? pipe_open(shelf) : NULL;
}

void pipe_give_back(struct pipe *pipe, bool is_empty) {
    if (!is_empty) {
        pipe_close(pipe);
        return;
    }
    pipe->next_free = pipe->shelf->free_pipes;
    pipe->shelf->free_pipes = pipe;
}

void pipe_shelf_done(struct pipe_shelf *shelf) {
    while (shelf->free_pipes) {
        struct pipe *next = shelf->free_pipes->next_free;
        pipe_close(shelf->free_pipes);
        shelf->free_pipes = next;
    }
}
