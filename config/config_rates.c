/* `rate`: how many requests a caller may make. */
#include "config/config_parts.h"

#define HOUR_MS 3600000ull

#define MOST_REQUESTS 1000000

static const struct schema_row RATE_ROWS[] = {
    {.key = "per",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_rate, is_per_client),
     .choices = "identity|client",
     .fallback = "identity",
     .summary = "whose requests are counted together: the caller's, whatever the address, or the "
                "client address's"},
    {.key = "requests",
     .type = SCHEMA_COUNT,
     OFFSET_IN(config_rate, requests),
     .is_required = true,
     .min = 1,
     .max = MOST_REQUESTS,
     .summary = "how many requests fit into a window, such as 100"},
    {.key = "window",
     .type = SCHEMA_MS,
     OFFSET_IN(config_rate, window_ms),
     .is_required = true,
     .min = 100,
     .max = 24 * HOUR_MS,
     .summary = "the window's length, such as 1s"},
    {.key = "burst",
     .type = SCHEMA_COUNT,
     OFFSET_IN(config_rate, burst),
     .min = 1,
     .max = MOST_REQUESTS,
     .summary = "how many may come at once; default: as many as `requests`"},
    {0},
};

const struct schema RATE_SCHEMA = {"a rate", RATE_ROWS};

void config_read_rate(struct loader *loader, const struct node *node, void *target) {
    struct config_rate *rate = target;
    rate->is_present = schema_read(loader, &RATE_SCHEMA, node, rate);
    if (rate->is_present && !node_find(node, SLICE("burst")))
        rate->burst = rate->requests;
}
