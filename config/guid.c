/* The one form of a GUID that Entra writes, and the others that people copy from elsewhere. */
#include "config/guid.h"

#include <stdio.h>

#include "config/config.h"
#include "config/quote.h"

#define GUID_LEN 36

static bool is_hex(char c) {
    char lower = (char)(c | 0x20);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

static bool is_dash_place(size_t at) {
    return at == 8 || at == 13 || at == 18 || at == 23;
}

bool config_is_guid(struct slice text) {
    if (text.len != GUID_LEN)
        return false;
    for (size_t i = 0; i < GUID_LEN; i++) {
        if (is_dash_place(i) ? text.ptr[i] != '-' : !is_hex(text.ptr[i]))
            return false;
    }
    return true;
}

/* 32 digits with dashes in any places, or none. */
static const char *with_dashes(struct slice text, struct guid_advice *out_advice) {
    char digits[32];
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-')
            continue;
        if (!is_hex(text.ptr[i]) || count == sizeof digits)
            return NULL;
        digits[count++] = text.ptr[i];
    }
    if (count != sizeof digits)
        return NULL;
    snprintf(out_advice->text, sizeof out_advice->text, "write it as %.8s-%.4s-%.4s-%.4s-%.12s",
             digits, digits + 8, digits + 12, digits + 16, digits + 20);
    return out_advice->text;
}

/* The right length and the dashes in place, but a letter that is none of a to f. */
static const char *wrong_letter(struct slice text, struct guid_advice *out_advice) {
    size_t wrong = text.len, wrong_count = 0;
    for (size_t i = 0; text.len == GUID_LEN && i < text.len; i++) {
        if (is_dash_place(i) && text.ptr[i] != '-')
            return NULL;
        if (is_dash_place(i) || is_hex(text.ptr[i]))
            continue;
        wrong_count++;
        wrong = i;
    }
    if (wrong_count != 1)
        return NULL;
    snprintf(out_advice->text, sizeof out_advice->text,
             "look at its character %zu: %s is none of 0 to 9 and a to f", wrong + 1,
             QUOTE(slice_of(text.ptr + wrong, 1)));
    return out_advice->text;
}

static const char *wrong_length(struct slice text, struct guid_advice *out_advice) {
    size_t digits = 0, dashes = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_hex(text.ptr[i]) && text.ptr[i] != '-')
            return NULL;
        dashes += text.ptr[i] == '-' ? 1 : 0;
    }
    digits = text.len - dashes;
    if (digits < 24 || digits > 40 || dashes < 3)
        return NULL;
    snprintf(out_advice->text, sizeof out_advice->text,
             "copy it again: it has %zu digits and a GUID has 32", digits);
    return out_advice->text;
}

const char *guid_advice_of(struct slice text, struct guid_advice *out_advice) {
    bool is_wrapped =
        text.len > 2 && strchr("{(", text.ptr[0]) && strchr("})", text.ptr[text.len - 1]);
    if (is_wrapped && config_is_guid(slice_of(text.ptr + 1, text.len - 2)))
        return "leave the brackets out";
    if (slice_index(text, '@') != text.len)
        return "write the user's object id (Entra: Users, Overview), not the sign-in name";
    const char *advice = with_dashes(text, out_advice);
    if (!advice)
        advice = wrong_letter(text, out_advice);
    return advice ? advice : wrong_length(text, out_advice);
}
