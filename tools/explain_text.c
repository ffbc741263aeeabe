/*
 * `pfswrap explain`: paragraphs with a label, wrapped at 80 columns.
 */
#include "explain.h"
#include "machine.h"
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 80, INDENT = 13 };

/* Prints a label and a text in lines of at most COLUMNS; a long word, such as a path, may exceed that. */
__attribute__((format(printf, 2, 3))) static void paragraph(const char *label, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    out("%-*s", INDENT, label);
    size_t column = INDENT;
    for (const char *word = text; *word != '\0'; word += strspn(word, " ")) {
        size_t size = strcspn(word, " ");
        if (column > INDENT && column + 1 + size > COLUMNS) {
            out("\n%-*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            out(" ");
            column++;
        }
        for (size_t i = 0; i < size; i++) /* a file's name may contain an escape sequence for terminals */
            out("%c", (unsigned char)word[i] < 0x20 || word[i] == 0x7f ? '?' : word[i]);
        column += size;
        word += size;
    }
    out("\n");
    free(text);
}

static const char *step_words(enum script_kind kind)
{
    switch (kind) {
    case SCRIPT_SHELL:
        return "a script without #!, run by";
    case SCRIPT_ENV:
        return "a script, run through env by";
    case SCRIPT_OPAQUE:
        return "a script, run by env with options";
    case SCRIPT_FILE:
        return "a script, run by";
    case SCRIPT_NONE:
        break;
    }
    return "";
}

static void write_files(const struct program *program)
{
    size_t last = program->step_count - 1;
    for (size_t i = 0; i < last; i++)
        paragraph(i == 0 ? "program" : "", "%s: %s", program->steps[i].path, step_words(program->steps[i].kind));
    paragraph(last == 0 ? "program" : "", "%s", program->steps[last].path);
}

static void write_kind(const struct program *program)
{
    const struct executable *file = &program->file;
    const char *machine = machine_name(file->machine, file->is_64_bit), *privilege = program_privilege(program);
    switch (file->kind) {
    case EXECUTABLE_KIND_FOREIGN:
        paragraph("kind", "ELF for %s", machine);
        break;
    case EXECUTABLE_KIND_STATIC:
        paragraph("kind", "statically linked, %s", machine);
        break;
    case EXECUTABLE_KIND_DYNAMIC:
        paragraph("kind", "dynamically linked, %s, loaded by %s", machine, file->interpreter);
        break;
    case EXECUTABLE_KIND_UNKNOWN:
    case EXECUTABLE_KIND_TEXT:
    case EXECUTABLE_KIND_SCRIPT:
    case EXECUTABLE_KIND_BROKEN:
        paragraph("kind", "no ELF program");
        break;
    }
    paragraph("privileges", "%s", privilege != NULL ? privilege : "none of its own");
}

static void write_stacks(const struct stacks *stacks)
{
    if (stacks->count == 0)
        paragraph("TLS", "none found in the program or in the libraries that it links");
    for (size_t i = 0; i < stacks->count; i++) {
        const struct stack_found *found = &stacks->found[i];
        const char *label = i == 0 ? "TLS" : "";
        char name[96];
        (void)snprintf(name, sizeof name, "%s%s%s", found->name, found->version[0] != '\0' ? ", version " : "",
                       found->version);
        const char *covered = found->is_covered ? "covered by the tls plane" : "not covered by the tls plane";
        if (found->library[0] == '\0')
            paragraph(
                label,
                "%s inside the executable: %s, because the dynamic linker does not see calls within a program",
                name, covered);
        else if (found->through[0] == '\0')
            paragraph(label, "%s: %s, linked directly (%s): %s", name, found->library, found->path, covered);
        else
            paragraph(label, "%s: %s, linked through %s (%s): %s", name, found->library, found->through,
                      found->path, covered);
    }
    if (stacks->loads_at_run_time)
        paragraph("run time",
                  "calls dlopen, itself or through a library; plugins and modules that it loads later, such as "
                  "Python's _ssl, are not known here; a shared libssl or GnuTLS is covered if it is loaded later");
}

static void write_runtime(const struct runtime *runtime)
{
    if (runtime->name != NULL)
        paragraph("runtime", "%s", runtime->name);
    if (runtime->variable != NULL)
        paragraph("environment", "%s=%s", runtime->variable, runtime->value);
    if (runtime->uses_io_uring)
        paragraph("io_uring",
                  "possible: if the policy is enforced, no ring can be set up (ENOSYS), and a program that "
                  "needs one fails");
}

static void write_missing(const struct explanation *explanation)
{
    if (explanation->libraries_unknown)
        paragraph("libraries", "ld.so could not list them, so only the executable was searched for TLS");
    for (size_t i = 0; i < explanation->libraries.count; i++)
        if (explanation->libraries.entries[i].path[0] == '\0')
            paragraph("missing", "%s is not found: the program will not start",
                      explanation->libraries.entries[i].name);
}

static void write_verdict(const struct explanation *explanation)
{
    switch (explanation->verdict) {
    case VERDICT_UPGRADED:
        paragraph("tls plane", "upgraded: every connection through libssl or GnuTLS becomes TLS 1.3 with ECDHE");
        break;
    case VERDICT_PARTLY:
        paragraph("tls plane",
                  "upgraded where it uses libssl or GnuTLS; its other TLS is not covered by the tls plane");
        break;
    case VERDICT_NOT_COVERED:
        paragraph("tls plane",
                  "not covered by the tls plane: its TLS is not from a shared OpenSSL 1.1 or 3, or GnuTLS");
        break;
    case VERDICT_AT_RUN_TIME:
        paragraph("tls plane",
                  "upgraded if it loads a shared libssl or GnuTLS at run time; other TLS is not covered by "
                  "the tls plane");
        break;
    case VERDICT_NO_TLS:
        paragraph("tls plane",
                  "nothing to upgrade: no TLS was found; programs that it executes are looked at when they start");
        break;
    case VERDICT_REFUSED:
        paragraph("tls plane", "refused by run: %s", explanation->program.refusal);
        break;
    }
}

/* The plane that looks at the first records of each connection. */
static void write_wire_plane(const struct explanation *explanation)
{
    if (explanation->verdict == VERDICT_REFUSED)
        paragraph("wire plane", "nothing to look at: run refuses the program");
    else
        paragraph(
            "wire plane",
            "looks at the first records of each TCP connection, whatever wrote them; weaker TLS and plaintext "
            "are refused or logged, as [wire] says");
}

void explain_write_text(const struct explanation *explanation)
{
    write_files(&explanation->program);
    write_kind(&explanation->program);
    write_stacks(&explanation->stacks);
    write_runtime(&explanation->runtime);
    write_missing(explanation);
    write_verdict(explanation);
    if (explanation->verdict != VERDICT_REFUSED)
        paragraph("seal plane",
                  "seals the TCP connections that a [listen] or [connect] rule of the policy asks it to");
    write_wire_plane(explanation);
}
