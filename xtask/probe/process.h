/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of the probe's own: for what would change or stop init itself. */
#ifndef PROBE_PROCESS_H
#define PROBE_PROCESS_H

#include "checks.h"

/* A check that takes longer hangs: an emulated guest on a busy host is slow, but not that slow. */
#define CHECK_MS 20000

/* How a child ended: its exit status, or the signal that ended it. */
struct end {
	int status;
	int signal;
};

/* Runs `job` in a child. What it changes of itself (namespaces, filters, blocked signals) goes with
 * it, and it is killed when `ms` have passed. 0 or -errno; -ETIMEDOUT if it was killed. */
long run_child(check_fn *job, struct text *reason, unsigned int ms, struct end *end);

/* The same as a check: its outcome is the child's, which fails if it does not come to its end. */
enum outcome apart(check_fn *job, struct text *reason);

/* A child of the caller, as fork(2) makes it. */
long sys_fork(void);
/* Waits for a child that is about to end. */
long sys_wait(long pid, int *status);
void sys_kill(long pid, int signal);

/* Memory that children share; a negative errno as a pointer if there is none. */
void *shared_memory(unsigned long size);

void sleep_ms(unsigned int ms);
/* 1 if `fd` can be read from within `ms`, 0 if not, or -errno. */
long readable(int fd, unsigned int ms);

#endif
