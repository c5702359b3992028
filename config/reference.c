/* A walk over the schema. Mappings that contain themselves do not occur; the depth is bounded all
 * the same. */
#include "config/reference.h"

#include "config/schema.h"

enum { DEPTH_MAX = 8, NAME_COLUMNS = 34 };

static const char *shape_mark(const struct schema_row *row) {
    switch (row->shape) {
    case SHAPE_LIST:
        return ": [ ]";
    case SHAPE_NAMED:
        return ": NAME:";
    case SHAPE_ONE:
    case SHAPE_ONE_OR_LIST:
        break;
    }
    return row->child ? ":" : "";
}

static void print_row(FILE *out, const struct schema_row *row, int depth) {
    char name[80];
    snprintf(name, sizeof name, "%*s%s%s", depth * 2, "", row->key, shape_mark(row));
    fprintf(out, "%-*s %s", NAME_COLUMNS, name, row->summary ? row->summary : "");
    if (row->choices)
        fprintf(out, " [%s]", row->choices);
    if (row->is_required)
        fprintf(out, " (required)");
    else if (row->fallback)
        fprintf(out, " (default: %s)", row->fallback);
    fputc('\n', out);
}

static void print_rows(FILE *out, const struct schema *schema, int depth) {
    for (const struct schema_row *row = schema->rows; row->key; row++) {
        print_row(out, row, depth);
        if (row->child && depth < DEPTH_MAX)
            print_rows(out, row->child, depth + 1);
    }
}

void config_reference_print(FILE *out) {
    print_rows(out, &CONFIG_SCHEMA, 0);
}
