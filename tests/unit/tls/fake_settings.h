/* A libssl whose connection has the settings that a test gives it. It has only the functions that get and set them.
 */
#ifndef PFSWRAP_TESTS_TLS_FAKE_SETTINGS_H
#define PFSWRAP_TESTS_TLS_FAKE_SETTINGS_H

#include <stdbool.h>

#include "tls/settings.h"

/* What the connection has, what it is, and how often a setter was called. */
extern struct tls_settings fake_settings;
extern bool is_dtls, is_server, is_quic;
extern int setter_calls;
extern struct libssl fake_settings_lib;

#endif
