/* Pipes through which the kernel moves body bytes from socket to socket without showing them to
 * us. A pipe belongs to one body only while bytes are in it. */
#ifndef BARKEEP_PROXY_PIPE_H
#define BARKEEP_PROXY_PIPE_H

#include <stdbool.h>
#include <stddef.h>

/* Open at once by one worker; two descriptors each. */
enum { PIPES_PER_WORKER = 8 };

struct pipe {
    int read_fd;
    int write_fd;
    struct pipe_shelf *shelf;
    struct pipe *next_free;
};

/* Embed. Zero-initialise. Used by one thread. */
struct pipe_shelf {
    struct pipe *free_pipes;
    size_t count; /* open ones */
};

/* An empty pipe; NULL when none is to be had. */
struct pipe *pipe_take(struct pipe_shelf *shelf);
/* Back to its shelf when `is_empty`; otherwise it ends with what is in it. */
void pipe_give_back(struct pipe *pipe, bool is_empty);
/* All pipes were given back. */
void pipe_shelf_done(struct pipe_shelf *shelf);

#endif
