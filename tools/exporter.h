/*
 * `pfswrap exporter`: the counters of all processes for Prometheus.
 */
#ifndef PFSWRAP_TOOLS_EXPORTER_H
#define PFSWRAP_TOOLS_EXPORTER_H

#include <stddef.h>

#include "series.h"

/* exporter_collect.c: reads all processes into the set. `folder` has the policies. Returns 0, or -1 after a
 * message. */
int exporter_collect(struct series_set *set, const char *folder);

/* exporter.c: the text of a new round, which the caller frees; NULL after a message. */
char *exporter_text(struct series_set *set, const char *folder, size_t *length);

/*
 * exporter_http.c: answers GET /metrics at `address` ("127.0.0.1:9782", "[::1]:9782") until a signal ends the
 * process. Returns an exit status after a message.
 */
int exporter_serve(struct series_set *set, const char *folder, const char *address);

#endif
