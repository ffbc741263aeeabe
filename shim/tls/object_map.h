/*
 * Which libssl created an object, for processes with more than one libssl.
 */
#ifndef PFSWRAP_TLS_OBJECT_MAP_H
#define PFSWRAP_TLS_OBJECT_MAP_H

#include "tls/libssl.h"

/* `lib` has created `object`; `object` is about to be freed. May be called by any thread. */
void object_map_add(const void *object, const struct libssl *lib);
void object_map_remove(const void *object);

/* The index of the library that created `object`; 0 for an object that is not in the map. Takes no lock. */
int object_map_index(const void *object);

#endif
