/*
 * `pfswrap explain --json`: one object on one line, for inventories. Bytes that are no UTF-8 are written as U+FFFD,
 * so that the line is JSON whatever a file is called (RFC 8259 8.1).
 */
#include "explain.h"

#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence at `text` (RFC 3629 4), or 0: there is none. */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80                      ? 1
                    : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                    : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                    : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                        : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

static void write_string(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    putchar('"');
    while (*at != '\0') {
        size_t length = utf8_length(at);
        if (length == 0)
            fputs("\\ufffd", stdout);
        else if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            printf("\\u%04x", *at);
        else
            fwrite(at, 1, length, stdout);
        at += length == 0 ? 1 : length;
    }
    putchar('"');
}

static void write_member(const char *key, const char *value)
{
    printf("\"%s\": ", key);
    if (value == NULL)
        fputs("null", stdout);
    else
        write_string(value);
}

static const char *kind_word(enum elf_kind kind)
{
    switch (kind) {
    case ELF_DYNAMIC:
        return "dynamic";
    case ELF_STATIC:
        return "static";
    case ELF_FOREIGN:
        return "foreign";
    case ELF_NOT:
    case ELF_BROKEN:
        break;
    }
    return "unknown";
}

static void write_stacks(const struct stacks *stacks)
{
    fputs("\"tls\": [", stdout);
    for (size_t i = 0; i < stacks->count; i++) {
        const struct stack_found *found = &stacks->found[i];
        fputs(i == 0 ? "{" : ", {", stdout);
        write_member("name", found->name);
        fputs(", ", stdout);
        write_member("library", found->library[0] != '\0' ? found->library : NULL);
        fputs(", ", stdout);
        write_member("path", found->path[0] != '\0' ? found->path : NULL);
        fputs(", ", stdout);
        write_member("through", found->through[0] != '\0' ? found->through : NULL);
        printf(", \"covered\": %s}", found->is_covered ? "true" : "false");
    }
    fputs("], ", stdout);
}

void explain_write_json(const struct explanation *explanation)
{
    const struct program *program = &explanation->program;
    putchar('{');
    write_member("program", explanation->name);
    fputs(", \"files\": [", stdout);
    for (size_t i = 0; i < program->step_count; i++) {
        fputs(i == 0 ? "" : ", ", stdout);
        write_string(program->steps[i].path);
    }
    fputs("], ", stdout);
    write_member("kind", kind_word(program->elf.kind));
    fputs(", ", stdout);
    write_member("machine", program->elf.kind == ELF_NOT
                                ? NULL
                                : elf_machine_name(program->elf.machine, program->elf.is_64_bit));
    fputs(", ", stdout);
    write_member("interpreter", program->elf.interpreter[0] != '\0' ? program->elf.interpreter : NULL);
    fputs(", ", stdout);
    write_member("privileges", program->privilege);
    fputs(", ", stdout);
    write_stacks(&explanation->stacks);
    printf("\"dlopen\": %s, ", explanation->stacks.loads_at_run_time ? "true" : "false");
    printf("\"libraries_known\": %s, ", explanation->libraries_unknown ? "false" : "true");
    write_member("verdict", verdict_words[explanation->verdict]);
    fputs(", ", stdout);
    write_member("refusal", program->status != 0 ? program->refusal : NULL);
    fputs("}\n", stdout);
}
