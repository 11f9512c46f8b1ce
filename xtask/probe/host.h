/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_HOST_H
#define PROBE_HOST_H

#include "text.h"

/* Asks over hvc0, and waits for the answer. If it is not "ok", says in `reason` what it is. */
int ask_host(struct text *reason, const char *what);

#endif
