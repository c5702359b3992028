/* A diff for a person at a terminal. What comes from the files is made harmless to it. */
#include "config/quote.h"
#include "proxy/diff.h"

enum { SHOWN_MAX = 50 };

static void print_line(FILE *out, const char *before, const char *text) {
    fputs(before, out);
    quote_print(out, slice_of_str(text));
    fputc('\n', out);
}

static void print_changes(FILE *out, const char *title, const struct change_list *list) {
    fputs(list->count ? title : "", out);
    for (const struct change *change = list->first; change; change = change->next) {
        fprintf(out, "  %-8s", change->kind);
        print_line(out, " ", change->name);
        if (change->before) {
            print_line(out, "           - ", change->before);
        }
        if (change->after) {
            print_line(out, "           + ", change->after);
        }
    }
}

static void print_rows(FILE *out, const char *title, const struct tally *tally) {
    fputs(tally->count ? title : "", out);
    for (size_t i = 0; i < tally->count && i < SHOWN_MAX; i++) {
        fprintf(out, "  %6llu", (unsigned long long)tally->rows[i].count);
        print_line(out, "  ", tally->rows[i].key);
    }
    if (tally->count > SHOWN_MAX) {
        fprintf(out, "  and %zu more\n", tally->count - SHOWN_MAX);
    }
}

void diff_print(const struct diff *diff, FILE *out) {
    print_changes(out, "parts\n", &diff->parts);
    print_changes(out, "rules\n", &diff->rules);
    if (!diff->has_audit) {
        return;
    }
    print_rows(out, "decided differently\n", &diff->different);
    print_rows(out,
               "depends on groups/roles/scopes or the sign-in, which the audit does not hold\n",
               &diff->undecided);
    fprintf(out, "decided the same: %llu; not decided by rules: %llu\naudit: ",
            (unsigned long long)diff->same, (unsigned long long)diff->not_by_rules);
    audit_tally_print(&diff->read, out);
}
