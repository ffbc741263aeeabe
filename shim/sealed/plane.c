/*
 * The seal on sockets: its operations, and what it does with connections (fd/plane.h).
 */
#include "sealed/sealed.h"

#include "base/process.h"
#include "config/init.h"
#include "config/keys.h"
#include "connection/background.h"
#include "connection/endpoint.h"
#include "connection/release.h"
#include "connection/stream.h"
#include "connection/unproved.h"
#include "readiness/readiness.h"
#include "readiness/registration.h"
#include "sealed/operations.h"
#include "transfer/export.h"
#include "transfer/relay.h"
#include "transfer/share.h"

static bool has_connections(void)
{
    return atomic_load(&endpoint_count) > 0;
}

static void before_vfork(void)
{
    if (has_connections())
        share_before_vfork();
}

static void close_range_on_exec(unsigned first, unsigned last)
{
    if (has_connections())
        export_close_on_exec(first, last);
}

static unsigned threads(void)
{
    background_settle();
    return background_is_running() ? 1 : 0;
}

/* A closed connection whose peer has not proved its identity keeps a number. */
static bool make_room(void)
{
    return pfswrap_seals() && unproved_drop();
}

/* Some programs register a socket before they connect it. */
static void epoll_noted(int epoll, int operation, int fd, const struct epoll_event *event)
{
    if (keys_in_use())
        registration_note(epoll, operation, fd, event);
}

const struct plane sealed_plane = {
    .operations =
        {
            .receive = sealed_receive,
            .send = sealed_send,
            .available = stream_available,
            .send_file = sealed_send_file,
            .before_unseen = sealed_before_unseen,
            .before_stream = sealed_before_unseen,
            .refuses_unseen = sealed_refuses_unseen,
            .poll_concerns = readiness_concerns,
            .poll_ask = readiness_ask,
            .poll_answer = readiness_answer,
            .shutdown = release_shutdown,
            .fcntl = sealed_fcntl,
            .ioctl = sealed_ioctl,
            .get_option = sealed_get_option,
            .set_option = sealed_set_option,
            .epoll_control = sealed_epoll_control,
            .dup = sealed_dup,
            .dup_to = sealed_dup_to,
            .copied = sealed_copied,
            .export_bare = relay_start,
            .export_handoff = sealed_export_handoff,
            .forget_export = sealed_forget_export,
        },
    .is_wanted = pfswrap_seals,
    .is_started = keys_in_use,
    .enforces = pfswrap_seals,
    .connect = sealed_connect,
    .accept_flags = SOCK_CLOEXEC,
    .accepted = sealed_accepted,
    .make_room = make_room,
    .inherited = sealed_inherited,
    .imported = sealed_imported,
    .inherited_all = sealed_inherited_all,
    .epoll_noted = epoll_noted,
    .before_wait = readiness_drive_pairs,
    .sweep = readiness_sweep,
    .epoll_reported = registration_filter,
    .release = release_number,
    .closed = release_closed,
    .dropped = endpoint_dropped,
    .close_range_on_exec = close_range_on_exec,
    .exit = release_all,
    .before_exec = export_before_exec,
    .exec_failed = export_after_failure,
    .has_connections = has_connections,
    .process = &share_process_observer,
    .before_vfork = before_vfork,
    .threads = threads,
    .before_filter = sealed_before_filter,
    .after_filter = sealed_after_filter,
};
