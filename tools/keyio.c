/*
 * Reads and writes keys with read(2) and write(2). See keyio.h.
 */
#include "keyio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <pfswrap/keys.h>

bool keyio_stdin_is_terminal(void)
{
    return isatty(STDIN_FILENO) == 1;
}

/* Reads one byte, so that bytes behind the line are left for the next reader. Returns 1, 0 at the end, or -1. */
static ssize_t read_byte(char *byte)
{
    ssize_t n;

    do {
        n = read(STDIN_FILENO, byte, 1);
    } while (n < 0 && errno == EINTR);
    return n;
}

static int read_to_newline(char *line, size_t size)
{
    size_t length = 0;
    char byte;
    ssize_t n;

    while ((n = read_byte(&byte)) == 1 && byte != '\n') {
        if (byte == '\0' || length + 1 >= size) {
            (void)fprintf(stderr, "pfswrap: stdin: expected one line of text of at most %zu bytes\n", size - 1);
            return -1;
        }
        line[length++] = byte;
    }
    if (n < 0) {
        (void)fprintf(stderr, "pfswrap: stdin: %s\n", strerror(errno));
        return -1;
    }
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    return 0;
}

/* Empty lines and comments may follow, as in a key file. */
static int expect_end(void)
{
    bool is_comment = false;
    char byte;

    while (read_byte(&byte) == 1) {
        if (byte == '\n' || byte == '\r') {
            is_comment = false;
        } else if (byte == '#') {
            is_comment = true;
        } else if (!is_comment) {
            (void)fputs("pfswrap: stdin: expected one key and nothing after it but comments\n", stderr);
            return -1;
        }
    }
    return 0;
}

int keyio_read_line(const char *prompt, bool alone, char *line, size_t size)
{
    struct termios normal, silent;
    int result;

    if (!keyio_stdin_is_terminal() || tcgetattr(STDIN_FILENO, &normal) != 0) {
        result = read_to_newline(line, size);
        return result == 0 && alone ? expect_end() : result;
    }
    silent = normal;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* The echo is off before the prompt is shown: nothing that is typed after the prompt is shown or discarded. */
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    (void)fputs(prompt, stderr);
    result = read_to_newline(line, size);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &normal);
    (void)fputc('\n', stderr);
    return result;
}

static void warn_if_readable(const char *command)
{
    struct stat status;

    if (fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0077) != 0) {
        (void)fprintf(
            stderr,
            "pfswrap %s: warning: group or others can read the file that this secret goes to (mode %04o); "
            "set umask 077 first, or pfswrap will refuse it\n",
            command, (unsigned)status.st_mode & 07777);
    }
}

/* Returns an exit status. */
static int write_all(const char *command, const char *text, size_t size)
{
    size_t written = 0;

    while (written < size) {
        const ssize_t n = write(STDOUT_FILENO, text + written, size - written);

        if (n < 0 && errno != EINTR) {
            (void)fprintf(stderr, "pfswrap %s: stdout: %s\n", command, strerror(errno));
            return EXIT_FAILURE;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    return EXIT_SUCCESS;
}

int keyio_print_key(const char *command, const uint8_t *key, bool secret)
{
    char text[PFSWRAP_KEY_TEXT_BYTES];
    int status;

    if (secret)
        warn_if_readable(command);
    pfswrap_key_encode(text, key);
    text[sizeof text - 1] = '\n';
    status = write_all(command, text, sizeof text);
    sodium_memzero(text, sizeof text);
    return status;
}

int keyio_print_created(const char *command)
{
    char text[64];
    const time_t now = time(NULL);
    struct tm date;

    if (gmtime_r(&now, &date) == NULL)
        return EXIT_FAILURE;
    return write_all(command, text, strftime(text, sizeof text, "# created %Y-%m-%dT%H:%M:%SZ\n", &date));
}
