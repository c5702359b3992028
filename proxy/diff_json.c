/* A diff as one JSON object. Its keys are stable. */
#include "proxy/diff.h"

static void write_changes(struct json_out *out, const char *key, const struct change_list *list) {
    json_out_array_begin(out, key);
    for (const struct change *change = list->first; change; change = change->next) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "change", change->kind);
        json_out_cstr(out, "name", change->name);
        if (change->before || change->after) {
            json_out_cstr(out, "before", change->before);
            json_out_cstr(out, "after", change->after);
        }
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void write_rows(struct json_out *out, const char *key, const struct tally *tally) {
    json_out_array_begin(out, key);
    for (size_t i = 0; i < tally->count; i++) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "request", tally->rows[i].key);
        json_out_u64(out, "requests", tally->rows[i].count);
        json_out_cstr(out, "last", tally->rows[i].last);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

void diff_write_json(const struct diff *diff, struct json_out *out) {
    json_out_object_begin(out, NULL);
    write_changes(out, "parts", &diff->parts);
    write_changes(out, "rules", &diff->rules);
    if (diff->has_audit) {
        write_rows(out, "different", &diff->different);
        write_rows(out, "depends", &diff->undecided);
        json_out_u64(out, "same", diff->same);
        json_out_u64(out, "not_by_rules", diff->not_by_rules);
        json_out_u64(out, "other_config", diff->read.other_config);
        json_out_u64(out, "unplaced", diff->read.unplaced);
        json_out_u64(out, "bad_lines", diff->read.bad_lines);
        json_out_u64(out, "cut_lines", diff->read.cut_lines);
    }
    json_out_object_end(out);
}
