/*
 * System call filters that were installed before this program started (seccomp(2)), as service managers and
 * containers do. Their code cannot be read. So calls that few programs make are tried in a child, which a filter
 * may end.
 */
#ifndef PFSWRAP_BASE_PROBE_H
#define PFSWRAP_BASE_PROBE_H

/*
 * Finds out which of the calls on probe.c's list the filters of this process allow, once. filter_allows() has the
 * answers afterwards. Without a filter, or if /proc/self/status says that there is none, all are allowed. Makes a
 * child only if there is a filter. Call it while the process has one thread. Keeps errno.
 */
void probe_filters(void);

#endif
