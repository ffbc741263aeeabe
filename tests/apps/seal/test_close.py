"""How connections end, bare and sealed: closes, exits, kills, duplicates; and what signals and threads do to them."""

import signal

from lib.listening import listens
from lib.process import PROGRAMS, Process, free_port, wait_until
from lib.seal import MODES, Scenarios, SealWrap, check_wire, look, needs_seal
from lib.tap import Tap, contains, equal


def ends_as(bare, sealed):
    """For scenarios that print `end: ...`: what each mode must print."""
    def then(mode, result, _wrap):
        contains(result.out.decode(), f"end: {sealed if mode.sealed else bare}", "how the stream ended")
    return then


def kill_one(tap, keys, scenario, victim, sentence, bare):
    """Both ends are separate programs; one is killed, and the other must get an error."""
    for mode in MODES:
        with tap.case(f"{mode.name}: {sentence}"):
            if mode.sealed:
                needs_seal()
            port, program = free_port(), PROGRAMS / "seal/sock_close"
            wraps = {"server": SealWrap(keys, listen=port), "client": SealWrap(keys, connect=port)}
            with look(port) as wire:
                with Process(mode.argv(wraps["server"], [program, scenario, port, "127.0.0.1", "server"]),
                             env=mode.environment()) as server:
                    wait_until(lambda: listens(port), "the server to listen")
                    with Process(mode.argv(wraps["client"], [program, scenario, port, "127.0.0.1", "client"]),
                                 env=mode.environment()) as client:
                        ends = {"server": server, "client": client}
                        reader = client if scenario == "server_writes" else server
                        wait_until(lambda: "reading" in reader.text(), lambda: f"data; {reader.text()!r}")
                        ends.pop(victim).signal(signal.SIGKILL)
                        survivor = next(iter(ends.values()))
                        equal(survivor.wait(), 0, f"status of the survivor, which printed {survivor.text()!r}")
                        contains(survivor.text(), "end: reset" if mode.sealed else f"end: {bare}", "the end that it printed")
                check_wire(wire, mode.sealed)


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_close")
    patient = {"linger": "120s"}  # longer than any wait of the tests: a close that waits for it fails the case
    on.both("in_flight_close", "4 MB in flight survive the sender's close and the receiver's half-close")
    on.both("in_flight_close_by_server", "4 MB in flight survive the close of a server and the half-close of its client")
    on.both("in_flight_exit", "4 MB in flight survive the sender's exit and the receiver's half-close")
    on.both("in_flight_exit_now", "4 MB in flight survive the sender's _exit")
    on.both("in_flight_exec", "4 MB in flight survive the sender's exec, which closes the connection")
    on.both("both_in_flight", "a megabyte in flight when the reader half-closes arrives")
    on.both("both_in_flight_by_server", "a megabyte in flight from a server when the reader half-closes arrives")
    on.both("loop_closes", "an event loop that closes a full connection serves its next event at once", **patient)
    on.both("loop_closes_server", "a server's loop that closes a full connection serves its next event", **patient)
    on.both("blocking_closes", "closing a full blocking descriptor does not wait for the peer", **patient)
    on.both("killed_while_sending", "kill -9 of a client that sends is an error at the server",
            then=ends_as("clean", "reset"))
    on.both("killed_idle", "kill -9 of an idle client is an error at the server", then=ends_as("clean", "reset"))
    on.both("shut_in_flight", "4 MB in flight survive a shutdown of both directions and the receiver's half-close")
    kill_one(tap, on.keys, "server_writes", "server", "kill -9 of a server that sends is an error at the client", "clean")
    kill_one(tap, on.keys, "client_writes", "client", "kill -9 of a client process is an error at the server", "clean")
    kill_one(tap, on.keys, "server_writes", "client", "kill -9 of a client that reads is an error at the server", "reset")
    kill_one(tap, on.keys, "client_writes", "server", "kill -9 of a server that reads is an error at the client", "reset")

    on = Scenarios(tap, "sock_closed")
    on.both("abort", "an abortive close (SO_LINGER of zero) is ECONNRESET at the peer")
    on.both("abort_late", "what came before a reset is read first, also the rest of a chunk")
    on.both("to_the_closed", "writing to a peer that has closed is EPIPE in the end, and SIGPIPE unless that is ignored",
            marked=False)
    on.both("closes_unread", "a close with data unread loses nothing that was sent, and then resets")
    on.both("duplicates", "duplicates of all kinds can use the stream, and the last one's close ends it")
    on.both("closed_by", "dup2, close_range and closefrom end the connections that they close, and no other")
    on.both("no_descriptor_left", "a server out of descriptors closes a connection, and the client in the same thread gets "
            "its end", marked=False, **patient)
    on.both("number_reused", "a file and a datagram socket with the number of a closed connection work")
    on.both("no_reading", "after shutdown for reading nothing is read, and writing continues")

    on = Scenarios(tap, "sock_signals")
    on.both("interrupted", "without SA_RESTART blocked receives and polls are EINTR, also the first of a connection")
    late = "ThreadSanitizer's runtime calls a handler only after the call that the signal interrupts"
    on.both("restarted", "with SA_RESTART a blocked receive continues to wait", marked=False, not_thread=late)
    on.both("rain", "24 MiB arrive with a signal each millisecond at both ends, calls interrupted")
    on.both("rain_restarting", "24 MiB arrive with a signal each millisecond at both ends, calls restarted")
    on.both("jump", "siglongjmp out of a blocked receive loses nothing and leaves nothing locked")
    on.both("jump_before_handshake", "siglongjmp out of the waits before the handshake leaves the connection usable")
    on.both("jump_send", "siglongjmp out of a blocked send neither corrupts the stream nor hangs the next call",
            marked=False)
    on.both("cancel", "pthread_cancel out of a blocked receive leaves the connection to other threads")
    on.both("cancel_send", "pthread_cancel out of a blocked send neither corrupts the stream nor hangs the next call",
            marked=False)
    on.both("handler", "a handler that sends on the descriptor of the interrupted call neither hangs nor loses bytes",
            marked=False, not_thread=late)

    on = Scenarios(tap, "sock_threads")
    on.both("many", "eight threads send and eight receive on one descriptor: every byte arrives once")
    on.both("duplex", "a thread writes and a thread reads 10 MiB at each end")
    on.both("woken", "a shutdown in another thread wakes a thread asleep in a receive")
    on.both("beside", "a thread asleep in a receive does not keep others from sending and polling")
    on.both("churn", "threads make, use and close 320 connections while others use theirs")
    tap.finish()


main()
