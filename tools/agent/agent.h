/*
 * pfswrap agent: the parts of the key agent. settings.c reads its configuration and the keys, listen.c makes its
 * socket, clients.c keeps the connections, answer.c answers requests, and command.c is the loop around them.
 */
#ifndef PFSWRAP_TOOLS_AGENT_H
#define PFSWRAP_TOOLS_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/agent_message.h"
#include "seal/keyring.h"

#define AGENT_CONFIGURATION "/etc/pfswrap/agent.conf"

enum {
    AGENT_IDENTITIES_MAX = 64,
    AGENT_ALLOWED_MAX = 16, /* users, and groups, of an identity */
    AGENT_GROUPS_MAX = 64,  /* supplementary groups of a client that count */
    AGENT_CLIENTS_MAX = 4096,
    AGENT_STRANGERS_MAX = 32, /* clients that may use no identity */
};

/* An identity or a psk. */
struct agent_identity {
    bool is_psk;
    char name[AGENT_NAME_BYTES];
    struct pfswrap_keyring *keyring; /* its keys, the current one first */
    uid_t owner;                     /* of the file of the current key */
    uid_t users[AGENT_ALLOWED_MAX];
    gid_t groups[AGENT_ALLOWED_MAX];
    size_t user_count, group_count;
    uint64_t answered, refused; /* requests */
};

struct agent_settings {
    char socket[AGENT_PATH_BYTES];
    struct agent_identity identities[AGENT_IDENTITIES_MAX];
    size_t identity_count;
};

/* Who a client is, as the kernel says (SO_PEERCRED and SO_PEERGROUPS, socket(7), unix(7)). */
struct agent_user {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    gid_t groups[AGENT_GROUPS_MAX];
    size_t group_count;
};

struct agent_client {
    int fd; /* -1: a free place */
    bool is_stranger;
    uint64_t since; /* a number that grows with each client */
    struct agent_user user;
};

struct agent {
    struct agent_settings *settings;
    struct agent_client *clients; /* AGENT_CLIENTS_MAX of them */
    const char *configuration;    /* the file's path */
    size_t client_count, client_limit, stranger_count;
    uint64_t client_number;
    int listener, epoll;
    bool is_activated; /* systemd made the socket */
    dev_t socket_device;
    ino_t socket_inode;
};

/* Reads the configuration and all keys. Returns them, or NULL after a message. Free wipes the keys. */
struct agent_settings *agent_settings_load(const char *path);
void agent_settings_free(struct agent_settings *settings);

/* "identity" or "psk". */
const char *agent_kind(const struct agent_identity *identity);

/* How many keys it has, and what names one of them: a public key in base64, or the id of a psk in hexadecimal. */
size_t agent_key_count(const struct agent_identity *identity);
void agent_key_text(char text[PFSWRAP_KEY_TEXT_BYTES], const struct agent_identity *identity, size_t number);

/* Whether the user may use the identity: root, and whom the configuration names. */
bool agent_is_allowed(const struct agent_identity *identity, const struct agent_user *user);

/* Takes the socket of systemd (sd_listen_fds(3)), or makes one. Returns 0, or -1 after a message. */
int agent_listen(struct agent *agent);
void agent_unlisten(const struct agent *agent);

/* Tells systemd that the agent is ready (sd_notify(3)), if it asks for that. */
void agent_notify(const char *state);

/* Memory for the clients. Returns 0, or -1 after a message. */
int agent_clients_start(struct agent *agent);
void agent_client_accept(struct agent *agent);

/* A connection with the rights of `like`. Takes the descriptor, also if there is no room. */
void agent_client_join(struct agent *agent, const struct agent_client *like, int fd);
void agent_client_drop(struct agent *agent, struct agent_client *client);

/* The settings are new: who is a stranger may have changed. */
void agent_clients_sort(struct agent *agent);

/* Reads the configuration again. A mistake leaves the keys in force that there are. Returns whether it was read. */
bool agent_reload(struct agent *agent);

/*
 * Lets the agent at this socket do that, as root or its user. Returns enum agent_status, or a negative errno value
 * (config/agent_ask.h).
 */
int agent_ask_reload(const char *socket);

/* Receives one request of the client and answers it. */
void agent_answer(struct agent *agent, struct agent_client *client);

/* A line on standard error; only some of them, if there are many in a short time. */
void agent_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
