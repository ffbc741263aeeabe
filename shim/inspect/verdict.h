/*
 * Verdicts on inspected connections, and what is done about them.
 */
#ifndef PFSWRAP_INSPECT_VERDICT_H
#define PFSWRAP_INSPECT_VERDICT_H

#include "inspect/record.h"

/*
 * After `now` bytes of a direction were fed. The record is locked; the lock is gone afterwards, and the record too
 * if there is nothing more to watch. Returns whether the connection is cut.
 */
bool record_decide(struct record *record, uint32_t entry, int fd, enum wire_direction direction, uint64_t now);

#endif
