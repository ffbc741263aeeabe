/*
 * Where systemd finds a unit and its drop-ins (systemd.unit(5), "Unit File Load Path").
 */
#ifndef PFSWRAP_TOOLS_UNIT_PATH_H
#define PFSWRAP_TOOLS_UNIT_PATH_H

#include "unit_file.h"

/*
 * Fills in unit->name and unit->files: the unit's file, then its drop-ins in their order. Returns 0, or -1 with a
 * message: no such unit, it is masked, or no service.
 */
int unit_find(struct unit *unit, const char *name, char *problem, size_t size);

#endif
