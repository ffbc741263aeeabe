/*
 * The libraries that are linked into libpfswrap.so and pfswrap-tool. The build writes the list (mk/components.mk).
 */
#ifndef PFSWRAP_TOOLS_COMPONENTS_H
#define PFSWRAP_TOOLS_COMPONENTS_H

struct component {
    const char *name;    /* of the library: "libsodium"; NULL ends the list */
    const char *version; /* of the library itself: "1.0.18" */
    const char *package; /* the distribution's source package and its version; "-": it came from no package */
    const char *licence; /* an SPDX expression */
    const char *sha256;  /* of the archive that was linked, in hexadecimal */
};

extern const struct component components[];

#endif
