/* See inspected.h. */
#include "inspected.h"

#include <arpa/inet.h>

static char directory[] = "/tmp/pfswrap-inspect-XXXXXX";

void start_inspecting(void)
{
    link_start_policy_with(directory, "[wire]\ntls = pfs\nplaintext = refuse\n");
    inspect_start(pfswrap_policy());
    ck_assert(inspect_is_wanted() && inspect_enforces());
}

void end_inspecting(void)
{
    link_end_policy(directory);
}

struct pair inspected(void)
{
    struct pair pair;
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    link_pair(&pair.client, &pair.server);
    inspect_connected(pair.client, (const struct sockaddr *)&address, sizeof address);
    ck_assert(fd_has_record(pair.client));
    return pair;
}

uint32_t entry_of(int fd)
{
    return fd_word_record(fd_word(fd));
}

struct record *record_of(int fd)
{
    return record_at(entry_of(fd));
}

bool log_has(const char *word)
{
    char *text = link_read_log(directory);
    const bool found = strstr(text, word) != NULL;
    free(text);
    return found;
}
