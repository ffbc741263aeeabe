/* See error_text.h. The table is libc's: a function since glibc 2.32, an array before. Looks up both at run time.
 */
#include "base/error_text.h"

#include <stddef.h>

#include "base/elf.h"

const char *error_text(int error)
{
    const char *(*const describe)(int) = elf_find("strerrordesc_np");
    const char *const *const texts = elf_find("_sys_errlist");
    const int *const count = elf_find("_sys_nerr");
    const char *text = NULL;
    if (describe != NULL)
        text = describe(error);
    else if (texts != NULL && count != NULL && error >= 0 && error < *count)
        text = texts[error];
    return text != NULL ? text : "Unknown error";
}
