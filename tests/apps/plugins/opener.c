// link: -ldl
/*
 * A plug-in that opens another one by its name alone. It is found because this object has a RUNPATH; the program
 * that opened this one has none.
 */
#include <dlfcn.h>

__attribute__((visibility("default"))) void *plugin_open(const char *name, int mode);

void *plugin_open(const char *name, int mode)
{
    void *volatile opened = dlopen(name, mode); /* no tail call: the loader looks at the caller's address */
    return opened;
}
