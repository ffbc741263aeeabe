"""Echoes lines on PORT: reload_server.py PORT [thread|fork|drop|chroot]. Prints `ready`.

thread: one thread for each connection. fork: one child for each connection. drop: as thread, as the user nobody. chroot: as
thread, in the directory of the program's file.
"""

import os
import signal
import socket
import sys
import threading


def echo(connection):
    with connection:
        for line in connection.makefile("rb"):
            connection.sendall(line)


def serve(connection):
    try:
        echo(connection)
    except OSError:
        pass


def main():
    port, how = int(sys.argv[1]), (sys.argv[2:] or ["thread"])[0]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    if how == "chroot":
        os.chroot(os.path.dirname(os.path.abspath(__file__)))
        os.chdir("/")
    if how == "drop":
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    print("ready", flush=True)
    while True:
        try:
            connection = listener.accept()[0]
        except ConnectionAbortedError:
            continue
        if how != "fork":
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        elif os.fork() == 0:
            listener.close()
            serve(connection)
            os._exit(0)
        else:
            connection.close()


main()
