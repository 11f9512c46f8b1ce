/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probe tells the host, one line each, every one with the prefix `@probe NONCE `:
 *
 *	start RELEASE MS		init runs; milliseconds since boot
 *	check NAME pass|fail|skip MS REASON
 *	kernel TEXT			what the kernel logged during the failed check above
 *	ask WHAT			wants something of the host; the check that asks waits
 *	verdict pass|fail N checks	last, and exactly once
 *
 * The host answers what it was asked on hvc0: `@host NONCE ok`, or `@host NONCE no REASON`.
 *
 * The nonce is new in every boot, so that no other line can be taken for one of these.
 */
#ifndef PROBE_CONSOLE_H
#define PROBE_CONSOLE_H

#include "text.h"

void console_open(const char *nonce);
/* Speaks to the emulator past the kernel, where that listens: it ends programs that try elsewhere. */
void console_open_emulator(const char *nonce);
/* Starts a line with the prefix and `kind`; `console_end` finishes and sends it. */
void console_begin(struct text *line, const char *kind);
void console_end(struct text *line);
/* Sends it to another console than the guest's own. */
void console_send(int fd, struct text *line);

/* New in every boot; what the host put into files and disks for this one. */
const char *nonce(void);

/* The kernel's log: forget what it holds, then pass on what has come since. */
void klog_mark(void);
void klog_pass_on(void);
/* Whether these words have come since; what was read for that is not passed on any more. */
int klog_says(const char *words);

#endif
