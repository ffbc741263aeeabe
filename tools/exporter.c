/*
 * pfswrap exporter [--listen ADDRESS:PORT | --textfile FILE [--once]] [--policies FOLDER]: serves the counters to
 * Prometheus, or writes them every 15 seconds to a file for the node exporter's textfile collector. It runs as long
 * as it is not ended, so that it knows what processes had counted that have ended since.
 */
#include "exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "message.h"

enum { EVERY_SECONDS = 15 };

static const char usage[] = "expected pfswrap exporter [--listen ADDRESS:PORT | --textfile FILE [--once]] "
                            "[--policies FOLDER]";

struct options {
    const char *address, *file, *folder;
    bool once;
};

static int parse_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.folder = access("/etc/pfswrap", F_OK) == 0 ? "/etc/pfswrap" : NULL};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const bool has_value = i + 1 < argc;
        if (strcmp(word, "--listen") == 0 && has_value) {
            options->address = argv[++i];
        } else if (strcmp(word, "--textfile") == 0 && has_value) {
            options->file = argv[++i];
        } else if (strcmp(word, "--policies") == 0 && has_value) {
            options->folder = argv[++i];
        } else if (strcmp(word, "--once") == 0) {
            options->once = true;
        } else {
            message("unknown argument %.80s of exporter, %s", word, usage);
            return -1;
        }
    }
    const bool has_both = options->address != NULL && options->file != NULL;
    if (!has_both && (!options->once || options->file != NULL))
        return 0;
    message("these arguments do not go together, %s", usage);
    return -1;
}

char *exporter_text(struct series_set *set, const char *folder, size_t *length)
{
    char *text = NULL;
    if (exporter_collect(set, folder) != 0)
        return NULL;
    FILE *file = open_memstream(&text, length);
    const int result = file != NULL ? series_write(set, file) : -1;
    if (file == NULL || fclose(file) != 0 || result != 0) {
        free(text);
        message("there is no memory for the metrics");
        return NULL;
    }
    return text;
}

/* Writes the bytes. Returns 0 or a negative errno value. */
static int write_all(int fd, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        const ssize_t taken = write(fd, text + done, length - done);
        if (taken < 0 && errno != EINTR)
            return -errno;
        done += taken > 0 ? (size_t)taken : 0;
    }
    return 0;
}

/* Replaces the file in one step: the collector must not read a half of it. Returns 0, or -1 after a message. */
static int write_file(const char *path, const char *text, size_t length)
{
    char temporary[PATH_MAX];
    const int size = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path); /* the collector reads *.prom only */
    const int fd = size < (int)sizeof temporary ? mkostemp(temporary, O_CLOEXEC) : -1;
    int error = fd < 0 ? -errno : write_all(fd, text, length);
    if (error == 0 && (fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) != 0 || rename(temporary, path) != 0))
        error = -errno;
    if (fd >= 0)
        (void)close(fd);
    if (error == 0)
        return 0;
    if (fd >= 0)
        (void)unlink(temporary);
    message("%s cannot be written: %s", path, strerror(-error));
    return -1;
}

static int write_again(struct series_set *set, const struct options *options)
{
    const struct timespec pause = {.tv_sec = EVERY_SECONDS};
    for (;;) {
        size_t length = 0;
        char *text = exporter_text(set, options->folder, &length);
        const int result = text != NULL ? write_file(options->file, text, length) : -1;
        free(text);
        if (options->once)
            return result == 0 ? 0 : 1;
        (void)nanosleep(&pause, NULL); /* a full disk may have room again */
    }
}

int command_exporter(int argc, char **argv)
{
    struct options options;
    if (parse_options(&options, argc, argv) != 0)
        return 2;
    struct series_set *set = series_new();
    if (set == NULL) {
        message("there is no memory for the metrics");
        return STATUS_REFUSED;
    }
    const int status =
        options.file != NULL
            ? write_again(set, &options)
            : exporter_serve(set, options.folder, options.address != NULL ? options.address : "127.0.0.1:9782");
    series_free(set);
    return status;
}
