/* See control.h. */
#include "reload/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "base/filter.h"
#include "base/process.h"
#include "base/raw_file.h"
#include "base/raw_syscall.h"
#include "fd/own.h"

static struct control *page;
static struct descriptor *file;

/* A file larger than this limit would end the process (SIGXFSZ, setrlimit(2)). */
static bool size_is_allowed(void)
{
    struct rlimit limit = {0};
    return filter_allows(SYS_prlimit64) && raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 &&
           limit.rlim_cur >= CONTROL_BYTES;
}

/* A memory file that cannot shrink, so that no access to a mapping of it ends a process. Returns it, or -1. */
static int make_file(void)
{
    enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };
    if (!filter_allows(SYS_memfd_create) || !size_is_allowed())
        return -1;
    const long fd = raw_syscall(SYS_memfd_create, CONTROL_FILE, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    /* A process that may open it through /proc may write the request. */
    if (raw_ftruncate((int)fd, CONTROL_BYTES) == 0 && raw_syscall(SYS_fchmod, fd, 0666) == 0 &&
        raw_syscall(RAW_FCNTL, fd, F_ADD_SEALS, SEALS) == 0)
        return (int)fd;
    (void)raw_syscall(SYS_close, fd);
    return -1;
}

static void fill(struct control *control)
{
    memcpy(control->magic, CONTROL_MAGIC, sizeof CONTROL_MAGIC);
    control->layout = CONTROL_LAYOUT;
    control->pid = (uint32_t)process_id();
    _Static_assert(sizeof PFSWRAP_VERSION <= CONTROL_VERSION_BYTES, "the version fits");
    memcpy(control->version, PFSWRAP_VERSION, sizeof PFSWRAP_VERSION);
    atomic_store(&control->generation, 1);
}

bool control_make(void)
{
    const int saved = errno, fd = make_file();
    bool made = false;
    if (fd < 0)
        return false;
    void *mapping = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct descriptor *owned = NULL;
    (void)own_take(fd, &owned); /* NULL if it cannot */
    if (mapping != MAP_FAILED && owned != NULL) {
        (void)madvise(mapping, CONTROL_BYTES, MADV_DONTDUMP);
        fill(mapping);
        own_close(file); /* in a child: the parent's. Its mapping stays, since a call may be reading it */
        file = owned;
        page = mapping;
        made = true;
    } else if (mapping != MAP_FAILED) {
        (void)munmap(mapping, CONTROL_BYTES);
    } else {
        own_close(owned);
    }
    errno = saved;
    return made;
}

struct control *control_page(void)
{
    return page;
}

bool control_is_own(void)
{
    return page != NULL && page->pid == (uint32_t)process_id();
}

static void wake(_Atomic uint32_t *word)
{
    (void)raw_syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void control_answer(uint32_t request, enum control_result result, uint32_t generation, uint32_t ended,
                    const char *text)
{
    atomic_fetch_add(&page->writing, 1);
    const size_t length = strnlen(text, sizeof page->text - 1);
    memcpy(page->text, text, length);
    page->text[length] = '\0';
    atomic_store(&page->result, result);
    atomic_store(&page->generation, generation);
    atomic_store(&page->ended, ended);
    atomic_fetch_add(&page->writing, 1);
    atomic_store(&page->answered, request);
    wake(&page->answered);
}

void control_set_state(enum control_state state)
{
    if (control_is_own())
        atomic_store(&page->state, state);
}

void control_wait(uint32_t seen, uint32_t timeout_ms)
{
    const struct timespec timeout = {.tv_sec = (time_t)(timeout_ms / 1000),
                                     .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    (void)raw_syscall(SYS_futex, &page->request, FUTEX_WAIT, seen, timeout_ms != 0 ? &timeout : NULL, NULL, 0);
}

void control_wake(void)
{
    wake(&page->request);
}
