/* See peers_text.h. */
#include "peers_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void peers_text_date(char *text, size_t size, int64_t seconds)
{
    const time_t when = (time_t)seconds;
    struct tm date;
    if (gmtime_r(&when, &date) == NULL || strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &date) == 0)
        text[0] = '\0';
}

/* How long ago, in the largest unit of which there are two. */
static void put_age(char *text, size_t size, int64_t seconds)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
    size_t i = 0;
    while (units[i].seconds > 1 && seconds / units[i].seconds < 2)
        i++;
    if (seconds < 0)
        (void)snprintf(text, size, "in the future");
    else
        (void)snprintf(text, size, "%" PRId64 " %s ago", seconds / units[i].seconds, units[i].name);
}

const char *peers_text(char text[PEERS_TEXT_BYTES], const struct signed_peers *version)
{
    char signer[SIGNATURE_KEY_TEXT_BYTES], date[32], age[48];
    signature_key_encode(signer, &version->signer);
    int used = snprintf(text, PEERS_TEXT_BYTES, "signed by %s, serial %" PRIu64, signer, version->serial);
    peers_text_date(date, sizeof date, version->created);
    put_age(age, sizeof age, (int64_t)time(NULL) - version->created);
    if (version->created > 0)
        (void)snprintf(text + used, PEERS_TEXT_BYTES - (size_t)used, ", %s (%s)", date, age);
    return text;
}
