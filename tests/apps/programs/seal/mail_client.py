"""Python's imaplib and smtplib as clients: mail_client.py imap PORT TIMES | idle PORT | smtp PORT RECIPIENT.

`imap` stores a mail of 1 MB and fetches it again, `idle` waits in one session for the mail that another one stores,
`smtp` sends three mails over one connection. Prints `ok` or the fault.
"""

import imaplib
import os
import smtplib
import sys

MARKER = b"this-is-readable-on-the-wire"
BIG = b"Subject: big\r\n\r\n" + b"".join(b"%07d %s\r\n" % (number, MARKER) for number in range(30000))


def session(port, user):
    imap = imaplib.IMAP4("127.0.0.1", port, timeout=60)
    imap.login(user, "secret")
    return imap


def store_and_fetch(port, times):
    with session(port, f"user{os.getpid()}") as imap:
        for _ in range(times):
            status, words = imap.append("INBOX", None, None, BIG)
            if status != "OK":
                sys.exit(f"APPEND: {status} {words}")
            imap.select()
            newest = imap.search(None, "ALL")[1][0].split()[-1]
            if imap.fetch(newest, "(RFC822)")[1][0][1] != BIG:
                sys.exit("the mail came back changed")


def idle(port):
    user = f"idle{os.getpid()}"
    with session(port, user) as waiting, session(port, user) as other:
        waiting.select()
        waiting.send(b"X IDLE\r\n")
        if not waiting.readline().startswith(b"+"):
            sys.exit("IDLE: expected a continuation")
        other.append("INBOX", None, None, b"Subject: " + MARKER + b"\r\n\r\nhello\r\n")
        line = b""
        while b"EXISTS" not in line:
            line = waiting.readline()
        waiting.send(b"DONE\r\n")
        while not line.startswith(b"X "):
            line = waiting.readline()


def send(port, recipient):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
        smtp.ehlo("client.test")
        for number, body in enumerate((b"Subject: one\r\n\r\n" + MARKER, BIG, b"Subject: three\r\n\r\nthree")):
            refused = smtp.sendmail("sender@client.test", [recipient], body)
            if refused:
                sys.exit(f"mail {number}: {refused}")


def main():
    if sys.argv[1] == "imap":
        store_and_fetch(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1] == "idle":
        idle(int(sys.argv[2]))
    else:
        send(int(sys.argv[2]), sys.argv[3])
    print("ok")


main()
