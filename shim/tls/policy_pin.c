/* See policy_pin.h. */
#include "tls/policy_pin.h"

__thread const struct policy *tls_policy_pinned __attribute__((tls_model("initial-exec")));
