/*
 * The contents of an ELF file: the libraries that it needs, the symbols that it defines or imports, and its bytes.
 * In a file of another word size or byte order, no libraries or symbols are found.
 */
#ifndef PFSWRAP_TOOLS_IMAGE_H
#define PFSWRAP_TOOLS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    uint8_t *bytes; /* the whole file, mapped read-only */
    size_t size;
    bool is_native; /* an ELF file of this process's word size and byte order */
};

enum image_symbol { IMAGE_SYMBOL_ABSENT, IMAGE_SYMBOL_IMPORTED, IMAGE_SYMBOL_DEFINED };

/* Maps the file. Returns 0, or a negative errno value; image_close() need not be called then. */
int image_open(struct image *image, const char *path);
void image_close(struct image *image);

/* Entry number `index` of DT_NEEDED, counted from 0, or NULL if there are fewer. Points into the image. */
const char *image_needed(const struct image *image, size_t index);

/* Looks up `name` in the dynamic symbol table. */
enum image_symbol image_symbol(const struct image *image, const char *name);

/* Whether the text is anywhere in the file. */
bool image_contains(const struct image *image, const char *text);

#endif
