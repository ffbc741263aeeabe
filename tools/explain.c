/*
 * pfswrap explain [--json] PROGRAM: finds out from a program's files what each plane can do for it. Runs no code of
 * the program; its ld.so lists its libraries.
 */
#include "explain.h"
#include "commands.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_words[] = {
    [VERDICT_UPGRADED] = "upgraded",    [VERDICT_PARTLY] = "partly", [VERDICT_NOT_COVERED] = "not-covered",
    [VERDICT_AT_RUN_TIME] = "run-time", [VERDICT_NO_TLS] = "no-tls", [VERDICT_REFUSED] = "refused",
};

static enum verdict decide(const struct explanation *explanation)
{
    const struct stacks *stacks = &explanation->stacks;
    size_t covered = 0;
    for (size_t i = 0; i < stacks->count; i++)
        covered += stacks->found[i].is_covered;
    if (explanation->program.status != 0)
        return VERDICT_REFUSED;
    if (covered > 0)
        return covered == stacks->count ? VERDICT_UPGRADED : VERDICT_PARTLY;
    if (stacks->count > 0)
        return VERDICT_NOT_COVERED;
    return stacks->loads_at_run_time || explanation->libraries_unknown ? VERDICT_AT_RUN_TIME : VERDICT_NO_TLS;
}

/* Searches the binary, even if `pfswrap run` refuses it: the TLS in it is of interest all the same. */
static void look_inside(struct explanation *explanation)
{
    const struct program *program = &explanation->program;
    const char *path = program->steps[program->step_count - 1].path;
    struct image image;
    if (program->file.kind < EXECUTABLE_KIND_FOREIGN || image_open(&image, path) < 0)
        return;
    char real[PATH_MAX]; /* $ORIGIN in a library's path is the directory of the file, not of a link to it */
    if (program->file.object != OBJECT_NONE && realpath(path, real) != NULL)
        explanation->libraries_unknown =
            libraries_list(&explanation->libraries, program->file.interpreter, real) < 0;
    stacks_find(&explanation->stacks, &image, &explanation->libraries);
    runtime_find(&explanation->runtime, &image, &explanation->libraries, explanation->name, program->file.is_go);
    image_close(&image);
}

/* *explanation is zero. Returns the exit status. */
static int explain(struct explanation *explanation, const char *name, bool is_json)
{
    explanation->name = name;
    int status = program_examine(&explanation->program, name);
    if (status != 0 && status != STATUS_REFUSED) {
        message("%s", explanation->program.refusal);
        return status;
    }
    look_inside(explanation);
    explanation->verdict = decide(explanation);
    if (is_json)
        explain_write_json(explanation);
    else
        explain_write_text(explanation);
    return out_finish();
}

int command_explain(int argc, char **argv)
{
    bool is_json = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--json") != 0) {
            message("unknown option %.80s of explain, expected pfswrap explain [--json] PROGRAM", argv[i]);
            return 2;
        }
        is_json = true;
    }
    if (argc - i != 1) {
        message("explain takes one PROGRAM, expected pfswrap explain [--json] PROGRAM");
        return 2;
    }
    struct explanation *explanation = calloc(1, sizeof *explanation); /* 2 MiB, for no other command */
    if (explanation == NULL) {
        message("%s: %s", argv[i], strerror(errno));
        return STATUS_REFUSED;
    }
    const int status = explain(explanation, argv[i], is_json);
    free(explanation);
    return status;
}
