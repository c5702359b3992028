/* Outcome of a fallible function, and the reason in words that travels beside it. */
#ifndef BARKEEP_CORE_STATUS_H
#define BARKEEP_CORE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_INVALID, /* the input breaks a rule */
    STATUS_LIMIT,   /* the input is larger than allowed */
    STATUS_NOT_FOUND,
    STATUS_DENIED, /* a peer said no */
    STATUS_TIMEOUT,
    STATUS_IO, /* the operating system or the network failed */
    STATUS_NO_MEMORY,
};

/* Caller-owned text of what went wrong; one line, no secret in it. */
struct error {
    char text[512];
};

/* Writes the text (truncated to fit) and returns `status`, so that a caller can `return
 * error_set(...)`. `err` may be NULL. */
enum status error_set(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
