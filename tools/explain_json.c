/*
 * `pfswrap explain --json`: one JSON object on one line. Bytes that are not UTF-8 are written as U+FFFD, so that
 * the line is valid JSON whatever a file is called (RFC 8259, section 8.1).
 */
#include "explain.h"
#include "machine.h"
#include "message.h"

#include <string.h>

#include "base/utf8.h"

static void write_string(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    out("\"");
    while (*at != '\0') {
        size_t length = utf8_length(at);
        if (length == 0)
            out("\\ufffd");
        else if (*at == '"' || *at == '\\')
            out("\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            out("\\u%04x", *at);
        else
            out("%.*s", (int)length, (const char *)at);
        at += length == 0 ? 1 : length;
    }
    out("\"");
}

static void write_member(const char *key, const char *value)
{
    out("\"%s\": ", key);
    if (value == NULL)
        out("null");
    else
        write_string(value);
}

static const char *kind_word(enum executable_kind kind)
{
    switch (kind) {
    case EXECUTABLE_KIND_DYNAMIC:
        return "dynamic";
    case EXECUTABLE_KIND_STATIC:
        return "static";
    case EXECUTABLE_KIND_FOREIGN:
        return "foreign";
    case EXECUTABLE_KIND_UNKNOWN:
    case EXECUTABLE_KIND_TEXT:
    case EXECUTABLE_KIND_SCRIPT:
    case EXECUTABLE_KIND_BROKEN:
        break;
    }
    return "unknown";
}

static void write_stacks(const struct stacks *stacks)
{
    out("\"tls\": [");
    for (size_t i = 0; i < stacks->count; i++) {
        const struct stack_found *found = &stacks->found[i];
        out(i == 0 ? "{" : ", {");
        write_member("name", found->name);
        out(", ");
        write_member("version", found->version[0] != '\0' ? found->version : NULL);
        out(", ");
        write_member("library", found->library[0] != '\0' ? found->library : NULL);
        out(", ");
        write_member("path", found->path[0] != '\0' ? found->path : NULL);
        out(", ");
        write_member("through", found->through[0] != '\0' ? found->through : NULL);
        out(", \"covered\": %s}", found->is_covered ? "true" : "false");
    }
    out("], ");
}

void explain_write_json(const struct explanation *explanation)
{
    const struct program *program = &explanation->program;
    const struct executable *file = &program->file;
    const bool is_elf = file->kind >= EXECUTABLE_KIND_BROKEN;
    out("{");
    write_member("program", explanation->name);
    out(", \"files\": [");
    for (size_t i = 0; i < program->step_count; i++) {
        out(i == 0 ? "" : ", ");
        write_string(program->steps[i].path);
    }
    out("], ");
    write_member("kind", kind_word(file->kind));
    out(", ");
    write_member("machine", is_elf ? machine_name(file->machine, file->is_64_bit) : NULL);
    out(", ");
    write_member("interpreter", is_elf && file->interpreter[0] != '\0' ? file->interpreter : NULL);
    out(", ");
    write_member("privileges", program_privilege(program));
    out(", ");
    write_stacks(&explanation->stacks);
    write_member("runtime", explanation->runtime.name);
    out(", \"environment\": {");
    if (explanation->runtime.variable != NULL)
        write_member(explanation->runtime.variable, explanation->runtime.value);
    out("}, \"io_uring\": %s, ", explanation->runtime.uses_io_uring ? "true" : "false");
    out("\"dlopen\": %s, ", explanation->stacks.loads_at_run_time ? "true" : "false");
    out("\"libraries_known\": %s, ", explanation->libraries_unknown ? "false" : "true");
    write_member("verdict", verdict_words[explanation->verdict]);
    out(", ");
    const char *reached = program->status == 0 ? "true" : "false";
    out("\"wire_plane\": %s, \"seal_plane\": %s, ", reached, reached);
    write_member("refusal", program->status != 0 ? program->refusal : NULL);
    out("}\n");
}
