/*
 * libFuzzer: any bytes are a policy or are refused with a message; an accepted policy can be printed, and its print
 * is accepted. Links libpfswrap-core.a.
 */
#include "policy/policy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy policy;
    static struct policy_error error;
    static char text[512 * 1024];
    if (policy_parse(&policy, "fuzz", (const char *)data, size, &error) < 0) {
        if (strncmp(error.text, "fuzz:", 5) != 0 || strchr(error.text, '\n') != NULL)
            abort();
        return 0;
    }
    int fd = memfd_create("policy", MFD_CLOEXEC);
    if (fd < 0 || policy_print(&policy, fd) < 0)
        abort();
    ssize_t length = pread(fd, text, sizeof text, 0);
    close(fd);
    if (length <= 0 || policy_parse(&policy, "fuzz", text, (size_t)length, &error) < 0)
        abort();
    return 0;
}
