/* Writes audit lines to stdout or a file on a thread of its own, so that a slow disk stops nobody
 * but itself. Workers collect lines in blocks and hand them over; when no block comes back, they
 * know that the log is stuck. */
#ifndef BARKEEP_PROXY_AUDIT_WRITER_H
#define BARKEEP_PROXY_AUDIT_WRITER_H

#include "core/slice.h"
#include "core/status.h"

struct audit_writer;

/* `file` NULL means stdout. The file is made with mode 0640 and appended to. */
struct audit_writer *audit_writer_new(const char *file, bool drop_when_full, struct error *err);
/* Writes what is still there and ends the thread. All sinks must be done before. */
void audit_writer_free(struct audit_writer *writer);
/* Opens the file anew (log rotation). From any thread. */
void audit_writer_reopen(struct audit_writer *writer);
/* One line that is no request's: start, stop, keys, secret. From any thread; `line` ends with a
 * newline. */
void audit_writer_event(struct audit_writer *writer, struct slice line);
bool audit_writer_is_stdout(const struct audit_writer *writer);
/* Lines lost because the log could not take them. */
uint64_t audit_writer_dropped(const struct audit_writer *writer);

/* One worker's end. Used by that thread only. */
struct audit_sink;
/* `room_bytes`: how much may wait to be written. */
struct audit_sink *audit_sink_new(struct audit_writer *writer, size_t room_bytes);
/* Hands over what is left. */
void audit_sink_free(struct audit_sink *sink);
/* The longest line that a sink takes. */
#define AUDIT_LINE_MAX (32 * 1024)
/* Sets `bytes` aside for the line of an exchange that begins; false when the log is stuck and the
 * configuration says refuse. */
bool audit_sink_reserve(struct audit_sink *sink, size_t bytes);
/* Writes a line of an exchange that had reserved `reserved_bytes`, and gives them back. A line
 * without reservation (0) or longer than it takes only room that nobody has reserved; a line that
 * finds none is counted as lost. */
void audit_sink_write(struct audit_sink *sink, struct slice line, size_t reserved_bytes);
/* Counts a line that could not be made, and gives its reservation back. */
void audit_sink_lose(struct audit_sink *sink, size_t reserved_bytes);
bool audit_sink_has_lines(const struct audit_sink *sink);
/* Hands over what was collected; called at the end of a loop turn. */
void audit_sink_flush(struct audit_sink *sink);

#endif
