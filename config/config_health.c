/* `health`: when an upstream is left alone, and for how long. */
#include "config/config_parts.h"

#define MINUTE_MS 60000ull

static const struct schema_row HEALTH_ROWS[] = {
    {.key = "failures",
     .type = SCHEMA_COUNT_NONE,
     OFFSET_IN(config_health, failures),
     .fallback = "5",
     .min = 1,
     .max = 1000,
     .summary = "how many requests on end may fail to reach the upstream, or get no sound answer "
                "from it, before others are asked instead; none: any number"},
    {.key = "pause",
     .type = SCHEMA_MS,
     OFFSET_IN(config_health, pause_ms),
     .fallback = "5s",
     .min = 1,
     .max = 60 * MINUTE_MS,
     .summary = "how long it is then left alone before one request tries it; doubles each time "
                "that fails"},
    {.key = "max_pause",
     .type = SCHEMA_MS,
     OFFSET_IN(config_health, max_pause_ms),
     .fallback = "1m",
     .min = 1,
     .max = 60 * MINUTE_MS,
     .summary = "the longest pause"},
    {0},
};

const struct schema HEALTH_SCHEMA = {"health", HEALTH_ROWS};
