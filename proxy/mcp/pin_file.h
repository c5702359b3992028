/* The file of approved definitions: names and digests, sorted, a line each, so that a review sees
 * what an approval changes. Only `barkeep pin approve` writes it. */
#ifndef BARKEEP_PROXY_MCP_PIN_FILE_H
#define BARKEEP_PROXY_MCP_PIN_FILE_H

#include "proxy/mcp/pin.h"

enum { PIN_FILE_BYTES_MAX = 4 << 20, PIN_FILE_FORMAT = 1 };

struct mcp_pin_list {
    struct mcp_pin *pins; /* sorted by name */
    size_t count;
};

/* Everything lies in `arena`. STATUS_NOT_FOUND when there is no such file; otherwise *err names it,
 * with line and column where it says nonsense. */
enum status mcp_pin_file_read(const char *path, struct arena *arena, struct mcp_pin_list *out_list,
                              struct error *err);
/* Keeps other approvals out until *out_lock is closed: it is the file's folder, so that nothing is
 * left behind. STATUS_IO when another one does not end in five seconds. */
enum status mcp_pin_file_lock(const char *path, int *out_lock, struct error *err);
/* In one step: whoever reads meanwhile finds the former file or the new one. Mode and, where we
 * may, owner and group are the former file's; 0644 without one. */
enum status mcp_pin_file_write(const char *path, const struct mcp_pin_list *list,
                               struct error *err);

#endif
