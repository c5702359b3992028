/* Only the last star has to be gone back to: whatever the ones before it took stays right. */
#include "core/glob.h"

bool glob_match(struct slice pattern, struct slice text) {
    size_t p = 0, t = 0, star = pattern.len, resume = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
            p++;
            t++;
        } else if (star < pattern.len) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}
