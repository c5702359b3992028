/* The tables are computed by the compiler from the definitions of the classes, so that nobody has
 * to read 256 numbers to know what is in them. */
#include "proxy/h1_bytes.h"

#define IS_UPPER(c) ((c) >= 'A' && (c) <= 'Z')
#define IS_LOWER(c) ((c) >= 'a' && (c) <= 'z')
#define IS_DIGIT(c) ((c) >= '0' && (c) <= '9')
#define IS_ALNUM(c) (IS_UPPER(c) || IS_LOWER(c) || IS_DIGIT(c))
#define IS_TOKEN(c)                                                                                \
    (IS_ALNUM(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' ||          \
     (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' ||          \
     (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')
#define IS_TARGET(c)                                                                               \
    ((c) > 0x20 && (c) < 0x7f && (c) != '#' && (c) != '"' && (c) != '<' && (c) != '>')
#define IS_REG_NAME(c) (IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
#define IS_TEXT(c) ((c) == '\t' || ((c) >= 0x20 && (c) != 0x7f))

#define CLASSES(c)                                                                                 \
    ((IS_ALNUM(c) || (c) == '-' ? H1_NAME : 0) | (IS_TOKEN(c) ? H1_TOKEN : 0) |                    \
     (IS_TARGET(c) ? H1_TARGET : 0) | (IS_UPPER(c) || (c) == '-' ? H1_METHOD : 0) |                \
     (IS_REG_NAME(c) ? H1_REG_NAME : 0) | (IS_TEXT(c) ? H1_TEXT : 0) |                             \
     (IS_DIGIT(c) ? H1_DIGIT : 0))
#define LOWER(c) (IS_UPPER(c) ? (c) | 0x20 : (c))

#define FOUR(F, c) F(c), F((c) + 1), F((c) + 2), F((c) + 3)
#define SIXTEEN(F, c) FOUR(F, c), FOUR(F, (c) + 4), FOUR(F, (c) + 8), FOUR(F, (c) + 12)
#define SIXTY_FOUR(F, c)                                                                           \
    SIXTEEN(F, c), SIXTEEN(F, (c) + 16), SIXTEEN(F, (c) + 32), SIXTEEN(F, (c) + 48)
#define ALL(F) SIXTY_FOUR(F, 0), SIXTY_FOUR(F, 64), SIXTY_FOUR(F, 128), SIXTY_FOUR(F, 192)

const uint8_t h1_classes[256] = {ALL(CLASSES)};
const uint8_t h1_lower_case[256] = {ALL(LOWER)};

/* False means different; true still leaves pairs like '^' and '~' to be told apart. */
static bool may_be_equal(const char *a, const char *b, size_t len) {
    const uint64_t case_bits = UINT64_C(0x2020202020202020);
    for (; len >= 8; a += 8, b += 8, len -= 8) {
        if (((h1_eight_bytes(a) ^ h1_eight_bytes(b)) & ~case_bits) != 0) {
            return false;
        }
    }
    return true;
}

bool h1_equal_nocase(struct slice a, struct slice b) {
    if (a.len != b.len || !may_be_equal(a.ptr, b.ptr, a.len)) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (h1_lower(a.ptr[i]) != h1_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}
