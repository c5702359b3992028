/* The writers of the world differ in what they escape and how: the tables below hold what the usual
 * ones do, and a value is written in all their ways. Most come out alike, and each is kept once. */
#include "vault/leak_forms.h"

#include "core/utf8.h"
#include "core/wiping_memory.h"

enum { BYTES_CAP_MIN = 1024, ITEM_CAP_MIN = 32 };

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char *const hex_cases[] = {hex_lower, hex_upper};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static bool reserve_bytes(struct leak_forms *forms, size_t extra) {
    if (forms->failed)
        return false;
    if (extra <= forms->cap - forms->len)
        return true;
    size_t cap = forms->cap ? forms->cap : BYTES_CAP_MIN;
    while (cap - forms->len < extra)
        cap *= 2;
    char *bytes = wiping_realloc(forms->bytes, cap);
    if (!bytes) {
        forms->failed = true;
        return false;
    }
    forms->bytes = bytes;
    forms->cap = cap;
    return true;
}

static void put(struct leak_forms *forms, const char *bytes, size_t len) {
    if (len == 0 || !reserve_bytes(forms, len))
        return;
    memcpy(forms->bytes + forms->len, bytes, len);
    forms->len += len;
}

static void put_text(struct leak_forms *forms, const char *text) {
    put(forms, text, strlen(text));
}

static void put_hex(struct leak_forms *forms, unsigned char byte, const char *digits) {
    const char pair[] = {digits[byte >> 4], digits[byte & 15]};
    put(forms, pair, sizeof pair);
}

static bool reserve_item(struct leak_forms *forms) {
    if (forms->count < forms->item_cap)
        return true;
    size_t cap = forms->item_cap ? forms->item_cap * 2 : ITEM_CAP_MIN;
    struct leak_form *items = wiping_realloc(forms->items, cap * sizeof *items);
    if (!items) {
        forms->failed = true;
        return false;
    }
    forms->items = items;
    forms->item_cap = cap;
    return true;
}

static bool is_known(const struct leak_forms *forms, struct slice form) {
    for (size_t i = forms->first; i < forms->count; i++) {
        if (slice_eq(leak_forms_at(forms, i), form))
            return true;
    }
    return false;
}

/* What was put since `begin` is a form, unless it is one already. */
static void keep_form(struct leak_forms *forms, size_t begin) {
    struct slice form = slice_of(forms->bytes + begin, forms->len - begin);
    if (forms->failed)
        return;
    if (form.len == 0 || is_known(forms, form) || !reserve_item(forms)) {
        forms->len = begin;
        return;
    }
    forms->items[forms->count++] = (struct leak_form){begin, form.len};
}

/* Six bits of `value`, `bit` bits behind its start. All of them are there. */
static unsigned sextet(struct slice value, size_t bit) {
    size_t at = bit / 8;
    unsigned high = (unsigned char)value.ptr[at];
    unsigned low = at + 1 < value.len ? (unsigned char)value.ptr[at + 1] : 0;
    return ((high << 8 | low) >> (10 - bit % 8)) & 63;
}

/* `before`: how many bytes (0-2) of the group of three that the value begins in are another's. */
static void add_base64(struct leak_forms *forms, struct slice value, size_t before,
                       const char *last_two) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t begin = forms->len;
    size_t bit = before == 0 ? 0 : before == 1 ? 4 : 2; /* the first that opens a character */
    for (; bit + 6 <= value.len * 8; bit += 6) {
        unsigned number = sextet(value, bit);
        put(forms, number < 62 ? letters + number : last_two + number - 62, 1);
    }
    keep_form(forms, begin);
}

static void add_hex(struct leak_forms *forms, struct slice value, const char *digits) {
    size_t begin = forms->len;
    for (size_t i = 0; i < value.len; i++)
        put_hex(forms, (unsigned char)value.ptr[i], digits);
    keep_form(forms, begin);
}

static bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

struct percent_writer {
    const char *kept; /* beside letters and digits */
    bool has_plus;    /* for a space */
};

static const struct percent_writer percent_writers[] = {
    {"-._~", false},                 /* RFC 3986 unreserved; .NET's EscapeDataString */
    {"-._~!'()*", false},            /* encodeURIComponent */
    {"-._~!'()*;/?:@&=+$,#", false}, /* encodeURI */
    {"-._~/", false},                /* Python's quote */
    {"-._~!$&'()*+,;=:@", false},    /* a path segment, RFC 3986 pchar */
    {"-._~!$&'()*+,;=:@/", false},   /* a path */
    {"-._~!$&'()*+,;=:@/?", false},  /* a query */
    {"-._~$&+=:@", false},           /* Go's PathEscape */
    {"-._*", true},                  /* a form: browsers, Java's URLEncoder */
    {"-._~", true},                  /* Go's QueryEscape, Python's quote_plus */
    {"-._", true},                   /* PHP's urlencode */
    {"-._!*()", true},               /* .NET's UrlEncode */
};

static void add_percent(struct leak_forms *forms, struct slice value,
                        const struct percent_writer *writer, const char *digits) {
    size_t begin = forms->len;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (is_alphanumeric(c) || is_one_of(c, writer->kept)) {
            put(forms, &c, 1);
        } else if (c == ' ' && writer->has_plus) {
            put_text(forms, "+");
        } else {
            put_text(forms, "%");
            put_hex(forms, (unsigned char)c, digits);
        }
    }
    keep_form(forms, begin);
}

/* Characters below 0x80 that some write as \uXXXX though they need not be. */
static const char *const json_sets[] = {
    "",         /* JSON.stringify, Jackson, Python */
    "<>&",      /* Go, Rails */
    "<>&'",     /* .NET Framework */
    "<>&'=",    /* Gson */
    "<>&'\"",   /* PHP with JSON_HEX_* */
    "<>&'\"+`", /* System.Text.Json */
};

struct json_writer {
    const char *set;
    const char *ascii_digits; /* of what is escaped below 0x80 */
    const char *other_digits; /* of what is escaped above; NULL: nothing is */
    bool has_slash;           /* writes \/ */
};

static void put_unit(struct leak_forms *forms, uint32_t unit, const char *digits) {
    put_text(forms, "\\u");
    put_hex(forms, (unsigned char)(unit >> 8), digits);
    put_hex(forms, (unsigned char)(unit & 0xFF), digits);
}

static void put_code_point(struct leak_forms *forms, uint32_t code_point, const char *digits) {
    if (code_point < 0x10000) {
        put_unit(forms, code_point, digits);
        return;
    }
    put_unit(forms, 0xD800 + ((code_point - 0x10000) >> 10), digits);
    put_unit(forms, 0xDC00 + ((code_point - 0x10000) & 0x3FF), digits);
}

static void put_json_ascii(struct leak_forms *forms, char c, const struct json_writer *writer) {
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *short_form = c != '\0' ? strchr(plain, c) : NULL;
    if (is_one_of(c, writer->set) || (!short_form && (unsigned char)c < 0x20)) {
        put_unit(forms, (unsigned char)c, writer->ascii_digits);
        return;
    }
    if (short_form || (c == '/' && writer->has_slash))
        put_text(forms, "\\");
    put(forms, short_form ? &letters[short_form - plain] : &c, 1);
}

static void put_json(struct leak_forms *forms, struct slice value,
                     const struct json_writer *writer) {
    size_t step;
    for (struct slice rest = value; rest.len > 0; rest = slice_skip(rest, step)) {
        uint32_t code_point = 0;
        step = utf8_decode(rest, &code_point);
        if (step == 1) {
            put_json_ascii(forms, rest.ptr[0], writer);
        } else if (step > 1 && writer->other_digits) {
            put_code_point(forms, code_point, writer->other_digits);
        } else { /* what is no UTF-8 no writer of JSON takes: it can only pass as it is */
            step = step ? step : 1;
            put(forms, rest.ptr, step);
        }
    }
}

static void add_json(struct leak_forms *forms, struct slice value,
                     const struct json_writer *writer) {
    size_t begin = forms->len;
    put_json(forms, value, writer);
    keep_form(forms, begin);
}

/* JSON in a string of JSON, as tools' results are. */
static void add_json_within_json(struct leak_forms *forms, struct slice value,
                                 const struct json_writer *writer) {
    size_t begin = forms->len;
    put_json(forms, value, writer);
    size_t end = forms->len;
    for (size_t at = begin; at < end && !forms->failed; at++) {
        char c = forms->bytes[at]; /* by value: they may move */
        if (c == '"' || c == '\\')
            put_text(forms, "\\");
        put(forms, &c, 1);
    }
    if (forms->failed)
        return;
    memmove(forms->bytes + begin, forms->bytes + end, forms->len - end);
    forms->len -= end - begin;
    keep_form(forms, begin);
}

static void add_json_sets(struct leak_forms *forms, struct slice value, struct json_writer writer) {
    for (size_t set = 0; set < COUNT_OF(json_sets); set++) {
        writer.set = json_sets[set];
        for (size_t i = 0; i < COUNT_OF(hex_cases); i++) {
            writer.ascii_digits = hex_cases[i];
            add_json(forms, value, &writer);
        }
    }
}

static void add_json_forms(struct leak_forms *forms, struct slice value) {
    static const char *const other_digits[] = {NULL, hex_lower, hex_upper};
    for (size_t i = 0; i < COUNT_OF(other_digits); i++) {
        for (int has_slash = 0; has_slash <= 1; has_slash++)
            add_json_sets(
                forms, value,
                (struct json_writer){.other_digits = other_digits[i], .has_slash = has_slash});
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t set = 0; set < 2; set++)
            add_json_within_json(forms, value,
                                 &(struct json_writer){.set = json_sets[set],
                                                       .ascii_digits = hex_lower,
                                                       .other_digits = other_digits[i]});
    }
}

struct html_escape {
    char c;
    const char *text; /* NULL: the character itself */
};

/* Beside & and, but for the last row, < and >. */
struct html_writer {
    struct html_escape also[3];
    bool has_brackets; /* < and > as they are, as in an attribute */
};

static const struct html_writer html_writers[] = {
    {.also = {{'\0', NULL}}},
    {.also = {{'+', "&#43;"}}},                                    /* Go's html/template */
    {.also = {{'+', "&#x2B;"}, {'`', "&#x60;"}}},                  /* .NET's HtmlEncoder */
    {.also = {{'`', "&#x60;"}, {'=', "&#x3D;"}}},                  /* Handlebars */
    {.also = {{'/', "&#x2F;"}, {'`', "&#x60;"}, {'=', "&#x3D;"}}}, /* mustache.js */
    {.also = {{'/', "&#x2F;"}}},                                   /* OWASP's rule */
    {.has_brackets = true},
};

static const struct html_escape html_quotes[] = {{'"', NULL}, {'"', "&quot;"}, {'"', "&#34;"}};
static const struct html_escape html_apostrophes[] = {
    {'\'', NULL}, {'\'', "&#39;"}, {'\'', "&#x27;"}, {'\'', "&apos;"}};

/* NULL: the character is written as it is. */
static const char *html_text(char c, const struct html_writer *writer) {
    if (c == '&')
        return "&amp;";
    if (c == '<' || c == '>')
        return writer->has_brackets ? NULL : c == '<' ? "&lt;" : "&gt;";
    for (size_t i = 0; c != '\0' && i < COUNT_OF(writer->also); i++) {
        if (writer->also[i].c == c)
            return writer->also[i].text;
    }
    return NULL;
}

static void add_html(struct leak_forms *forms, struct slice value, const struct html_writer *writer,
                     struct html_escape quote, struct html_escape apostrophe) {
    size_t begin = forms->len;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        const char *text = c == quote.c        ? quote.text
                           : c == apostrophe.c ? apostrophe.text
                                               : html_text(c, writer);
        if (text)
            put_text(forms, text);
        else
            put(forms, &c, 1);
    }
    keep_form(forms, begin);
}

static void add_html_forms(struct leak_forms *forms, struct slice value) {
    for (size_t i = 0; i < COUNT_OF(html_writers); i++) {
        for (size_t quote = 0; quote < COUNT_OF(html_quotes); quote++) {
            for (size_t apostrophe = 0; apostrophe < COUNT_OF(html_apostrophes); apostrophe++)
                add_html(forms, value, &html_writers[i], html_quotes[quote],
                         html_apostrophes[apostrophe]);
        }
    }
}

void leak_forms_add_raw(struct leak_forms *forms, struct slice bytes) {
    size_t begin = forms->len;
    forms->first = forms->count;
    put(forms, bytes.ptr, bytes.len);
    keep_form(forms, begin);
}

void leak_forms_add_all(struct leak_forms *forms, struct slice value) {
    leak_forms_add_raw(forms, value);
    for (size_t before = 0; before < 3; before++) {
        add_base64(forms, value, before, "+/");
        add_base64(forms, value, before, "-_");
    }
    for (size_t i = 0; i < COUNT_OF(hex_cases); i++) {
        add_hex(forms, value, hex_cases[i]);
        for (size_t writer = 0; writer < COUNT_OF(percent_writers); writer++)
            add_percent(forms, value, &percent_writers[writer], hex_cases[i]);
    }
    add_json_forms(forms, value);
    add_html_forms(forms, value);
}

void leak_forms_done(struct leak_forms *forms) {
    wiping_free(forms->bytes);
    wiping_free(forms->items);
    *forms = (struct leak_forms){0};
}
