/*
 * Standard I/O on a connection: streams made from descriptors, descriptors of streams, the families of calls that
 * print to a descriptor or to descriptors 1 and 2, and the ends of streams.
 */
#include "../lib/sock.h"

#include <err.h>
#include <error.h>
#include <execinfo.h>
#include <stdarg.h>
#include <wchar.h>

static void expect_text(int fd, const char *text)
{
    char buffer[4096];
    size_t length = strlen(text), got = 0;
    while (got < length) {
        ssize_t n = read(fd, buffer + got, length - got);
        sock_expect(n > 0, "read returned %zd, expected \"%s\"", n, text + got);
        got += (size_t)n;
    }
    sock_expect(memcmp(buffer, text, length) == 0, "read \"%.*s\", expected \"%s\"", (int)length, buffer, text);
}

/* --- two streams on one connection, every way to write and to read them --- */

static void streams_client(int fd)
{
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[256], *long_line = NULL;
    size_t size = 0;
    int number = 0;
    sock_expect(in && out && fileno(in) == fd && fileno(out) != fd, "fdopen and fileno");
    sock_expect(fprintf(out, "PFSMARK:%d %s\n", 42, "words") == 17 && fputs("a line\n", out) >= 0 &&
                    fputc('c', out) == 'c' && putc('\n', out) == '\n' && fwrite("0123456789\n", 1, 11, out) == 11,
                "writing");
    sock_expect(fflush(out) == 0, "fflush");
    sock_expect(fgets(line, sizeof line, in) && strcmp(line, "got 17\n") == 0, "fgets: %s", line);
    sock_expect(fscanf(in, "%d", &number) == 1 && number == 1234 && getc(in) == '\n', "fscanf");
    sock_expect(getline(&long_line, &size, in) == 6001 && long_line[5999] == 'x' && long_line[6000] == '\n',
                "getline");
    sock_expect(ungetc(fgetc(in), in) == 'u' && fread(line, 1, 8, in) == 8 && memcmp(line, "ungetc\n!", 8) == 0,
                "fread");
    sock_expect(setvbuf(out, NULL, _IONBF, 0) == 0 && fputs("unbuffered\n", out) >= 0, "unbuffered");
    for (int i = 0; i < 1000; i++)
        sock_expect(fprintf(out, "line %d\n", i) > 0, "fprintf");
    sock_expect(fclose(out) == 0, "fclose");
    sock_expect(shutdown(fileno(in), SHUT_WR) == 0, "shutdown");
    sock_expect(fgets(line, sizeof line, in) && strcmp(line, "all here\n") == 0, "fgets: %s", line);
    sock_expect(fgetc(in) == EOF && feof(in) && !ferror(in), "the end of the stream");
    sock_expect(fclose(in) == 0, "fclose");
    sock_expect(read(fd, line, 1) == -1 && errno == EBADF, "the descriptor is closed: expected EBADF");
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sock_expect(next == fd, "the next descriptor is %d, expected %d", next, fd);
    free(long_line);
}

static void streams_server(int fd)
{
    static char text[6002];
    char line[64];
    sock_set_nodelay(fd);
    expect_text(fd, "PFSMARK:42 words\n");
    expect_text(fd, "a line\nc\n0123456789\n");
    sock_expect(dprintf(fd, "got %d\n", 17) == 7, "dprintf");
    sock_expect(dprintf(fd, "1234\n") == 5, "dprintf");
    memset(text, 'x', 6000);
    text[6000] = '\n';
    sock_expect(dprintf(fd, "%s", text) == 6001, "dprintf");
    sock_expect(dprintf(fd, "ungetc\n!") == 8, "dprintf");
    expect_text(fd, "unbuffered\n");
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof line, "line %d\n", i);
        expect_text(fd, line);
    }
    text_expect_end(fd);
    sock_expect(dprintf(fd, "all here\n") == 9, "dprintf");
    (void)close(fd);
}

/* --- one stream for both directions, with wide characters and a position that it cannot have --- */

static void both_ways_client(int fd)
{
    FILE *stream = fdopen(fd, "r+");
    char line[64];
    sock_expect(stream && setvbuf(stream, NULL, _IOLBF, 4096) == 0, "fdopen");
    for (int i = 0; i < 20; i++) {
        sock_expect(fprintf(stream, "PFSMARK:%d\n", i) > 0 && fflush(stream) == 0, "fprintf");
        sock_expect(fgets(line, sizeof line, stream) && strtol(line, NULL, 10) == i, "fgets: %s", line);
    }
    sock_expect(fseek(stream, 0, SEEK_SET) == -1 && errno == ESPIPE, "fseek: expected ESPIPE");
    sock_expect(fclose(stream) == 0, "fclose");
}

static void both_ways_server(int fd)
{
    char line[64];
    sock_set_nodelay(fd);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(line, sizeof line, "PFSMARK:%d\n", i);
        expect_text(fd, line);
        FILE *wide = fdopen(dup(fd), "w");
        sock_expect(wide && fwide(wide, 1) > 0 && fwprintf(wide, L"%d\n", i) > 0 && fclose(wide) == 0, "fwprintf");
    }
    text_expect_end(fd);
}

/* --- the connection as descriptors 1 and 2: everything that prints there --- */

__attribute__((format(printf, 2, 3))) static void print_list(int fd, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    sock_expect(vdprintf(fd, format, list) > 0, "vdprintf");
    va_end(list);
}

static void printed_client(int fd)
{
    sock_set_nodelay(fd);
    sock_expect(dup2(fd, 1) == 1 && dup2(fd, 2) == 2, "dup2");
    sock_expect(printf("printf %s\n", "PFSMARK:") > 0 && fflush(stdout) == 0, "printf");
    sock_expect(puts("puts") >= 0 && putchar('p') == 'p' && putchar('\n') == '\n' && fflush(stdout) == 0, "puts");
    print_list(fd, "vdprintf %d\n", 5);
    errno = ENOENT;
    perror("perror");
    (void)fprintf(stderr, "fprintf\n");
    psignal(SIGHUP, "psignal");
    warnx("warnx %d", 1);
    errno = EPERM;
    warn("warn");
    error(0, EACCES, "error");
    sock_expect(write(1, "write\n", 6) == 6, "write");
    setvbuf(stdout, NULL, _IOFBF, 8192);
    sock_expect(printf("left in the buffer for exit\n") > 0, "printf");
    (void)close(fd);
    exit(0);
}

static void printed_server(int fd)
{
    char line[256];
    expect_text(fd, "printf PFSMARK:\nputs\np\nvdprintf 5\n");
    (void)snprintf(line, sizeof line, "perror: %s\nfprintf\npsignal: %s\n", strerror(ENOENT), strsignal(SIGHUP));
    expect_text(fd, line);
    const char *name = program_invocation_short_name;
    (void)snprintf(line, sizeof line, "%s: warnx 1\n%s: warn: %s\n%s: error: %s\n", name, name, strerror(EPERM),
                   program_invocation_name, strerror(EACCES));
    expect_text(fd, line);
    expect_text(fd, "write\nleft in the buffer for exit\n");
    text_expect_end(fd);
}

/* err() prints and exits. */
static void err_client(int fd)
{
    (void)dup2(fd, 2);
    (void)close(fd);
    errno = ENOENT;
    err(0, "PFSMARK: %s", "err");
}

static void err_server(int fd)
{
    char line[256];
    (void)snprintf(line, sizeof line, "%s: PFSMARK: err: %s\n", program_invocation_short_name, strerror(ENOENT));
    expect_text(fd, line);
    text_expect_end(fd);
}

/* backtrace_symbols_fd writes to a descriptor from inside libc. */
static void backtrace_client(int fd)
{
    void *frames[8];
    int count = backtrace(frames, 8);
    text_send(fd, 0, 16, 16, 1);
    backtrace_symbols_fd(frames, count, fd);
    text_send(fd, 16, 16, 16, 1);
}

static void backtrace_server(int fd)
{
    char text[8192];
    size_t got = 0;
    ssize_t n;
    text_receive(fd, 0, 16, 16, 1);
    while ((n = read(fd, text + got, sizeof text - got)) > 0)
        got += (size_t)n;
    sock_expect(n == 0 && got > 16, "read returned %zd after %zu bytes", n, got);
    text_check(text + got - 16, 16, 16, 1);
    text[got - 16] = 0;
    sock_expect(strstr(text, "[0x") != NULL, "no addresses in \"%s\"", text);
}

/* --- freopen closes the connection under the stream, and the stream continues with another file --- */

static void reopened_client(int fd)
{
    FILE *stream = fdopen(fd, "w");
    sock_expect(stream && fputs("PFSMARK: before\n", stream) >= 0, "fputs");
    sock_expect(freopen("/dev/null", "w", stream) == stream && fileno(stream) == fd, "freopen");
    sock_expect(fputs("elsewhere\n", stream) >= 0 && fflush(stream) == 0, "fputs");
    side_send(0);
    (void)side_receive();
    sock_expect(fclose(stream) == 0, "fclose");
}

static void reopened_server(int fd)
{
    expect_text(fd, "PFSMARK: before\n");
    (void)side_receive();
    text_expect_end(fd);
    side_send(0);
}

/* stdin on the connection, read with buffered and line calls; poll on its fileno(). */
static void stdin_server(int fd)
{
    char line[256];
    sock_expect(dup2(fd, 0) == 0 && close(fd) == 0, "dup2");
    for (int i = 0; i < 100; i++) {
        sock_expect(fgets(line, sizeof line, stdin) != NULL, "fgets");
        sock_expect(strncmp(line, "PFSMARK:", 8) == 0 && strtol(line + 8, NULL, 10) == i, "line %d is \"%s\"", i,
                    line);
    }
    side_send(0);
    sock_expect(sock_wait(fileno(stdin), POLLIN) & POLLIN, "readable");
    sock_expect(getchar() == 'e' && getchar() == EOF && feof(stdin), "the end");
    sock_expect(fclose(stdin) == 0, "fclose");
}

static void stdin_client(int fd)
{
    for (int i = 0; i < 100; i++)
        sock_expect(dprintf(fd, "PFSMARK:%d\n", i) > 0, "dprintf");
    (void)side_receive();
    sock_expect(dprintf(fd, "e") == 1, "dprintf");
}

static const struct scenario scenarios[] = {
    {"streams", streams_server, streams_client, NULL},
    {"both_ways", both_ways_server, both_ways_client, NULL},
    {"printed", printed_server, printed_client, NULL},
    {"err", err_server, err_client, NULL},
    {"backtrace", backtrace_server, backtrace_client, NULL},
    {"reopened", reopened_server, reopened_client, NULL},
    {"stdin", stdin_server, stdin_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
