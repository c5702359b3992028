/* `barkeep pin`: which definitions of an MCP server's tools are approved, what is listed otherwise,
 * and approving it. Works on files alone: what a server lists is fetched by whoever may ask it. */
#include <stdlib.h>
#include <unistd.h>

#include "config/quote.h"
#include "proxy/commands.h"
#include "proxy/pin_report.h"

enum { ARENA_BYTES_MAX = 64 << 20 };

struct pin_options {
    const char *config, *route;
    struct option_values listings; /* files */
    struct option_values tools;    /* names; none: all */
    bool as_json;
};

struct pin_work {
    struct pin_place place;
    struct mcp_pin_list approved;
    struct pin_listing listing;
    struct arena arena; /* what is approved, and will be */
    int lock;           /* -1: none */
};

static int misused(const char *text) {
    return command_line_misused("pin", PIN_USAGE, text);
}

static int fail(const char *text) {
    fprintf(stderr, "barkeep: ");
    quote_print(stderr, slice_of_str(text));
    fputc('\n', stderr);
    return EXIT_USAGE;
}

static const struct config_route *find_route(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->route_count; i++) {
        if (strcmp(config->routes[i].name, name) == 0) {
            return &config->routes[i];
        }
    }
    return NULL;
}

/* NULL with the complaint printed. */
static const char *pins_file_of(const struct config *config, const char *name) {
    const struct config_route *route = find_route(config, name);
    const char *problem = !route                   ? "there is no such route"
                          : !route->mcp            ? "the route is not for an MCP server"
                          : !route->mcp->pins_file ? "the route names no pins file: write mcp: "
                                                     "{pins: FILE, pinning: warn or block}"
                                                   : NULL;
    if (problem) {
        fprintf(stderr, "barkeep: %s: %s\n", QUOTE(slice_of_str(name)), problem);
        return NULL;
    }
    return route->mcp->pins_file;
}

static bool lock(struct pin_work *work) {
    struct error err;
    return mcp_pin_file_lock(work->place.file, &work->lock, &err) == STATUS_OK ||
           fail(err.text) == EXIT_OK;
}

static bool read_approved(struct pin_work *work, bool may_be_missing) {
    struct error err;
    enum status status = mcp_pin_file_read(work->place.file, &work->arena, &work->approved, &err);
    if (status == STATUS_OK || (status == STATUS_NOT_FOUND && may_be_missing)) {
        return true;
    }
    fail(err.text);
    return false;
}

static struct pin_rows rows_of(const struct pin_work *work) {
    return (struct pin_rows){.approved = &work->approved, .listed = &work->listing};
}

static int show(struct pin_work *work, const struct pin_options *options) {
    if (options->as_json) {
        return pin_put_list(&work->approved, work->place) ? EXIT_OK : EXIT_USAGE;
    }
    pin_print_list(&work->approved);
    return EXIT_OK;
}

static int diff(struct pin_work *work, const struct pin_options *options) {
    bool differs = false;
    if (!options->as_json) {
        differs = pin_print_diff(rows_of(work));
    } else if (!pin_put_diff(rows_of(work), work->place, &differs)) {
        return EXIT_USAGE;
    }
    return differs || work->listing.has_unpinned ? EXIT_REFUSED : EXIT_OK;
}

static bool is_meant(const struct option_values *tools, struct slice name) {
    bool is_named = tools->count == 0;
    for (size_t i = 0; i < tools->count && !is_named; i++) {
        is_named = slice_eq_str(name, tools->items[i]);
    }
    return is_named;
}

static bool all_are_known(const struct pin_work *work, const struct option_values *tools) {
    for (size_t i = 0; i < tools->count; i++) {
        struct slice name = slice_of_str(tools->items[i]);
        if (!pin_listing_find(&work->listing, name) &&
            !mcp_pin_find(work->approved.pins, work->approved.count, name)) {
            fprintf(stderr, "barkeep: there is no tool %s, neither listed nor approved\n",
                    QUOTE(name));
            return false;
        }
    }
    return true;
}

/* The approved tools as they will be: of those that are meant the listed definition, or none. */
static bool choose(const struct pin_work *work, const struct option_values *tools,
                   struct mcp_pin_list *out_list) {
    struct pin_rows rows = rows_of(work);
    struct pin_row row;
    bool changes = false;
    while (pin_rows_next(&rows, &row)) {
        bool is_taken = is_meant(tools, pin_row_name(&row));
        const struct mcp_pin *pin = row.approved;
        if (is_taken) {
            pin = row.listed ? &row.listed->pin : NULL;
        }
        if (pin) {
            out_list->pins[out_list->count++] = *pin;
        }
        changes |= is_taken && row.state != PIN_STATE_SAME;
    }
    return changes;
}

static void print_approved(const struct pin_work *work, const struct option_values *tools) {
    struct pin_rows rows = rows_of(work);
    struct pin_row row;
    while (pin_rows_next(&rows, &row)) {
        if (row.state != PIN_STATE_SAME && is_meant(tools, pin_row_name(&row))) {
            pin_print_row(&row);
        }
    }
}

static int approve(struct pin_work *work, const struct pin_options *options) {
    struct mcp_pin_list next = {0};
    struct error err;
    if (!all_are_known(work, &options->tools)) {
        return EXIT_USAGE;
    }
    next.pins =
        arena_array(&work->arena, work->approved.count + work->listing.count, sizeof *next.pins);
    if (!next.pins) {
        return fail("out of memory");
    }
    if (choose(work, &options->tools, &next) &&
        mcp_pin_file_write(work->place.file, &next, &err) != STATUS_OK) {
        return fail(err.text);
    }
    print_approved(work, &options->tools);
    printf("%zu approved\n", next.count);
    bool is_left_out = work->listing.has_unpinned && options->tools.count == 0;
    return is_left_out ? EXIT_REFUSED : EXIT_OK;
}

struct action {
    const char *name;
    bool wants_listing; /* and there need not be a pins file yet */
    bool writes;
    int (*run)(struct pin_work *work, const struct pin_options *options);
};

static int run(const struct action *action, const struct pin_options *options) {
    struct pin_work work = {.place.route = options->route, .lock = -1};
    struct config *config = command_line_load_alone(options->config, stderr);
    int code = EXIT_USAGE;
    arena_init(&work.arena, ARENA_BYTES_MAX);
    work.place.file = config ? pins_file_of(config, options->route) : NULL;
    bool is_ready =
        work.place.file &&
        (!action->wants_listing || pin_listing_read(&work.listing, &options->listings)) &&
        (!action->writes || lock(&work)) && read_approved(&work, action->wants_listing);
    if (is_ready) {
        code = action->run(&work, options);
    }
    if (work.lock >= 0) {
        close(work.lock);
    }
    pin_listing_done(&work.listing);
    arena_done(&work.arena);
    config_unref(config);
    return code;
}

static int choose_action(const struct option_values *words, const struct pin_options *options) {
    static const struct action actions[] = {{"show", false, false, show},
                                            {"diff", true, false, diff},
                                            {"approve", true, true, approve}};
    const struct action *action = NULL;
    for (size_t i = 0; words->count == 1 && i < sizeof actions / sizeof *actions; i++) {
        action = strcmp(words->items[0], actions[i].name) == 0 ? &actions[i] : action;
    }
    if (!action) {
        return misused("show, diff or approve is wanted");
    }
    if (!options->config || !options->route) {
        return misused("-c and --route are wanted");
    }
    if (action->wants_listing != (options->listings.count > 0)) {
        return misused(action->wants_listing ? "--tools is wanted: the server's tools"
                                             : "show looks at approved tools alone");
    }
    if (options->tools.count > 0 && action->run != approve) {
        return misused("--tool is for approve");
    }
    if (options->as_json && action->run == approve) {
        return misused("--json is for show and diff");
    }
    return run(action, options);
}

int command_pin(int count, char **arguments) {
    struct pin_options options = {0};
    struct option_values words = {0};
    int code = EXIT_USAGE;
    const struct option table[] = {
        {"-c", OPTION_VALUE, &options.config},         {"--route", OPTION_VALUE, &options.route},
        {"--tools", OPTION_VALUES, &options.listings}, {"--tool", OPTION_VALUES, &options.tools},
        {"--json", OPTION_FLAG, &options.as_json},
    };
    if (command_line_parse("pin", PIN_USAGE, count, arguments, table, sizeof table / sizeof *table,
                           &words)) {
        code = choose_action(&words, &options);
    }
    if (fflush(stdout) != 0) {
        code = EXIT_USAGE;
    }
    free(options.listings.items);
    free(options.tools.items);
    free(words.items);
    return code;
}
