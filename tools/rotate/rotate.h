/*
 * pfswrap rotate: a new key takes the place of an identity or a psk while the programs run. What has been done is
 * in the files themselves. FILE is the key that a policy names, and FILE.next exists only during a rotation:
 *
 *   make      FILE.next is the new key, and the policy names it behind FILE: the programs accept both
 *   announce  the peers files list both public keys
 *   switch    FILE and FILE.next have changed places: the programs use the new key, and still accept both
 *   retire    neither the peers file nor the policy names the old key, and FILE.next is gone
 *
 * The new key says which one it replaces, in a line `# replaces ID`: an identity's public key, or the id of a psk.
 * So it is known which is which, whatever the clock says.
 *
 * If the policy names agent:NAME, the key agent has the key (pfswrap-agent(1)): then the `key` lines of the agent's
 * section NAME are what the policy's lines are otherwise, and the agent reads them before the programs do.
 */
#ifndef PFSWRAP_TOOLS_ROTATE_H
#define PFSWRAP_TOOLS_ROTATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "policy/policy.h"
#include "seal/keyring.h"

#define ROTATE_SUFFIX ".next"

enum rotate_state {
    ROTATE_NONE,     /* there is no FILE.next */
    ROTATE_PREPARED, /* it is the new key, and the policy does not name it */
    ROTATE_MADE,     /* it is the new key, and the policy names it */
    ROTATE_SWITCHED, /* it is the old key, and the policy names it */
    ROTATE_LEFT,     /* it is the old key, and the policy does not name it any more */
};

struct rotate_key {
    bool exists;
    char id[PFSWRAP_KEY_TEXT_BYTES];       /* an identity's public key in base64; a psk's id in hexadecimal */
    char replaces[PFSWRAP_KEY_TEXT_BYTES]; /* the id of the key that it replaces; empty: none */
    uint8_t public_key[PFSWRAP_KEY_BYTES]; /* of an identity */
    int64_t created;                       /* Unix time */
    struct stat status;
};

/* A line with a key. */
struct rotate_entry {
    const char *path;
    unsigned line;
};

struct rotation {
    bool is_psk;
    const char *kind; /* "identity" or "psk" */
    struct policy *policy;
    const char *agent;                      /* agent:NAME, as the policy has it; NULL: its keys are files */
    const char *agent_file;                 /* the agent's configuration */
    char agent_path[PATH_MAX], *agent_text; /* what of it was read, its path without links */
    uint8_t agent_digest[POLICY_DIGEST_BYTES];
    struct rotate_entry entries[POLICY_LIST_MAX]; /* of the list */
    size_t entry_count;
    char file[PATH_MAX], next[PATH_MAX];
    unsigned file_line, next_line;   /* in the list; 0: it does not name it */
    struct rotate_key first, second; /* of FILE and FILE.next */
    enum rotate_state state;
    /* What this machine's peers file says about an identity. */
    char name[PFSWRAP_NAME_BYTES]; /* under which it lists one of the two keys; empty: it lists none */
    bool lists_old, lists_new;
    int policy_lock, key_lock; /* descriptors; -1: there is none */
};

/* Which key is new and which old. There is an old one from ROTATE_PREPARED on. */
static inline const struct rotate_key *rotate_new(const struct rotation *rotation)
{
    return rotation->state >= ROTATE_SWITCHED ? &rotation->first : &rotation->second;
}
static inline const struct rotate_key *rotate_old(const struct rotation *rotation)
{
    return rotation->state >= ROTATE_SWITCHED ? &rotation->second : &rotation->first;
}

/* The file with the lines that name the keys: the policy, or the agent's configuration. */
static inline const char *rotate_list(const struct rotation *rotation)
{
    return rotation->agent != NULL ? rotation->agent_path : rotation->policy->path;
}

/* agent.c: reads the lines of the agent's section. Returns 0, or -1 after a message. */
int rotate_agent_read(struct rotation *rotation);

/* Lets the agent read them again. Returns 0, or -1 after a message. */
int rotate_agent_reload(const struct rotation *rotation);

/* Prints what the agent lacks. Returns 0, or 1 if there is something. */
int rotate_agent_print(const struct rotation *rotation);

/* state.c: reads the policy and the two keys. `key`: one of the policy's; NULL: the only one. Returns 0, or -1
 * after a message. */
int rotate_read(struct rotation *rotation, const char *policy, const char *key);

/* The same again, after a change. */
int rotate_read_again(struct rotation *rotation);
void rotate_free(struct rotation *rotation);

/* files.c: only one rotation of a file at a time. Returns a descriptor that holds the lock, or -1 after a message.
 */
int rotate_lock(const char *path);

/* A whole file in memory, with a zero byte behind it. free() it. NULL after a message. */
char *rotate_read_text(const char *path, size_t *length);

/* Puts a new content in place of a file, whole, on the disk, with its owner, mode and attributes. `before`: what it
 * was when it was read. Returns 0, or -1 after a message. */
int rotate_replace(const char *path, const struct stat *before, const char *text, size_t length);

/* Makes a file with the owner, mode and attributes of `like`. Returns 0, or -1 after a message: it exists. */
int rotate_create(const char *path, const char *like, const char *text, size_t length);

/* Removes what an interrupted command may have left beside the file. The caller has the lock. */
void rotate_clean(const char *path);

/* Two files of one folder change places in one step. And removes a file. Return 0, or -1 after a message. */
int rotate_exchange(const char *one, const char *other);
int rotate_remove(const char *path);

/* What a file's owner may read, if this is root: the checks of its permissions are for that user. */
void rotate_become_owner(const struct stat *status);
void rotate_become_root(void);

/* text.c: the text with a line behind line `number` (from 1 on), or without that line. free() it; NULL: no memory.
 */
char *rotate_text_insert(const char *text, size_t length, unsigned number, const char *line, size_t *new_length);
char *rotate_text_remove(const char *text, size_t length, unsigned number, size_t *new_length);

/* The number of the line of a peers file that has the public key `key`, in base64; 0: none has. */
unsigned rotate_text_find_peer(const char *text, size_t length, const char *key);

/* users.c: the policies beside this one, and those of running processes, that name the key or the peers file. */
enum rotate_naming {
    ROTATE_NAMES_FILE = 1,
    ROTATE_NAMES_NEXT = 2,
    ROTATE_NAMES_PEERS = 4,
    ROTATE_IS_POLICY = 8, /* the policy of the rotation itself */
    ROTATE_NAMES_AGENT = 16,
};
struct rotate_user {
    char path[PATH_MAX];
    dev_t device;
    ino_t inode;
    unsigned names; /* enum rotate_naming */
};
struct rotate_users {
    const struct rotation *rotation;
    struct rotate_user *entries;
    size_t count, room;
    bool has_failed;
    struct timespec changed; /* the newest change of a file that they name */
};

/* Returns 0, and rotate_users_free() follows; or -1 after a message. */
int rotate_users_find(struct rotate_users *users, const struct rotation *rotation);
void rotate_users_free(struct rotate_users *users);

/* Another policy that names what is in `names`, and nothing in `without`; NULL: there is none. */
const char *rotate_users_other(const struct rotate_users *users, unsigned names, unsigned without);

/* Lets the processes with these policies read them again, if they have not. Returns 0, or 1: one has not. */
int rotate_users_reload(const struct rotation *rotation);

/* Prints those that have not. Returns how many, or -1 after a message. */
int rotate_users_print(const struct rotation *rotation);

/* steps.c: each returns an exit status. `others_ready`: other machines have done what the step before asked for. */
int rotate_make(struct rotation *rotation);
int rotate_announce(struct rotation *rotation);
int rotate_switch(struct rotation *rotation, bool others_ready);
int rotate_retire(struct rotation *rotation, bool others_ready);

/* report.c: what is to be done elsewhere, and next. */
void rotate_print_others(const struct rotation *rotation);
void rotate_print_status(const struct rotation *rotation);
void rotate_print_next(const struct rotation *rotation);

#endif
