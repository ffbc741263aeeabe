/*
 * What happens when the shared object is loaded, before the program's main(): the real functions and the policy are
 * there from the beginning, an unsupported libssl ends the process, and the environment loses what must not be in
 * it. Interposed calls that arrive earlier find their own way (init.h).
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
#include "children/environment.h"
#include "tls/libssl.h"
#include "inspect/inspect.h"

/* Key logs give past traffic away: no library of this process, and no child, is to write one. */
static void refuse_key_log(const struct policy *policy)
{
    const char *path = getenv("SSLKEYLOGFILE");
    if (path == NULL)
        return;
    override_report("SSLKEYLOGFILE", path, "unset");
    if (policy->mode == POLICY_ENFORCE)
        unsetenv("SSLKEYLOGFILE");
}

/* children = allow: what this program executes starts without us. Other preloads of the operator's stay. */
static void let_children_go(void)
{
    const char *preload = getenv("LD_PRELOAD");
    unsetenv("PFSWRAP_POLICY");
    unsetenv(PFSWRAP_CHILD_VARIABLE);
    if (preload == NULL)
        return;
    static const char ours[] = "libpfswrap.so";
    char kept[PATH_MAX];
    size_t length = 0;
    while (*preload != '\0') {
        size_t word = strcspn(preload, " :");
        size_t folder = word >= sizeof ours - 1 ? word - (sizeof ours - 1) : 0;
        bool is_ours = word >= sizeof ours - 1 && memcmp(preload + folder, ours, sizeof ours - 1) == 0 &&
                       (folder == 0 || preload[folder - 1] == '/');
        if (word > 0 && !is_ours) {
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

/* What cannot be protected is said: an auditor must not take silence for protection. */
static void report_inner_libssl(void)
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
    report_inner_libssl();
    refuse_key_log(policy);
    runtime_prepare(policy);
    inspect_start(policy);
    if (policy->children == POLICY_CHILDREN_ALLOW)
        let_children_go();
    else
        environment_start();
    if (pfswrap_seals() || inspect_is_wanted())
        adopt_inherited();
}
