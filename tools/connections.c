/*
 * pfswrap connections [--json] [PID|PROGRAM]: the sealed connections that are open, as ss(8) shows sockets. A
 * connection that several processes have is shown once, with all of them.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "connection_text.h"
#include "json.h"
#include "message.h"
#include "protected.h"
#include "table.h"

void connection_format_address(char text[CONNECTION_ADDRESS_MAX], const struct snapshot_connection *connection,
                               bool is_local)
{
    char address[INET6_ADDRSTRLEN] = "";
    const uint8_t *bytes = is_local ? connection->local : connection->peer;
    const unsigned port = is_local ? connection->local_port : connection->peer_port;
    (void)inet_ntop(connection->family == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address);
    if (connection->family == 0)
        (void)snprintf(text, CONNECTION_ADDRESS_MAX, "-");
    else
        (void)snprintf(text, CONNECTION_ADDRESS_MAX, connection->family == 4 ? "%s:%u" : "[%s]:%u", address, port);
}

static const struct table_column columns[] = {
    {"LOCAL", 0, TABLE_LEFT, false},    {"PEER", 0, TABLE_LEFT, false},  {"NAME", 6, TABLE_LEFT, false},
    {"PATTERN", 0, TABLE_LEFT, false},  {"RULE", 6, TABLE_LEFT, false},  {"AGE", 0, TABLE_RIGHT, false},
    {"KEYS", 0, TABLE_RIGHT, false},    {"SENT", 0, TABLE_RIGHT, false}, {"RECEIVED", 0, TABLE_RIGHT, false},
    {"PROCESS", 10, TABLE_LEFT, false},
};
enum { COLUMNS = sizeof columns / sizeof columns[0], PROCESSES_TEXT = 256 };

/* A connection with the names of its processes. */
struct listed {
    struct snapshot_connection connection;
    char rule[COUNTERS_NAME_MAX], processes[PROCESSES_TEXT];
    pid_t *pids;
    size_t pid_count;
};

struct list {
    bool json;
    struct listed *all;
    size_t count, room;
    size_t unreadable; /* processes whose counters could not be read */
};

static bool is_same(const struct snapshot_connection *one, const struct snapshot_connection *other)
{
    return one->identity != 0 && one->identity == other->identity && one->family == other->family &&
           one->local_port == other->local_port && one->peer_port == other->peer_port &&
           memcmp(one->local, other->local, sizeof one->local) == 0 &&
           memcmp(one->peer, other->peer, sizeof one->peer) == 0;
}

/* Each process knows the connection as it was when it last used it, so the larger numbers are the later ones. */
static void take_later(struct snapshot_connection *known, const struct snapshot_connection *other)
{
#define LATER(field)                                                                                               \
    if (other->field > known->field)                                                                               \
    known->field = other->field
    LATER(flow.sent_bytes);
    LATER(flow.sent_chunks);
    LATER(flow.received_bytes);
    LATER(flow.received_chunks);
    LATER(rehandshakes);
    LATER(renewed);
#undef LATER
}

static struct listed *find_or_add(struct list *list, const struct snapshot_connection *connection)
{
    for (size_t i = list->count; connection->identity != 0 && i > 0; i--)
        if (is_same(&list->all[i - 1].connection, connection))
            return &list->all[i - 1];
    if (list->count == list->room) {
        const size_t room = list->room == 0 ? 64 : 2 * list->room;
        struct listed *more = realloc(list->all, room * sizeof *more);
        if (more == NULL)
            return NULL;
        list->all = more;
        list->room = room;
    }
    struct listed *listed = &list->all[list->count++];
    *listed = (struct listed){.connection = *connection};
    return listed;
}

static void add_process(struct listed *listed, const struct protected_process *protected)
{
    const size_t used = strlen(listed->processes);
    pid_t *more = realloc(listed->pids, (listed->pid_count + 1) * sizeof *more);
    if (more == NULL)
        return;
    listed->pids = more;
    listed->pids[listed->pid_count++] = protected->process.pid;
    (void)snprintf(listed->processes + used, sizeof listed->processes - used, "%s%d/%s", used > 0 ? "," : "",
                   (int)protected->process.pid, protected_name(protected));
}

static void collect(void *argument, const struct protected_process *protected)
{
    struct list *list = argument;
    const struct snapshot *snapshot = &protected->snapshot;
    if (protected->result != SNAPSHOT_READ) {
        list->unreadable++;
        return;
    }
    for (size_t i = 0; i < snapshot->connection_count; i++) {
        struct listed *listed = find_or_add(list, &snapshot->connections[i]);
        if (listed == NULL)
            return;
        (void)snprintf(listed->rule, sizeof listed->rule, "%s",
                       snapshot_rule(snapshot, snapshot->connections[i].rule));
        take_later(&listed->connection, &snapshot->connections[i]);
        add_process(listed, protected);
    }
}

static void add_row(struct table *table, const struct listed *listed, int64_t now)
{
    const struct snapshot_connection *connection = &listed->connection;
    char local[CONNECTION_ADDRESS_MAX], peer[CONNECTION_ADDRESS_MAX];
    char age[TABLE_AMOUNT_MAX], keys[TABLE_AMOUNT_MAX], sent[TABLE_AMOUNT_MAX], received[TABLE_AMOUNT_MAX];
    connection_format_address(local, connection, true);
    connection_format_address(peer, connection, false);
    table_format_age(age, connection->since, now);
    table_format_age(keys, connection->renewed, now);
    table_format_bytes(sent, connection->flow.sent_bytes);
    table_format_bytes(received, connection->flow.received_bytes);
    if (!table_add_row(table))
        return;
    const char *const cells[COLUMNS] = {local,
                                        peer,
                                        connection->peer_name[0] != '\0' ? connection->peer_name : "-",
                                        snapshot_pattern(connection),
                                        listed->rule,
                                        age,
                                        keys,
                                        sent,
                                        received,
                                        listed->processes};
    for (size_t i = 0; i < COLUMNS; i++)
        table_cell(table, i, "%s", cells[i]);
}

static void write_table(const struct list *list)
{
    struct table table = {.columns = columns, .column_count = COLUMNS};
    for (size_t i = 0; i < list->count; i++)
        add_row(&table, &list->all[i], (int64_t)time(NULL));
    if (list->count > 0)
        table_write(&table, table_width());
    else
        out("no sealed connection is open\n");
    table_free(&table);
}

/* A snapshot that has only the name of the rule, for connection_write_json(). */
static void write_json(const struct listed *listed)
{
    static struct snapshot snapshot;
    struct snapshot_connection connection = listed->connection;
    snapshot.about.rule_count = 1;
    memcpy(snapshot.about.rules[0].name, listed->rule, sizeof listed->rule);
    connection.rule = 0;
    out("{");
    connection_write_json(&snapshot, &connection);
    out(", \"pids\": [");
    for (size_t i = 0; i < listed->pid_count; i++)
        out("%s%d", i == 0 ? "" : ", ", (int)listed->pids[i]);
    out("]}\n");
}

static const char usage[] = "expected pfswrap connections [--json] [PID|PROGRAM]";

int command_connections(int argc, char **argv)
{
    struct list list = {0};
    struct protected_choice choice = {0};
    const char *process = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            list.json = true;
        } else if (argv[i][0] == '-' || process != NULL) {
            message("unknown argument %.80s of connections, %s", argv[i], usage);
            return 2;
        } else {
            process = argv[i];
        }
    }
    if (process != NULL && protected_choose(&choice, process) != 0)
        return 2;
    const int found = protected_each(&choice, collect, &list);
    if (found < 0)
        return STATUS_REFUSED;
    if (found == 0 && process != NULL) {
        message("%.80s does not run under pfswrap, or does not run at all", process);
        return 1;
    }
    if (!list.json)
        write_table(&list);
    for (size_t i = 0; i < list.count; i++) {
        if (list.json)
            write_json(&list.all[i]);
        free(list.all[i].pids);
    }
    free(list.all);
    if (list.unreadable > 0)
        message("the counters of %zu process%s cannot be read (pfswrap status says why)", list.unreadable,
                list.unreadable == 1 ? "" : "es");
    return out_finish();
}
