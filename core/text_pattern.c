/* A Thompson machine. The expression is read once, left to right, and each piece appends steps that
 * refer to each other by distance: a piece can be moved and copied as it stands, which is how
 * operators behind it wrap and repeat it. */
#include "core/text_pattern.h"

#include "core/utf8.h"

enum step_kind { STEP_ANY, STEP_SET, STEP_SPLIT, STEP_JUMP, STEP_BEGIN, STEP_END, STEP_MATCH };

struct range {
    uint32_t first, last;
};

struct step {
    enum step_kind kind;
    bool is_negated;             /* STEP_SET */
    int16_t to, or_to;           /* distances; STEP_JUMP has but one */
    uint16_t range, range_count; /* STEP_SET */
};

struct text_pattern {
    const struct step *steps;
    const struct range *ranges;
    size_t count;
    bool is_bound; /* begins with '^' */
};

enum { RANGES_MAX = 2048, GROUPS_MAX = 64, REPEATS_MAX = 255 };

/* An expression while it is read. */
struct reader {
    struct slice text;
    size_t at;
    size_t depth;
    const char *problem;
    struct step steps[TEXT_PATTERN_STEPS_MAX];
    size_t count;
    struct range ranges[RANGES_MAX];
    size_t range_count;
};

static bool fail(struct reader *reader, const char *problem) {
    if (!reader->problem)
        reader->problem = problem;
    return false;
}

static bool is_next(const struct reader *reader, char byte) {
    return reader->at < reader->text.len && reader->text.ptr[reader->at] == byte;
}

static bool is_over(const struct reader *reader) {
    return reader->at == reader->text.len;
}

/* Opens room for `count` steps before `at`. */
static bool make_room(struct reader *reader, size_t at, size_t count) {
    if (reader->count + count > TEXT_PATTERN_STEPS_MAX - 1)
        return fail(reader, "is too long with its repetitions written out");
    memmove(reader->steps + at + count, reader->steps + at,
            (reader->count - at) * sizeof *reader->steps);
    reader->count += count;
    return true;
}

static bool insert(struct reader *reader, size_t at, struct step step) {
    if (!make_room(reader, at, 1))
        return false;
    reader->steps[at] = step;
    return true;
}

static bool append(struct reader *reader, struct step step) {
    return insert(reader, reader->count, step);
}

static bool append_copy(struct reader *reader, size_t from, size_t len) {
    size_t at = reader->count;
    if (!make_room(reader, at, len))
        return false;
    memcpy(reader->steps + at, reader->steps + from, len * sizeof *reader->steps);
    return true;
}

static struct step split(size_t to, size_t or_to) {
    return (struct step){.kind = STEP_SPLIT, .to = (int16_t)to, .or_to = (int16_t)or_to};
}

static struct step jump_back(size_t distance) {
    return (struct step){.kind = STEP_JUMP, .to = (int16_t) - (int)distance};
}

static bool add_range(struct reader *reader, uint32_t first, uint32_t last) {
    if (reader->range_count == RANGES_MAX)
        return fail(reader, "has too many characters");
    reader->ranges[reader->range_count++] = (struct range){first, last};
    return true;
}

static bool take_character(struct reader *reader, uint32_t *out_character) {
    size_t len = utf8_decode(slice_skip(reader->text, reader->at), out_character);
    if (len == 0)
        return fail(reader, "is not valid UTF-8");
    reader->at += len;
    return true;
}

static bool append_character(struct reader *reader, uint32_t character) {
    size_t range = reader->range_count;
    return add_range(reader, character, character) &&
           append(reader,
                  (struct step){.kind = STEP_SET, .range = (uint16_t)range, .range_count = 1});
}

static bool read_class(struct reader *reader) {
    static const struct {
        const char *name;
        struct range ranges[4];
    } CLASSES[] = {
        {"[:alpha:]", {{'A', 'Z'}, {'a', 'z'}}},
        {"[:digit:]", {{'0', '9'}}},
        {"[:alnum:]", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
        {"[:upper:]", {{'A', 'Z'}}},
        {"[:lower:]", {{'a', 'z'}}},
        {"[:space:]", {{'\t', '\r'}, {' ', ' '}}},
        {"[:blank:]", {{'\t', '\t'}, {' ', ' '}}},
        {"[:punct:]", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
        {"[:print:]", {{' ', '~'}}},
        {"[:graph:]", {{'!', '~'}}},
        {"[:cntrl:]", {{1, 31}, {127, 127}}},
        {"[:xdigit:]", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
    };
    struct slice rest = slice_skip(reader->text, reader->at);
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        if (!slice_starts_with(rest, slice_of_str(CLASSES[i].name)))
            continue;
        reader->at += strlen(CLASSES[i].name);
        for (size_t j = 0; j < 4 && CLASSES[i].ranges[j].last; j++)
            if (!add_range(reader, CLASSES[i].ranges[j].first, CLASSES[i].ranges[j].last))
                return false;
        return true;
    }
    return fail(reader, "has a class that is none; there are [:alpha:], [:digit:], [:alnum:], "
                        "[:upper:], [:lower:], [:space:], [:punct:] and the like");
}

static bool read_bracket_item(struct reader *reader) {
    uint32_t first, last;
    struct slice rest = slice_skip(reader->text, reader->at);
    if (slice_starts_with(rest, SLICE("[:")))
        return read_class(reader);
    if (slice_starts_with(rest, SLICE("[.")) || slice_starts_with(rest, SLICE("[=")))
        return fail(reader, "has a collating symbol, which is not available");
    if (is_next(reader, '\\') && rest.len > 1 && rest.ptr[1] != ']')
        return fail(reader, "has a backslash in brackets, where it stands for itself; put it last "
                            "when it is meant");
    if (!take_character(reader, &first))
        return false;
    rest = slice_skip(reader->text, reader->at);
    if (rest.len < 2 || rest.ptr[0] != '-' || rest.ptr[1] == ']')
        return add_range(reader, first, first);
    reader->at++;
    if (is_next(reader, '[') || !take_character(reader, &last) || last < first)
        return fail(reader, "has a range whose end does not come after its start");
    return add_range(reader, first, last);
}

/* Behind the '['. */
static bool read_bracket(struct reader *reader) {
    struct step step = {.kind = STEP_SET, .range = (uint16_t)reader->range_count};
    step.is_negated = is_next(reader, '^');
    reader->at += step.is_negated ? 1 : 0;
    size_t first = reader->at;
    while (reader->at == first || !is_next(reader, ']')) {
        if (is_over(reader))
            return fail(reader, "has a `[` without its `]`");
        if (!read_bracket_item(reader))
            return false;
    }
    reader->at++;
    step.range_count = (uint16_t)(reader->range_count - step.range);
    return append(reader, step);
}

static bool read_escape(struct reader *reader) {
    uint32_t character;
    if (is_over(reader))
        return fail(reader, "ends in a backslash");
    char next = reader->text.ptr[reader->at];
    bool is_word = (next >= '0' && next <= '9') || (next >= 'a' && next <= 'z') ||
                   (next >= 'A' && next <= 'Z');
    if (is_word)
        return fail(reader, "has a backslash before a letter or digit, which POSIX does not know; "
                            "write [0-9] for \\d, [[:space:]] for \\s");
    return take_character(reader, &character) && append_character(reader, character);
}

static bool read_alternatives(struct reader *reader);

static bool read_group(struct reader *reader) {
    if (++reader->depth > GROUPS_MAX)
        return fail(reader, "has too many groups within each other");
    if (is_over(reader))
        return fail(reader, "has a `(` without its `)`");
    if (is_next(reader, '?'))
        return fail(reader, "has a `(?`, which POSIX does not know; groups begin with `(` alone, "
                            "and [Aa] is a letter in either case");
    if (!read_alternatives(reader))
        return false;
    if (!is_next(reader, ')'))
        return fail(reader, "has a `(` without its `)`");
    reader->at++;
    reader->depth--;
    return true;
}

/* One thing that an operator behind it may be about; anchors are not. */
static bool read_atom(struct reader *reader, bool *out_is_anchor) {
    uint32_t character;
    char next = reader->text.ptr[reader->at];
    *out_is_anchor = next == '^' || next == '$';
    if (strchr("*+?{", next))
        return fail(reader, "has an operator with nothing before it that it could repeat");
    if (!strchr("([.\\^$", next))
        return take_character(reader, &character) && append_character(reader, character);
    reader->at++;
    switch (next) {
    case '(':
        return read_group(reader);
    case '[':
        return read_bracket(reader);
    case '.':
        return append(reader, (struct step){.kind = STEP_ANY});
    case '^':
        return append(reader, (struct step){.kind = STEP_BEGIN});
    case '$':
        return append(reader, (struct step){.kind = STEP_END});
    default:
        return read_escape(reader);
    }
}

static bool read_number(struct reader *reader, size_t *out_number) {
    size_t start = reader->at, number = 0;
    while (!is_over(reader) && reader->at < start + 4 && reader->text.ptr[reader->at] >= '0' &&
           reader->text.ptr[reader->at] <= '9')
        number = number * 10 + (size_t)(reader->text.ptr[reader->at++] - '0');
    *out_number = number;
    return reader->at > start && number <= REPEATS_MAX;
}

static bool make_optional(struct reader *reader, size_t start) {
    return insert(reader, start, split(1, reader->count - start + 1));
}

static bool make_star(struct reader *reader, size_t start) {
    size_t len = reader->count - start;
    return insert(reader, start, split(1, len + 2)) && append(reader, jump_back(len + 1));
}

/* `least` of the piece, then up to `most`, or without end. */
static bool repeat(struct reader *reader, size_t start, size_t least, size_t most, bool is_open) {
    size_t len = reader->count - start;
    size_t copies = is_open ? least : most; /* besides the piece, which comes last */
    if (copies == 0 && !is_open) {
        reader->count = start;
        return true;
    }
    copies -= is_open ? 0 : 1;
    /* The piece at `start` is the first that is there; what is optional is wrapped as it comes. */
    size_t piece = start;
    for (size_t i = 0; i < copies; i++) {
        size_t at = reader->count;
        bool is_optional = !is_open && i + 1 >= least;
        if (!append_copy(reader, piece, len))
            return false;
        if (is_open && i + 1 == copies)
            return make_star(reader, at);
        if (is_optional && !make_optional(reader, at))
            return false;
    }
    if (is_open && least == 0)
        return make_star(reader, start);
    return least == 0 ? make_optional(reader, start) : true;
}

/* Behind the '{'. */
static bool read_interval(struct reader *reader, size_t start) {
    static const char FORM[] = "has a `{` that begins no {N}, {N,} or {N,M} of at most 255; write "
                               "\\{ for the brace itself";
    size_t least = 0, most = 0;
    bool is_open = false;
    if (!read_number(reader, &least))
        return fail(reader, FORM);
    most = least;
    if (is_next(reader, ',')) {
        reader->at++;
        is_open = is_next(reader, '}');
        if (!is_open && (!read_number(reader, &most) || most < least))
            return fail(reader, FORM);
    }
    if (!is_next(reader, '}'))
        return fail(reader, FORM);
    reader->at++;
    return repeat(reader, start, least, most, is_open);
}

static bool read_operator(struct reader *reader, size_t start) {
    switch (reader->text.ptr[reader->at++]) {
    case '*':
        return make_star(reader, start);
    case '+':
        return append(reader, (struct step){.kind = STEP_SPLIT,
                                            .to = (int16_t) - (int)(reader->count - start),
                                            .or_to = 1});
    case '?':
        return make_optional(reader, start);
    default:
        return read_interval(reader, start);
    }
}

static bool is_operator_next(const struct reader *reader) {
    return !is_over(reader) && strchr("*+?{", reader->text.ptr[reader->at]);
}

static bool read_piece(struct reader *reader) {
    size_t start = reader->count;
    bool is_anchor = false;
    if (!read_atom(reader, &is_anchor))
        return false;
    if (!is_operator_next(reader))
        return true;
    if (is_anchor)
        return fail(reader, "has an operator behind `^` or `$`, which cannot be repeated");
    if (!read_operator(reader, start))
        return false;
    return !is_operator_next(reader) ||
           fail(reader, "has two operators in a row, which POSIX leaves undefined");
}

static bool read_branch(struct reader *reader) {
    size_t start = reader->at;
    while (!is_over(reader) && !is_next(reader, '|') &&
           !(is_next(reader, ')') && reader->depth > 0)) {
        if (is_next(reader, ')'))
            return fail(reader, "has a `)` without its `(`; write \\) for itself");
        if (!read_piece(reader))
            return false;
    }
    return reader->at > start || fail(reader, "has an empty alternative or group");
}

/* Each branch but the last is wrapped in a split before it and a jump behind it; the jumps are
 * chained until it is known where they lead. */
static bool read_alternatives(struct reader *reader) {
    size_t chain = SIZE_MAX;
    for (;;) {
        size_t start = reader->count;
        if (!read_branch(reader))
            return false;
        if (!is_next(reader, '|'))
            break;
        reader->at++;
        if (!insert(reader, start, split(1, reader->count - start + 2)) ||
            !append(reader, jump_back(chain == SIZE_MAX ? 0 : reader->count - chain)))
            return false;
        chain = reader->count - 1;
    }
    while (chain != SIZE_MAX) {
        struct step *jump = &reader->steps[chain];
        size_t back = (size_t)-jump->to;
        jump->to = (int16_t)(reader->count - chain);
        chain = back ? chain - back : SIZE_MAX;
    }
    return true;
}

static const struct text_pattern *take(struct arena *arena, const struct reader *reader) {
    struct text_pattern *pattern = arena_alloc(arena, sizeof *pattern);
    struct step *steps = arena_array(arena, reader->count, sizeof *steps);
    struct range *ranges = arena_array(arena, reader->range_count, sizeof *ranges);
    if (!pattern || !steps || !ranges)
        return NULL;
    memcpy(steps, reader->steps, reader->count * sizeof *steps);
    if (reader->range_count)
        memcpy(ranges, reader->ranges, reader->range_count * sizeof *ranges);
    *pattern = (struct text_pattern){steps, ranges, reader->count, steps[0].kind == STEP_BEGIN};
    return pattern;
}

const struct text_pattern *text_pattern_new(struct arena *arena, struct slice expression,
                                            const char **out_problem, size_t *out_at) {
    struct reader reader;
    reader.text = expression;
    reader.at = reader.depth = reader.count = reader.range_count = 0;
    reader.problem = NULL;
    *out_at = 0;
    *out_problem = "is longer than 1024 bytes";
    if (expression.len > TEXT_PATTERN_BYTES_MAX)
        return NULL;
    *out_problem = "holds a NUL";
    if (slice_index(expression, '\0') != expression.len)
        return NULL;
    if (read_alternatives(&reader)) {
        reader.steps[reader.count++] = (struct step){.kind = STEP_MATCH};
        *out_problem = NULL;
        return take(arena, &reader);
    }
    *out_problem = reader.problem;
    *out_at = reader.at;
    return NULL;
}

/* The steps that wait for the next character, each once. */
struct frontier {
    uint16_t steps[TEXT_PATTERN_STEPS_MAX];
    size_t count;
};

struct run {
    const struct text_pattern *pattern;
    uint32_t seen[TEXT_PATTERN_STEPS_MAX]; /* 1 + the position at which it was met last */
    uint16_t pending[TEXT_PATTERN_STEPS_MAX + 1];
    bool is_matched;
};

/* Follows what takes no character, from `step` on. Each step is pushed once at a position. */
static void reach(struct run *run, struct frontier *frontier, size_t step, uint32_t position,
                  bool is_end) {
    const struct step *steps = run->pattern->steps;
    size_t pending = 0;
    if (run->seen[step] == position + 1)
        return;
    run->seen[step] = position + 1;
    run->pending[pending++] = (uint16_t)step;
    while (pending > 0) {
        size_t at = run->pending[--pending];
        int next[2] = {0, 0};
        switch (steps[at].kind) {
        case STEP_ANY:
        case STEP_SET:
            frontier->steps[frontier->count++] = (uint16_t)at;
            break;
        case STEP_SPLIT:
            next[0] = steps[at].to;
            next[1] = steps[at].or_to;
            break;
        case STEP_JUMP:
            next[0] = steps[at].to;
            break;
        case STEP_BEGIN:
            next[0] = position == 0;
            break;
        case STEP_END:
            next[0] = is_end;
            break;
        case STEP_MATCH:
            run->is_matched = true;
            return;
        }
        for (size_t i = 0; i < 2; i++) {
            int to = (int)at + next[i];
            if (next[i] != 0 && run->seen[to] != position + 1) {
                run->seen[to] = position + 1;
                run->pending[pending++] = (uint16_t)to;
            }
        }
    }
}

static bool takes(const struct text_pattern *pattern, const struct step *step, uint32_t character) {
    if (step->kind == STEP_ANY)
        return true;
    const struct range *ranges = pattern->ranges + step->range;
    for (size_t i = 0; i < step->range_count; i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return !step->is_negated;
    return step->is_negated;
}

bool text_pattern_matches(const struct text_pattern *pattern, struct slice text) {
    struct run run;
    struct frontier frontiers[2], *now = &frontiers[0], *then = &frontiers[1];
    uint32_t position = 0;
    run.pattern = pattern;
    run.is_matched = false;
    memset(run.seen, 0, pattern->count * sizeof *run.seen);
    now->count = 0;
    reach(&run, now, 0, 0, text.len == 0);
    while (text.len > 0 && !run.is_matched && (now->count > 0 || !pattern->is_bound)) {
        uint32_t character;
        size_t len = utf8_decode(text, &character);
        if (len == 0)
            return false;
        text = slice_skip(text, len);
        position++;
        then->count = 0;
        for (size_t i = 0; i < now->count && !run.is_matched; i++)
            if (takes(pattern, &pattern->steps[now->steps[i]], character))
                reach(&run, then, (size_t)now->steps[i] + 1, position, text.len == 0);
        if (!pattern->is_bound && !run.is_matched)
            reach(&run, then, 0, position, text.len == 0);
        struct frontier *spare = now;
        now = then;
        then = spare;
    }
    return run.is_matched;
}
