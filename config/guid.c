/* The one form of a GUID that Entra writes. */
#include "config/config.h"

#define GUID_LEN 36

bool config_is_guid(struct slice text) {
    if (text.len != GUID_LEN)
        return false;
    for (size_t i = 0; i < GUID_LEN; i++) {
        char c = text.ptr[i];
        bool is_dash_here = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (is_dash_here ? c != '-' : !is_hex)
            return false;
    }
    return true;
}
