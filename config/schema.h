/* The keys of every mapping as tables: what a key is called, what it takes, what it defaults to.
 * What is not in a table is refused. One walk from CONFIG_SCHEMA meets every key there is, which is
 * what a JSON Schema or a reference page is made of. */
#ifndef BARKEEP_CONFIG_SCHEMA_H
#define BARKEEP_CONFIG_SCHEMA_H

#include "config/loader.h"

enum schema_type {
    SCHEMA_TEXT,       /* const char *: any text */
    SCHEMA_BOOL,       /* bool */
    SCHEMA_COUNT,      /* uint32_t */
    SCHEMA_COUNT_NONE, /* uint32_t: a count, or "none" for UINT32_MAX */
    SCHEMA_SECONDS,    /* uint32_t: a duration of whole seconds; min and max in ms */
    SCHEMA_MS,         /* uint32_t: a duration; min and max in ms */
    SCHEMA_BYTES,      /* uint32_t: a size */
    SCHEMA_BYTES_NONE, /* uint64_t: a size, or "none" for UINT64_MAX */
    SCHEMA_CHOICE,     /* an enum: the position of the word in `choices` */
    SCHEMA_SWITCH,     /* bool: true for the second of two `choices` */
    SCHEMA_MAPPING,    /* the keys of `child`, read into the same structure */
    SCHEMA_OTHER,      /* whatever `read` makes of it */
};

enum schema_shape { SHAPE_ONE, SHAPE_ONE_OR_LIST, SHAPE_LIST, SHAPE_NAMED };

/* What SCHEMA_OTHER takes, for readers of JSON Schema: or-ed. None stands for a mapping where there
 * is a `child`, for its only word where there are `choices`, else for text. */
enum schema_accepts {
    ACCEPTS_TEXT = 1,
    ACCEPTS_NUMBER = 2,   /* from min to max */
    ACCEPTS_MAPPING = 4,  /* of `child` */
    ACCEPTS_TEXTS = 8,    /* a mapping of names to text */
    ACCEPTS_DECIMAL = 64, /* text that looks like a number, without quotes */
    ACCEPTS_NONE = 16,    /* a list may be empty */
    ACCEPTS_ONE_KEY = 32, /* of the keys of `child` */
    ACCEPTS_SCALAR = 128, /* text, a number, true or false */
    ACCEPTS_BOOL = 256,
};

struct schema;

/* Reads a value into `target`, which is the structure's start plus the row's offset. */
typedef void schema_read_value(struct loader *loader, const struct node *node, void *target);

struct schema_row {
    const char *key; /* NULL ends a table */
    enum schema_type type;
    bool is_required;
    size_t offset;
    const char *fallback; /* the default, as one would write it; NULL: zero, or none */
    const char *choices;  /* "public|usgov|china" */
    uint64_t min;
    uint64_t max;
    schema_read_value *read;    /* SCHEMA_OTHER */
    enum schema_shape shape;    /* SCHEMA_OTHER: how often its value occurs */
    unsigned accepts;           /* SCHEMA_OTHER */
    const char *pattern;        /* SCHEMA_OTHER: what text looks like, no closer than it is read */
    const struct schema *child; /* keys of the value, or of each value */
    const char *summary;        /* one line for readers: what it is; `an example` where useful */
};

struct schema {
    const char *name; /* "a route" */
    const struct schema_row *rows;
};

#define PATTERN_GUID "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
#define PATTERN_SECRET "^[^/]+/[^/]+(/[^/]+)?$"
#define PATTERN_URL "^[Hh][Tt][Tt][Pp][Ss]?://."
#define PATTERN_NETWORK "^[0-9a-fA-F:.]+(/[0-9]+)?$"
#define PATTERN_ACTION "^((\\*|[A-Z-]+(,[A-Z-]+)*) +/|mcp:.)"

/* The whole file. */
extern const struct schema CONFIG_SCHEMA;

/* The row of a key, or NULL. */
const struct schema_row *schema_find(const struct schema *schema, struct slice key);

/* Reads `mapping` into `target`: rows in table order, then complains about keys that no row has. A
 * mapping that is none leaves the target untouched. */
bool schema_read(struct loader *loader, const struct schema *schema, const struct node *mapping,
                 void *target);

/* Reads what the keys default to, where a short form of the value stands in the mapping's place:
 * `node`. */
void schema_read_defaults(struct loader *loader, const struct schema *schema,
                          const struct node *node, void *target);

#endif
