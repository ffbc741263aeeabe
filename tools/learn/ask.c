/*
 * See ask.h.
 */
#include "ask.h"

#include <stdio.h>
#include <string.h>

#include "write.h"
#include "../message.h"

enum { USERS_ASKED = 5, ANSWER = 32 };

static int ask(struct proposal *proposal, size_t number, size_t count)
{
    char text[PROPOSAL_TEXT], answer[ANSWER];
    (void)fprintf(stderr, "\n(%zu of %zu) %s\n", number, count, proposal_write(text, proposal));
    proposal_write_users(stderr, "    ", proposal, USERS_ASKED);
    for (;;) {
        (void)fprintf(stderr, "Allow this? y: yes (default)  n: no, refuse them  l: list all  q: quit > ");
        (void)fflush(stderr);
        if (fgets(answer, sizeof answer, stdin) == NULL) {
            message("no answer, and nothing was written; --yes takes all proposals");
            return -1;
        }
        answer[strcspn(answer, "\n")] = '\0';
        if (strcmp(answer, "l") == 0) {
            proposal_write_users(stderr, "    ", proposal, SIZE_MAX);
        } else if (strcmp(answer, "q") == 0) {
            message("nothing was written");
            return -1;
        } else if (answer[0] == '\0' || strcmp(answer, "y") == 0 || strcmp(answer, "n") == 0) {
            proposal->is_accepted = answer[0] != 'n';
            return 0;
        }
    }
}

int proposals_ask(const struct proposals *proposals)
{
    size_t count = 0, number = 0;
    for (size_t i = 0; i < proposals->count; i++)
        count += need_is_change(proposals->list[i]->need);
    for (size_t i = 0; i < proposals->count; i++)
        if (need_is_change(proposals->list[i]->need) && ask(proposals->list[i], ++number, count) < 0)
            return -1;
    return 0;
}
