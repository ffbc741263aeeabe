/*
 * pfswrap status [--json] [--watch] [PID|PROGRAM] and pfswrap status --unprotected: what the processes under
 * pfswrap have counted. One process, or a program that is named, is shown with everything that is known.
 */
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "message.h"

enum { WATCH_SECONDS = 2 };

static const char usage[] =
    "expected pfswrap status [--json] [--watch] [PID|PROGRAM], or pfswrap status --unprotected "
    "[--json] [--policies FOLDER]";

struct options {
    bool json, watch, unprotected;
    const char *folder, *process;
};

/* Returns 0, or -1 after a message. */
static int parse_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.folder = "/etc/pfswrap"};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--json") == 0) {
            options->json = true;
        } else if (strcmp(word, "--watch") == 0) {
            options->watch = true;
        } else if (strcmp(word, "--unprotected") == 0) {
            options->unprotected = true;
        } else if (strcmp(word, "--policies") == 0 && i + 1 < argc) {
            options->folder = argv[++i];
        } else if (word[0] == '-' || options->process != NULL) {
            message("unknown argument %.80s of status, %s", word, usage);
            return -1;
        } else {
            options->process = word;
        }
    }
    if (!options->unprotected || options->process == NULL)
        return 0;
    message("--unprotected shows all processes, %s", usage);
    return -1;
}

static void add_row(void *argument, const struct protected_process *protected)
{
    status_add_row(argument, protected);
}

static void write_details(void *argument, const struct protected_process *protected)
{
    bool *is_first = argument;
    out("%s", *is_first ? "" : "\n");
    *is_first = false;
    status_write_text(protected, table_width());
}

static void write_json(void *argument, const struct protected_process *protected)
{
    (void)argument;
    status_write_json(protected);
}

/* Returns how many processes were shown, or -1 after a message. */
static int show(const struct options *options, const struct protected_choice *choice)
{
    bool is_first = true;
    if (options->json)
        return protected_each(choice, write_json, NULL);
    if (options->process != NULL)
        return protected_each(choice, write_details, &is_first);
    struct table table = {.columns = status_columns, .column_count = STATUS_COLUMNS};
    const int found = protected_each(choice, add_row, &table);
    if (found > 0)
        table_write(&table, table_width());
    table_free(&table);
    return found;
}

static int show_again(const struct options *options, const struct protected_choice *choice)
{
    const struct timespec pause = {.tv_sec = WATCH_SECONDS};
    const bool is_terminal = isatty(STDOUT_FILENO) != 0;
    for (bool is_first = true;; is_first = false) {
        if (is_terminal)
            out("\033[H\033[2J"); /* to the first column of the first line, and clear (ECMA-48) */
        else if (!is_first && !options->json)
            out("\n");
        if (show(options, choice) < 0)
            return STATUS_REFUSED;
        if (out_finish() != 0)
            return 1;
        (void)nanosleep(&pause, NULL);
    }
}

static int show_once(const struct options *options, const struct protected_choice *choice)
{
    const int found = show(options, choice);
    if (found < 0)
        return STATUS_REFUSED;
    if (found == 0 && options->process != NULL)
        message("%.80s does not run under pfswrap, or does not run at all", options->process);
    else if (found == 0 && !options->json)
        out("no process runs under pfswrap\n");
    const int status = out_finish();
    return found == 0 && options->process != NULL ? 1 : status;
}

int command_status(int argc, char **argv)
{
    struct options options;
    struct protected_choice choice = {0};
    if (parse_options(&options, argc, argv) != 0)
        return 2;
    if (options.process != NULL && protected_choose(&choice, options.process) != 0)
        return 2;
    if (options.unprotected)
        return status_unprotected(options.json, options.folder);
    return options.watch ? show_again(&options, &choice) : show_once(&options, &choice);
}
