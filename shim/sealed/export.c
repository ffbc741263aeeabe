/*
 * Sealed numbers that another program under pfswrap gets: a handoff socket takes the number's place, and its name
 * is the ticket of the operation (fd/operations.h).
 */
#include "sealed/operations.h"

#include "transfer/export.h"

int sealed_export_handoff(int fd, uint64_t *ticket)
{
    struct holder name = {0};
    const int handoff = export_make_handoff(fd, &name);
    *ticket = (uint64_t)name.space << 32 | (uint32_t)name.pid;
    return handoff;
}

void sealed_forget_export(int fd, uint64_t ticket)
{
    export_forget(fd, (struct holder){.pid = (int32_t)(uint32_t)ticket, .space = (uint32_t)(ticket >> 32)});
}
