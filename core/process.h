/* What the process forbids itself before it touches a secret. */
#ifndef BARKEEP_CORE_PROCESS_H
#define BARKEEP_CORE_PROCESS_H

#include "core/status.h"

/* No core dumps (RLIMIT_CORE 0, PR_SET_DUMPABLE 0), no new privileges, SIGPIPE ignored, and the
 * environment variables by which libraries could be steered (proxies, CA files, key logs, OpenSSL
 * configuration) removed. */
enum status process_harden(struct error *err);

/* Raises the soft limit of open files to the hard one. Returns the limit in force. */
unsigned long process_raise_file_limit(void);

#endif
