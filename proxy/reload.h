/* A changed configuration on its way into force: read, validated and made ready whole, or not at
 * all. Either way one `reload` event says what became of it. */
#ifndef BARKEEP_PROXY_RELOAD_H
#define BARKEEP_PROXY_RELOAD_H

#include "core/file_watch.h"
#include "proxy/sources.h"

/* Reads the file that `current` came from; `settled` is what the process was started with, which
 * some keys cannot leave. Returns what is to take its place, started but not published; NULL when
 * the file is not usable, which changes nothing. `why` goes into the event. `watch` (NULL: there is
 * none) watches from then on what is in force and what was refused: a file that was missing may
 * come. */
struct sources *reload_sources(struct sources *current, const struct config *settled,
                               struct file_watch *watch, const char *why);

/* Adds the configuration file and the files that are read with it; says so when it cannot. NULL is
 * no watch. */
void reload_watch(struct file_watch *watch, const struct config *config);

#endif
