/*
 * OpenSSL 3.x has ERR_raise(3), and 1.1.1 has ERR_put_error(3).
 */
#include "tls/error.h"

/*
 * The reason as 1.1.1 has it. Those that all libraries share are numbered from 1 there, with bit 6 set, and
 * since 3.0 from 256, with bits 18 and 19 set (openssl/err.h of both).
 */
static int reason_of_1_1(int code)
{
    return (code & 0xc0000) != 0 ? ((code & 0xff) + 1) | 0x40 : code;
}

void tls_error_push(const struct libssl *lib, int code, const char *reason)
{
    if (lib->ERR_new != NULL && lib->ERR_set_debug != NULL && lib->ERR_set_error != NULL) {
        lib->ERR_new();
        lib->ERR_set_debug("pfswrap", 0, "pfswrap");
        lib->ERR_set_error(ERR_LIB_SSL, code, "pfswrap: %s", reason);
    } else if (lib->ERR_put_error != NULL) {
        lib->ERR_put_error(ERR_LIB_SSL, 0, reason_of_1_1(code), "pfswrap", 0);
        lib->ERR_add_error_data(2, "pfswrap: ", reason);
    }
}
