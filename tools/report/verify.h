/*
 * pfswrap report --verify: whether the lines of the logs are those that the processes wrote, by the chains of lines
 * (docs/AUDIT.md, "Chained lines"). Bounded memory and bounded time, whatever the logs say.
 */
#ifndef PFSWRAP_TOOLS_REPORT_VERIFY_H
#define PFSWRAP_TOOLS_REPORT_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain_keys.h"

enum {
    VERIFY_CHAINS_MAX = 1 << 18,
    VERIFY_GAPS_MAX = 8, /* ranges of missing lines that are remembered for each chain */
    VERIFY_FORK_CACHE = 1 << 12,
    VERIFY_PROBLEM = 256,
};

/* What is known of one chain. */
struct verified_chain {
    char name[CHAIN_NAME_MAX];
    uint64_t next;                      /* the number of the next line */
    uint8_t key[CHAIN_KEY_BYTES];       /* its key */
    uint8_t first_key[CHAIN_KEY_BYTES]; /* of line 0 */
    bool has_lines, has_end, has_wrong; /* `wrong`: the number of a line whose MAC is wrong */
    uint64_t wrong;
    struct {
        uint64_t from, to;
    } gaps[VERIFY_GAPS_MAX];
    size_t gap_count;
    const char *path; /* where its last line is */
    uint64_t line;
    char program[64], pid[16];
};

struct verifier {
    uint8_t master[CHAIN_KEY_BYTES];
    struct verified_chain **slots; /* by the hash of the name */
    size_t chains;
    uint64_t work; /* keys that may still be made to find others */
    struct {
        char name[CHAIN_NAME_MAX]; /* whose fork key; empty: free */
        uint32_t forks;
        uint8_t key[CHAIN_KEY_BYTES];
    } forks[VERIFY_FORK_CACHE];
    uint64_t verified;
};

/* Where a line is, and what it says about its process. */
struct verify_place {
    const char *path, *program, *pid;
    uint64_t line;
    bool is_end; /* the event `end` */
};

/* Begins. False: there is no memory. The keys are for verifier_wipe(). */
bool verifier_start(struct verifier *verifier, const uint8_t master[static CHAIN_KEY_BYTES]);
void verifier_wipe(struct verifier *verifier);

/* Verifies a line of JSON, without its newline. False: problem[] says what is wrong with it, or with those before.
 */
bool verifier_add(struct verifier *verifier, const char *line, size_t length, const struct verify_place *place,
                  char problem[VERIFY_PROBLEM]);

/* verify_command.c: verifies logs under the key in `key_file`, and prints text or JSON. Returns an exit status. */
int report_verify(char **paths, size_t count, const char *key_file, bool writes_json);

#endif
