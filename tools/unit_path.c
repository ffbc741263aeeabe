/*
 * The folders of units, $SYSTEMD_UNIT_PATH, templates, aliases, and the names of drop-in folders. See unit_path.h.
 */
#include "unit_path.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS_MAX = 32, NAMES_MAX = 16 };

static const char usual_folders[] =
    "/etc/systemd/system.control:/run/systemd/system.control:/run/systemd/transient:/run/systemd/generator.early:"
    "/etc/systemd/system:/etc/systemd/system.attached:/run/systemd/system:/run/systemd/system.attached:"
    "/run/systemd/generator:/usr/local/lib/systemd/system:/usr/lib/systemd/system:/lib/systemd/system:"
    "/run/systemd/generator.late";

static const char suffix[] = ".service";

struct search {
    char *folders[FOLDERS_MAX];
    size_t folder_count;
    char names[NAMES_MAX][NAME_MAX + 1]; /* whose NAME.d folders have drop-ins, the most specific first */
    size_t name_count;
};

/* As systemd: a value that ends with a colon is followed by the usual folders. */
static int find_folders(struct search *search)
{
    const char *const variable = secure_getenv("SYSTEMD_UNIT_PATH");
    const bool is_set = variable != NULL && variable[0] != '\0';
    const bool goes_on = is_set && variable[strlen(variable) - 1] == ':';
    char *list, *rest = NULL;
    if (asprintf(&list, "%s%s", is_set ? variable : "", !is_set || goes_on ? usual_folders : "") < 0)
        return -1;
    for (char *word = strtok_r(list, ":", &rest); word != NULL && search->folder_count < FOLDERS_MAX;
         word = strtok_r(NULL, ":", &rest))
        search->folders[search->folder_count++] = word; /* `list` lives as long as the process */
    return 0;
}

static void add_name(struct search *search, const char *name, size_t length, const char *end)
{
    if (search->name_count == NAMES_MAX || length + strlen(end) > NAME_MAX)
        return;
    char *const place = search->names[search->name_count];
    memcpy(place, name, length);
    memcpy(place + length, end, strlen(end) + 1);
    search->name_count++;
}

/* NAME, its template, and its prefixes that end with a dash. */
static void add_names(struct search *search, const char *name)
{
    const char *const at = strchr(name, '@');
    const size_t stem = strlen(name) - (sizeof suffix - 1);
    add_name(search, name, strlen(name), "");
    if (at != NULL && at[1] != '.')
        add_name(search, name, (size_t)(at - name) + 1, suffix);
    for (size_t i = (at != NULL ? (size_t)(at - name) : stem); i-- > 1;)
        if (name[i - 1] == '-')
            add_name(search, name, i, suffix);
}

static char *joined(const char *folder, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* The file of the unit, or of its template; NULL: there is none. */
static char *find_file(const struct search *search, const char *name)
{
    const char *const at = strchr(name, '@');
    char template[NAME_MAX + 16] = "";
    if (at != NULL)
        (void)snprintf(template, sizeof template, "%.*s%s", (int)(at - name) + 1, name, suffix);
    const char *const both[] = {name, template};
    for (size_t i = 0; i < 2 && both[i][0] != '\0'; i++)
        for (size_t j = 0; j < search->folder_count; j++) {
            char *const path = joined(search->folders[j], both[i]);
            struct stat status;
            if (path != NULL && lstat(path, &status) == 0)
                return path;
            free(path);
        }
    return NULL;
}

static int by_file_name(const void *left, const void *right)
{
    const char *const a = *(char *const *)left, *const b = *(char *const *)right;
    return strcmp(strrchr(a, '/'), strrchr(b, '/'));
}

/* A drop-in of the same name in a folder before this one stands in for it. */
static bool is_known(const struct unit *unit, const char *file)
{
    for (size_t i = 1; i < unit->file_count; i++)
        if (strcmp(strrchr(unit->files[i], '/') + 1, file) == 0)
            return true;
    return false;
}

static void add_drop_ins(struct unit *unit, const char *folder, const char *name)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s.d", folder, name) >= (int)sizeof path)
        return;
    DIR *const listing = opendir(path);
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; the command has one thread */
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        const char *const end = strrchr(entry->d_name, '.');
        if (end == NULL || strcmp(end, ".conf") != 0 || strcmp(entry->d_name, UNIT_DROP_IN) == 0 ||
            unit->file_count == UNIT_FILES_MAX || is_known(unit, entry->d_name))
            continue;
        char *const file = joined(path, entry->d_name);
        if (file != NULL)
            unit->files[unit->file_count++] = file;
    }
    if (listing != NULL)
        (void)closedir(listing);
}

/* Writes the unit's name, with its suffix. Returns whether it is that of a service. */
static bool set_name(struct unit *unit, const char *name)
{
    const char *const base = strrchr(name, '/') != NULL ? strrchr(name, '/') + 1 : name;
    const char *const end = strrchr(base, '.');
    const bool has_suffix = end != NULL && strcmp(end, suffix) == 0;
    const int length = snprintf(unit->name, sizeof unit->name, "%s%s", base, has_suffix ? "" : suffix);
    static const char *const others[] = {".socket", ".target", ".timer", ".mount",  ".path",
                                         ".slice",  ".scope",  ".swap",  ".device", ".automount"};
    for (size_t i = 0; end != NULL && i < sizeof others / sizeof others[0]; i++)
        if (strcmp(end, others[i]) == 0)
            return false;
    return base[0] != '\0' && length > (int)sizeof suffix - 1 && length < (int)sizeof unit->name;
}

int unit_find(struct unit *unit, const char *name, char *problem, size_t size)
{
    static struct search search;
    struct stat status;
    search = (struct search){0};
    if (!set_name(unit, name)) {
        (void)snprintf(problem, size, "%.200s is no service, expected the name or the path of a .service unit",
                       name);
        return -1;
    }
    if (find_folders(&search) < 0)
        return -1;
    char *const file = strchr(name, '/') != NULL ? strdup(name) : find_file(&search, unit->name);
    if (file == NULL || stat(file, &status) != 0) {
        free(file);
        (void)snprintf(problem, size,
                       "%.200s: there is no such unit, expected the name or the path of a .service unit",
                       unit->name);
        return -1;
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        (void)snprintf(problem, size, "%s is masked or no file, expected a unit that can be started", file);
        free(file);
        return -1;
    }
    unit->files[unit->file_count++] = file;
    add_names(&search, unit->name);
    char *const real = realpath(file, NULL); /* an alias: a link to a unit of another name */
    const char *const alias = real != NULL ? strrchr(real, '/') + 1 : unit->name;
    if (strchr(alias, '@') == NULL && strcmp(alias, unit->name) != 0 && strlen(alias) > sizeof suffix)
        add_names(&search, alias);
    add_name(&search, "service", strlen("service"), "");
    free(real);
    for (size_t i = 0; i < search.name_count; i++)
        for (size_t j = 0; j < search.folder_count; j++)
            add_drop_ins(unit, search.folders[j], search.names[i]);
    if (strchr(name, '/') != NULL && strrchr(name, '/') != name) {
        char folder[PATH_MAX];
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(name, '/') - name), name);
        add_drop_ins(unit, folder, unit->name);
    }
    qsort(unit->files + 1, unit->file_count - 1, sizeof unit->files[0], by_file_name);
    return 0;
}
