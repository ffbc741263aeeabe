/*
 * Copies a tree of folders, files and symbolic links, for `pfswrap install`. Programs may run from the target at
 * the same time: a file appears whole, under its name, or not at all.
 */
#ifndef PFSWRAP_TOOLS_COPY_H
#define PFSWRAP_TOOLS_COPY_H

/*
 * Makes the folder `path` (several components, relative) below the folder `under` and opens it. `shown` is the path
 * of `under` in messages. Follows no symbolic link. Refuses a folder that another user could write: its owner must
 * be root or this user, and others must not have write permission. Returns a descriptor, or -1 after a message.
 */
int copy_make_folder(int under, const char *path, const char *shown);

/*
 * Copies everything in the folder `from` to the folder `to`, whose path in messages is `shown`. Names that begin
 * with a dot are left out. Files get the permissions of their source without write permission for group and others.
 * Returns 0, or -1 after a message.
 */
int copy_folder(int from, int to, const char *shown);

/* Makes the symbolic link `name` in the folder `to`, in the place of what has that name. Returns as copy_folder().
 */
int copy_link(int to, const char *name, const char *target, const char *shown);

#endif
