/* What subtracting rules (deny, not_actions) hold a path against: every reading that an upstream
 * may give it. A grant covers exactly the path it names; a refusal must not be evaded by another
 * spelling of the same thing. */
#ifndef BARKEEP_AUTH_PATH_READING_H
#define BARKEEP_AUTH_PATH_READING_H

#include "core/slice.h"

/* A canonical path's readings: as it is; with delimiters decoded, parameters cut off and without
 * trailing slash; and that with encoded slashes as separators. Usually they are one and the same.
 */
struct path_readings {
    struct slice items[3];
    size_t count;
};

/* Longest canonical path that has readings; "*" grows to "%2A". */
#define PATH_READING_MAX 8192
#define PATH_READING_BYTES (2 * 3 * PATH_READING_MAX)

/* `bytes` has room for PATH_READING_BYTES and lives as long as the readings. A longer path has only
 * the reading as it is: no request target is that long. */
void path_readings_of(struct slice path, char *bytes, struct path_readings *out_readings);

/* True when the path as it is is its only reading. */
bool path_reads_one_way(struct slice path);

/* A pattern in the form that the second and third reading take; wildcards stay. Writes at most
 * pattern.len bytes. */
struct slice path_pattern_fold(struct slice pattern, char *out_bytes);

#endif
