/*
 * OpenSSL 3.x and 1.1.1 have different calls for this (ERR_raise(3), ERR_put_error(3) of 1.1.1).
 */
#include "tls/error.h"

void tls_error_push(const struct libssl *lib, int reason, const char *detail)
{
    if (lib->ERR_new != NULL && lib->ERR_set_debug != NULL && lib->ERR_set_error != NULL) {
        lib->ERR_new();
        lib->ERR_set_debug("pfswrap", 0, "pfswrap");
        lib->ERR_set_error(ERR_LIB_SSL, reason, "pfswrap: %s", detail);
    } else if (lib->ERR_put_error != NULL) {
        lib->ERR_put_error(ERR_LIB_SSL, 0, reason, "pfswrap", 0);
        lib->ERR_add_error_data(2, "pfswrap: ", detail);
    }
}
