/* A changed configuration on its way into force: read, validated and made ready whole, or not at
 * all. Either way one `reload` event says what became of it. */
#ifndef BARKEEP_PROXY_RELOAD_H
#define BARKEEP_PROXY_RELOAD_H

#include "core/file_watch.h"
#include "proxy/sources.h"

/* Reads the file that `current` came from; `settled` is what the process was started with, which
 * some keys cannot leave. Returns what is to take its place, started but not
 * published; NULL when the file is not usable, which changes nothing. `why` goes into the event. */
struct sources *reload_sources(struct sources *current, const struct config *settled,
                               const char *why);

/* Watches the configuration file and the files that are read with it. NULL without memory. */
struct file_watch *reload_watch(const struct config *config, struct loop *loop,
                                void (*on_change)(void *owner), void *owner);

#endif
