/*
 * libFuzzer: any bytes are a log for pfswrap report, or are counted as damaged; what a record contains becomes text
 * of the page and never markup, and reaches no table with a control character. The same bytes go to the verifier of
 * chains, under a key that the corpus does not have: no line is right.
 */
#include "../../tools/report/html.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tools/report/json_line.h"
#include "../../tools/report/moment.h"
#include "../../tools/report/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_page(const char *text)
{
    static char out[1 << 20];
    FILE *const file = fmemopen(out, sizeof out, "w");
    struct page page = {.file = file};
    check(file != NULL);
    page_text(&page, text);
    check(fclose(file) == 0);
    check(strpbrk(out, "<>\"'") == NULL && utf8_check(out, strlen(out)));
}

static void check_record(const struct record *record)
{
    char clean[TALLY_KEY_MAX + 1];
    for (size_t i = 0; i < FIELD_COUNT_OF; i++) {
        check_page(record_text(record, (enum field)i));
        check(tally_clean(clean, record->text[i]) <= TALLY_KEY_MAX && utf8_check(clean, strlen(clean)));
        for (const char *c = clean; *c != '\0'; c++)
            check((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reader reader;
    static struct evidence evidence = {.since = MOMENT_NONE, .until = INT64_MAX, .gap_limit = 1, .cryptoperiod = 1};
    char path[64], problem[256];
    struct record record;
    enum damage damage;
    enum reading reading;
    static bool is_started;
    static struct verifier verifier;
    static const uint8_t key[CHAIN_KEY_BYTES] = {7};
    char wrong[VERIFY_PROBLEM];
    if (size > 0 && strchr("\x1f\xfd\x28"
                           "B",
                           data[0]) != NULL) /* no other program is started */
        return 0;
    if (!is_started) {
        evidence_start(&evidence);
        check(verifier_start(&verifier, key));
    }
    is_started = true;
    const int fd = memfd_create("log", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check(reader_open(&reader, path, problem, sizeof problem) == 0);
    while ((reading = reader_next(&reader, &record, &damage)) != READING_END) {
        check_page(reader.excerpt);
        if (reading != READING_RECORD)
            continue;
        check_record(&record);
        const struct verify_place place = {
            .path = "log", .program = record_text(&record, FIELD_PROGRAM), .pid = record_text(&record, FIELD_PID)};
        check(!verifier_add(&verifier, reader.raw, reader.raw_length, &place, wrong) && verifier.verified == 0);
        check(strlen(wrong) > 0 && utf8_check(wrong, strlen(wrong)));
        evidence_add(&evidence, &record, "origin");
    }
    check(log_stream_close(&reader.stream, false, problem, sizeof problem) == 0);
    close(fd);
    check(evidence.incidents.count <= TALLY_ENTRIES_MAX && history_length(&evidence.versions) <= HISTORY_BUCKETS);
    return 0;
}
