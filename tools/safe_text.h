/*
 * Text of another process, made fit for a terminal and for JSON: it may have anything in it.
 */
#ifndef PFSWRAP_TOOLS_SAFE_TEXT_H
#define PFSWRAP_TOOLS_SAFE_TEXT_H

#include <stddef.h>

/*
 * Makes the `size` bytes at `text` a text that ends within them, valid UTF-8, without control characters and
 * without characters that change the direction or the width of others (Unicode's categories Cc, Zl, Zp and the Cf
 * of bidi and of width zero). Each other byte becomes '?'. Returns its length.
 */
size_t safe_text(char *text, size_t size);

/* How many columns a terminal needs for the text, with one for each character. */
size_t text_columns(const char *text);

/* The byte at which the text has to be cut so that it has at most `columns` columns. */
size_t text_cut(const char *text, size_t columns);

#endif
