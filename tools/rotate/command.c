/*
 * pfswrap rotate identity|psk [--key FILE] [--agent-config FILE] [--others-ready] POLICY [STEP]. Without a step it
 * only looks.
 */
#include <string.h>

#include "../agent/agent.h"
#include "../arguments.h"
#include "../commands.h"
#include "../message.h"
#include "rotate.h"

static const char usage[] =
    "expected pfswrap rotate identity|psk [--key FILE] [--agent-config FILE] [--others-ready] POLICY "
    "[make|announce|switch|retire]";

struct options {
    const char *key, *agent_file;
    bool others_ready;
};

static int set(void *options, const char *name, const char *value)
{
    struct options *chosen = options;
    const bool is_key = strcmp(name, "--key") == 0;
    if (!is_key && strcmp(name, "--agent-config") != 0)
        return 1;
    *(is_key ? &chosen->key : &chosen->agent_file) = value;
    return 0;
}

static bool is_step(const char *word)
{
    return strcmp(word, "make") == 0 || strcmp(word, "announce") == 0 || strcmp(word, "switch") == 0 ||
           strcmp(word, "retire") == 0;
}

/* Only looks. Returns an exit status. */
static int show(const struct rotation *rotation)
{
    rotate_print_status(rotation);
    (void)rotate_agent_print(rotation);
    if (rotate_users_print(rotation) < 0)
        return 1;
    rotate_print_others(rotation);
    rotate_print_next(rotation);
    return 0;
}

static int do_step(struct rotation *rotation, const char *step, bool others_ready)
{
    rotation->policy_lock = rotate_lock(rotate_list(rotation));
    if (rotation->policy_lock < 0)
        return 1;
    rotation->key_lock = rotate_lock(rotation->file);
    if (rotation->key_lock < 0 || rotate_read_again(rotation) != 0)
        return 1;
    rotate_clean(rotation->next);
    rotate_clean(rotate_list(rotation));
    if (strcmp(step, "make") == 0)
        return rotate_make(rotation);
    if (strcmp(step, "announce") == 0)
        return rotate_announce(rotation);
    return strcmp(step, "switch") == 0 ? rotate_switch(rotation, others_ready)
                                       : rotate_retire(rotation, others_ready);
}

int command_rotate(int argc, char **argv)
{
    struct options options = {.agent_file = AGENT_CONFIGURATION};
    const struct arguments_flag flags[] = {{"--others-ready", &options.others_ready}, {NULL, NULL}};
    const struct arguments arguments = {"rotate", usage, flags, &options, set};
    static struct rotation rotation;
    const char *const kind = argc > 1 ? argv[1] : "";
    if (strcmp(kind, "identity") != 0 && strcmp(kind, "psk") != 0) {
        message("rotate %.80s, %s", kind, usage);
        return 2;
    }
    const int first = arguments_read(argc - 1, argv + 1, &arguments);
    if (first < 0)
        return 2;
    char **const rest = argv + 1 + first;
    const int count = argc - 1 - first;
    if (count < 1 || count > 2 || (count == 2 && !is_step(rest[1]))) {
        message("rotate %s: %s", count == 2 ? "has an unknown step" : "has no policy, or too much", usage);
        return 2;
    }
    rotation.is_psk = strcmp(kind, "psk") == 0;
    rotation.kind = kind;
    rotation.agent_file = options.agent_file;
    int status = rotate_read(&rotation, rest[0], options.key) != 0 ? 1
                 : count == 1                                      ? show(&rotation)
                              : do_step(&rotation, rest[1], options.others_ready);
    rotate_free(&rotation);
    const int printed = out_finish();
    return status != 0 ? status : printed;
}
