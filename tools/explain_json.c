/*
 * `pfswrap explain --json`: one JSON object on one line.
 */
#include "explain.h"
#include "json.h"
#include "machine.h"
#include "message.h"

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
        json_write_member("name", found->name);
        out(", ");
        json_write_member("version", found->version[0] != '\0' ? found->version : NULL);
        out(", ");
        json_write_member("library", found->library[0] != '\0' ? found->library : NULL);
        out(", ");
        json_write_member("path", found->path[0] != '\0' ? found->path : NULL);
        out(", ");
        json_write_member("through", found->through[0] != '\0' ? found->through : NULL);
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
    json_write_member("program", explanation->name);
    out(", \"files\": [");
    for (size_t i = 0; i < program->step_count; i++) {
        out(i == 0 ? "" : ", ");
        json_write_string(program->steps[i].path);
    }
    out("], ");
    json_write_member("kind", kind_word(file->kind));
    out(", ");
    json_write_member("machine", is_elf ? machine_name(file->machine, file->is_64_bit) : NULL);
    out(", ");
    json_write_member("interpreter", is_elf && file->interpreter[0] != '\0' ? file->interpreter : NULL);
    out(", ");
    json_write_member("privileges", program_privilege(program));
    out(", ");
    write_stacks(&explanation->stacks);
    json_write_member("runtime", explanation->runtime.name);
    out(", \"environment\": {");
    if (explanation->runtime.variable != NULL)
        json_write_member(explanation->runtime.variable, explanation->runtime.value);
    out("}, \"io_uring\": %s, ", explanation->runtime.uses_io_uring ? "true" : "false");
    out("\"dlopen\": %s, ", explanation->stacks.loads_at_run_time ? "true" : "false");
    out("\"libraries_known\": %s, ", explanation->libraries_unknown ? "false" : "true");
    json_write_member("verdict", verdict_words[explanation->verdict]);
    out(", ");
    const char *reached = program->status == 0 ? "true" : "false";
    out("\"wire_plane\": %s, \"seal_plane\": %s, ", reached, reached);
    json_write_member("refusal", program->status != 0 ? program->refusal : NULL);
    out("}\n");
}
