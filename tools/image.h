/*
 * The inside of an ELF file: which libraries it needs, which symbols it defines or asks for, which bytes it holds.
 * For files of this process's own word size and byte order; of any other everything is simply absent.
 */
#ifndef PFSWRAP_TOOLS_IMAGE_H
#define PFSWRAP_TOOLS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    uint8_t *bytes; /* the whole file, mapped read-only */
    size_t size;
    bool is_native; /* its headers could be read */
};

enum image_symbol { IMAGE_SYMBOL_ABSENT, IMAGE_SYMBOL_IMPORTED, IMAGE_SYMBOL_DEFINED };

/* Maps the file. Returns 0, or -1 with errno; then image_close() is not needed. */
int image_open(struct image *image, const char *path);
void image_close(struct image *image);

/* The `index`th DT_NEEDED, or NULL: there are no more. It points into the image. */
const char *image_needed(const struct image *image, size_t index);

/* What the dynamic symbol table says of `name`. */
enum image_symbol image_symbol(const struct image *image, const char *name);

/* Whether the file holds that text anywhere. */
bool image_contains(const struct image *image, const char *text);

#endif
