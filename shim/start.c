/*
 * The constructor of the shared object, which runs before the program's main(). It finds the real functions, reads
 * the policy, ends the process if a TLS library is not supported, and removes dangerous variables from the
 * environment. Interposed calls that run even earlier do what they need by themselves (config/init.h).
 */
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "gnutls/library.h"
#include "config/init.h"
#include "config/override.h"
#include "base/libc.h"
#include "runtime.h"
#include "socket/adopt.h"
#include "socket/uring_filter.h"
#include "children/environment.h"
#include "tls/libssl.h"
#include "fd/plane.h"
#include "reload/watch.h"

/* A key log allows to decrypt recorded traffic. No library of this process and no child may write one. */
static void refuse_key_log(const struct policy *policy)
{
    const char *path = getenv("SSLKEYLOGFILE");
    if (path == NULL)
        return;
    override_report("SSLKEYLOGFILE", path, "unset");
    if (policy->mode == POLICY_ENFORCE)
        unsetenv("SSLKEYLOGFILE");
}

/* children = allow: programs that this one executes start without the shim. Other objects stay in LD_PRELOAD. */
static void release_children(void)
{
    const char *preload = getenv("LD_PRELOAD");
    unsetenv("PFSWRAP_POLICY");
    unsetenv(PFSWRAP_CHILD_VARIABLE);
    if (preload == NULL)
        return;
    static const char shim[] = "libpfswrap.so";
    char kept[PATH_MAX];
    size_t length = 0;
    while (*preload != '\0') {
        size_t word = strcspn(preload, " :");
        size_t folder = word >= sizeof shim - 1 ? word - (sizeof shim - 1) : 0;
        bool is_shim = word >= sizeof shim - 1 && memcmp(preload + folder, shim, sizeof shim - 1) == 0 &&
                       (folder == 0 || preload[folder - 1] == '/');
        if (word > 0 && !is_shim) {
            if (length + word + 2 > sizeof kept)
                return;
            if (length > 0)
                kept[length++] = ':';
            memcpy(kept + length, preload, word);
            length += word;
        }
        preload += word + (preload[word] != '\0' ? 1 : 0);
    }
    kept[length] = '\0';
    if (length > 0)
        setenv("LD_PRELOAD", kept, 1);
    else
        unsetenv("LD_PRELOAD");
}

/* Reports a libssl that cannot be protected. Without an event, an auditor could believe that it is protected. */
static void report_libssl_in_executable(void)
{
    if (!libssl_is_in_executable())
        return;
    const struct audit_field fields[] = {
        AUDIT_S("reason", "the program contains libssl itself, and calls within a program cannot be interposed"),
        AUDIT_S("rule", "tls"),
    };
    audit_event("unprotected", fields, sizeof fields / sizeof fields[0]);
}

__attribute__((constructor)) static void pfswrap_constructor(void)
{
    (void)real_libc();
    const struct policy *policy = pfswrap_policy();
    libssl_require_supported();
    gnutls_library_require_supported();
    report_libssl_in_executable();
    refuse_key_log(policy);
    runtime_prepare(policy);
    PLANES_EACH(plane, start)
    plane->start(policy);
    if (policy->children == POLICY_CHILDREN_ALLOW)
        release_children();
    else
        environment_start();
    uring_filter_start();
    watch_start(policy);
    adopt_inherited();
}
