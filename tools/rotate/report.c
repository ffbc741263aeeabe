/*
 * What pfswrap rotate prints: one fact in a line, and lines to copy as they are. See rotate.h.
 */
#include <string.h>

#include "../agent/agent.h"
#include "../message.h"
#include "../peers_text.h"
#include "rotate.h"

/* Lines for the peers files of other machines. */
static void print_announcement(const struct rotation *rotation)
{
    const char *const name = rotation->name[0] != '\0' ? rotation->name : "NAME";
    const bool is_here = rotation->lists_new || !rotation->lists_old;
    if (rotation->policy->seal.signer_count > 0 && !is_here)
        out("others: the peers file is signed: add this line, sign it, and send it to all machines, this one "
            "too:\n%s %s\n",
            name, rotate_new(rotation)->id);
    else
        out("others: add this line to each other machine's peers file, behind the one with %s%s, and reload:\n"
            "%s %s\n",
            rotate_old(rotation)->id, rotation->name[0] != '\0' ? "" : " (NAME is what that line says)", name,
            rotate_new(rotation)->id);
}

static void print_withdrawal(const struct rotation *rotation)
{
    out("others: remove this line from the peers file of each other machine, and reload:\n%s %s\n",
        rotation->name[0] != '\0' ? rotation->name : "NAME", rotate_old(rotation)->id);
}

void rotate_print_others(const struct rotation *rotation)
{
    if (rotation->state != ROTATE_MADE && rotation->state != ROTATE_SWITCHED)
        return;
    if (!rotation->is_psk && rotation->state == ROTATE_MADE)
        print_announcement(rotation);
    else if (!rotation->is_psk)
        print_withdrawal(rotation);
    else if (rotation->state == ROTATE_MADE)
        out("others: copy %s to each other machine that has the psk, with its mode (it is a secret: scp -p), "
            "beside "
            "the psk there; then run the step make there. Its id is %s on all of them\n",
            rotation->next, rotate_new(rotation)->id);
    else
        out("others: run the step switch on each other machine that has the psk\n");
}

static void print_command(const struct rotation *rotation, const char *condition, const char *option,
                          const char *step)
{
    const struct policy_seal_keys *const seal = &rotation->policy->seal;
    const size_t count = rotation->is_psk ? seal->psk_count : seal->identity_count;
    const bool is_agent = rotation->agent != NULL;
    const bool is_only = count == (!is_agent && rotation->next_line != 0 ? 2U : 1U);
    const bool is_usual = !is_agent || strcmp(rotation->agent_file, AGENT_CONFIGURATION) == 0;
    out("next: %spfswrap rotate %s %s%s%s%s%s%s%s%s %s\n", condition, rotation->kind, is_only ? "" : "--key ",
        is_only    ? ""
        : is_agent ? rotation->agent
                   : rotation->file,
        is_only ? "" : " ", is_usual ? "" : "--agent-config ", is_usual ? "" : rotation->agent_path,
        is_usual ? "" : " ", option, rotation->policy->path, step);
}

void rotate_print_next(const struct rotation *rotation)
{
    switch (rotation->state) {
    case ROTATE_NONE:
        print_command(rotation, "when the key is to be replaced: ", "", "make");
        break;
    case ROTATE_PREPARED:
        print_command(rotation, "", "", "make");
        break;
    case ROTATE_MADE:
        if (rotation->lists_old && !rotation->lists_new && rotation->policy->seal.signer_count == 0)
            print_command(rotation, "", "", "announce");
        else
            print_command(rotation, "when the others are ready: ", "--others-ready ", "switch");
        break;
    case ROTATE_SWITCHED:
        print_command(rotation, "when the others are ready: ", "--others-ready ", "retire");
        break;
    case ROTATE_LEFT:
        print_command(rotation, "", "", "retire");
        break;
    }
}

static void print_key(const char *what, const struct rotate_key *key, const char *path)
{
    char date[32];
    peers_text_date(date, sizeof date, key->created);
    out("%s: %s, in %s, created %s\n", what, key->id, path, date);
}

void rotate_print_status(const struct rotation *rotation)
{
    const bool is_switched = rotation->state >= ROTATE_SWITCHED;
    const bool is_open_here = rotation->lists_old && !rotation->lists_new;
    out("policy: %s\n", rotation->policy->path);
    if (rotation->agent != NULL)
        out("agent: %s, in %s\n", rotation->agent, rotation->agent_path);
    if (rotation->state == ROTATE_NONE) {
        print_key("key", &rotation->first, rotation->file);
        return;
    }
    print_key("new", rotate_new(rotation), is_switched ? rotation->file : rotation->next);
    print_key("old", rotate_old(rotation), is_switched ? rotation->next : rotation->file);
    out("make: %s\n", rotation->state == ROTATE_PREPARED ? "begun" : "done");
    if (!rotation->is_psk)
        out("announce: %s\n", is_switched                                          ? "done"
                              : rotation->state == ROTATE_PREPARED || is_open_here ? "to do"
                              : rotation->lists_new ? "done in this machine's peers file"
                                                    : "this machine's peers file does not list the key");
    out("switch: %s\n", is_switched ? "done" : "to do");
    out("retire: %s\n", rotation->state == ROTATE_LEFT ? "begun" : "to do");
}
