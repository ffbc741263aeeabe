/*
 * Collects the fields of one audit event: for events whose fields depend on what is known.
 */
#ifndef PFSWRAP_AUDIT_BUILDER_H
#define PFSWRAP_AUDIT_BUILDER_H

#include "audit/audit.h"

enum { AUDIT_BUILDER_MAX = 24 }; /* further fields are left out */

struct audit_builder {
    struct audit_field fields[AUDIT_BUILDER_MAX];
    size_t count;
};

/* The text of a field that may be missing: NULL, which leaves the field out, for NULL and for an empty string. */
static inline const char *audit_optional(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* The strings must stay valid until audit_write(). */
static inline void audit_add(struct audit_builder *builder, struct audit_field field)
{
    if (builder->count < AUDIT_BUILDER_MAX)
        builder->fields[builder->count++] = field;
}

static inline void audit_write(const struct audit_builder *builder, const char *event)
{
    audit_event(event, builder->fields, builder->count);
}

#endif
