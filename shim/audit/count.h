/*
 * Counts audit events for those who read the counters from outside (counters/counters.h).
 */
#ifndef PFSWRAP_AUDIT_COUNT_H
#define PFSWRAP_AUDIT_COUNT_H

#include "audit/audit.h"

/* Counts the event. A field `count` says how many more it stands for. */
void audit_count(const char *event, const struct audit_field *fields, size_t count);

#endif
