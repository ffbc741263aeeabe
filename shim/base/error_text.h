/*
 * The texts of errno's values, for code that may run in signal handlers. strerror(3) may take locks.
 */
#ifndef PFSWRAP_BASE_ERROR_TEXT_H
#define PFSWRAP_BASE_ERROR_TEXT_H

/* The text, in English, as strerror(3) has it; "Unknown error" if there is none. Never NULL. */
const char *error_text(int error);

#endif
