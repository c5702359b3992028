/* The C library reads no offsets and takes a wrong day for the next month's: both matter here. */
#include "auth/rfc3339.h"

/* What is still to be read. */
struct cursor {
    struct slice rest;
    bool failed;
};

static char next(struct cursor *cursor) {
    if (cursor->rest.len == 0) {
        cursor->failed = true;
        return '\0';
    }
    char c = cursor->rest.ptr[0];
    cursor->rest = slice_skip(cursor->rest, 1);
    return c;
}

static void expect(struct cursor *cursor, char wanted, char or_wanted) {
    char c = next(cursor);
    if (c != wanted && c != or_wanted)
        cursor->failed = true;
}

/* In the range whatever is there. */
static int64_t number(struct cursor *cursor, int digits, int64_t min, int64_t max) {
    int64_t value = 0;
    for (int i = 0; i < digits; i++) {
        char c = next(cursor);
        if (c < '0' || c > '9') {
            cursor->failed = true;
            return min;
        }
        value = value * 10 + (c - '0');
    }
    if (value >= min && value <= max)
        return value;
    cursor->failed = true;
    return min;
}

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_before_year(int64_t year) {
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

/* Days since 1970-01-01. */
static int64_t read_date(struct cursor *cursor) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = number(cursor, 4, 1, 9999);
    expect(cursor, '-', '-');
    int64_t month = number(cursor, 2, 1, 12);
    expect(cursor, '-', '-');
    int64_t day = number(cursor, 2, 1, 31);
    int64_t days = days_before_year(year) - days_before_year(1970);
    for (int64_t m = 1; m < month; m++)
        days += lengths[m - 1] + (m == 2 && is_leap(year) ? 1 : 0);
    if (day > lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0))
        cursor->failed = true;
    return days + day - 1;
}

static int64_t read_time(struct cursor *cursor) {
    int64_t hour = number(cursor, 2, 0, 23);
    expect(cursor, ':', ':');
    int64_t minute = number(cursor, 2, 0, 59);
    expect(cursor, ':', ':');
    int64_t second = number(cursor, 2, 0, 60); /* a leap second */
    return hour * 3600 + minute * 60 + second;
}

/* 1 when there is a fraction that is not zero. */
static int64_t read_fraction(struct cursor *cursor) {
    if (cursor->rest.len == 0 || cursor->rest.ptr[0] != '.')
        return 0;
    int64_t rounded = 0;
    cursor->rest = slice_skip(cursor->rest, 1);
    do {
        rounded |= number(cursor, 1, 0, 9) != 0 ? 1 : 0;
    } while (!cursor->failed && cursor->rest.len > 0 && cursor->rest.ptr[0] >= '0' &&
             cursor->rest.ptr[0] <= '9');
    return rounded;
}

static int64_t read_offset(struct cursor *cursor) {
    char sign = next(cursor);
    if (sign == 'Z' || sign == 'z')
        return 0;
    if (sign != '+' && sign != '-')
        cursor->failed = true;
    int64_t hours = number(cursor, 2, 0, 23);
    expect(cursor, ':', ':');
    int64_t sec = hours * 3600 + number(cursor, 2, 0, 59) * 60;
    return sign == '-' ? -sec : sec;
}

bool rfc3339_parse(struct slice text, int64_t *out_sec) {
    struct cursor cursor = {.rest = text};
    int64_t sec = read_date(&cursor) * 86400;
    expect(&cursor, 'T', 't');
    sec += read_time(&cursor);
    sec += read_fraction(&cursor);
    sec -= read_offset(&cursor);
    if (cursor.failed || cursor.rest.len > 0)
        return false;
    *out_sec = sec;
    return true;
}
