/*
 * The block of counters, which process it belongs to, and the note that leads to it. See counters.h.
 */
#include "counters/counters.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/large.h"
#include "base/process.h"

/* In .bss, whose whole pages are anonymous memory: the kernel can wipe them in a child (madvise(2)). */
LARGE struct counters_block counters;

/* Whether a fork wipes the counts. */
static bool is_wiped;

static bool is_started;

/*
 * The note (elf(5)) is in the first pages of the object, which every process maps: its program header leads to it,
 * and its four bytes of content are the distance from there to the block.
 */
__asm__(".pushsection .note.pfswrap, \"a\", %note\n"
        "    .balign 4\n"
        "    .long 8, 4, 1\n" /* bytes of the owner's name, bytes of the content, COUNTERS_NOTE_TYPE */
        "    .asciz \"pfswrap\"\n"
        "    .hidden counters\n"
        "    .long counters - .\n"
        ".popsection\n");
_Static_assert(COUNTERS_NOTE_TYPE == 1, "as in the note");

static int64_t now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct counters_about *counters_begin_change(void)
{
    /* Acquire: what the caller writes does not come before it. */
    atomic_fetch_add_explicit(&counters.about.sequence, 1, memory_order_acq_rel);
    return &counters.about;
}

void counters_end_change(void)
{
    atomic_fetch_add_explicit(&counters.about.sequence, 1, memory_order_release);
}

static void identify(void)
{
    struct counters_about *about = counters_begin_change();
    about->pid = process_id();
    about->since_ns = now_ns();
    counters_end_change();
}

void counters_start(const char *program)
{
    const int saved = errno;
    if (is_started)
        return;
    is_started = true;
    is_wiped = madvise(&counters.counts, sizeof counters.counts, MADV_WIPEONFORK) == 0;
    errno = saved;
    struct counters_about *about = counters_begin_change();
    about->layout = COUNTERS_LAYOUT;
    about->bytes = sizeof counters;
    about->counts_at = offsetof(struct counters_block, counts);
    memcpy(about->program, program, strnlen(program, sizeof about->program - 1));
    _Static_assert(sizeof PFSWRAP_VERSION <= sizeof about->version, "the version fits");
    memcpy(about->version, PFSWRAP_VERSION, sizeof PFSWRAP_VERSION);
    memcpy(about->magic, COUNTERS_MAGIC, sizeof about->magic);
    counters_end_change();
    identify();
}

void counters_become_child(void)
{
    if (!is_started)
        return;
    /* The chunks of the list of connections stay, and `used` says that none of their entries is. */
    if (!is_wiped)
        memset(&counters.counts, 0, sizeof counters.counts);
    /* A thread of the parent may have been changing it. It is not here to go on. */
    if ((atomic_load(&counters.about.sequence) & 1) != 0)
        counters_end_change();
    identify();
}

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    counters_become_child();
}

const struct process_observer counters_process_observer = {.after_fork_in_child = after_fork_in_child};
