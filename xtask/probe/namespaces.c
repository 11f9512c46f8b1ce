/* SPDX-License-Identifier: Apache-2.0 */
/* setup_sandbox_ns of Kuasar's vmm/task/src/sandbox.rs makes IPC, UTS and PID namespaces for the
 * sandbox; the container's runtime makes the others. */
#include "files.h"
#include "process.h"
#include "sys.h"

#include <linux/sched.h>

static const struct namespace {
	const char *name;
	const char *link;
	unsigned long flag;
} NAMESPACES[] = {
	{ "ipc", "/proc/self/ns/ipc", CLONE_NEWIPC },
	{ "uts", "/proc/self/ns/uts", CLONE_NEWUTS },
	{ "net", "/proc/self/ns/net", CLONE_NEWNET },
	{ "mnt", "/proc/self/ns/mnt", CLONE_NEWNS },
	/* Those that make a PID namespace stay outside of it; their children are in it. */
	{ "pid", "/proc/self/ns/pid_for_children", CLONE_NEWPID },
	/* Last: it takes the right to the others' outside away. */
	{ "user", "/proc/self/ns/user", CLONE_NEWUSER },
};

#define COUNT (sizeof(NAMESPACES) / sizeof(*NAMESPACES))

static const char INSIDE[] = "probe-inside";

/* What the link says, as "uts:[4026531838]". A PID namespace without a process cannot be read. */
static long identity(const char *link, char *text, unsigned long size)
{
	long got = sys_readlink(link, text, size - 1);

	text[got < 0 ? 0 : got] = 0;
	return got;
}

static long enter(struct text *reason, const struct namespace *one)
{
	char before[64], after[64];
	long result = identity(one->link, before, sizeof(before));
	int status = 1;

	if (result >= 0)
		result = sys_unshare(one->flag);
	if (result < 0) {
		add_error(reason, one->name, result);
		return result;
	}
	if (one->flag == CLONE_NEWPID) {
		long pid = sys_fork();

		if (!pid)
			sys_exit(sys_getpid() != 1);
		if (pid > 0)
			sys_wait(pid, &status);
		if (pid < 0 || status)
			add(reason, "the first process of a PID namespace is not number 1");
		return pid < 0 || status ? -1 : 0;
	}
	identity(one->link, after, sizeof(after));
	if (same(before, after)) {
		add(reason, one->name);
		add(reason, ": unshared, and still the same");
		return -1;
	}
	return 0;
}

static enum outcome inside(struct text *reason)
{
	unsigned int i;
	long result;

	for (i = 0; i < COUNT; i++) {
		if (enter(reason, &NAMESPACES[i]) < 0)
			return FAIL;
		if (NAMESPACES[i].flag != CLONE_NEWUTS)
			continue;
		result = sys_call(__NR_sethostname, (long)INSIDE, sizeof(INSIDE) - 1, 0, 0, 0);
		if (result < 0) {
			add_error(reason, "sethostname in a UTS namespace", result);
			return FAIL;
		}
	}
	return PASS;
}

enum outcome check_namespaces(struct text *reason)
{
	static struct new_utsname name;
	enum outcome outcome = apart(inside, reason);
	unsigned int i;

	if (outcome != PASS)
		return outcome;
	if (sys_uname(&name) < 0 || same(name.nodename, INSIDE)) {
		add(reason, "the name of the host that was set inside is seen outside");
		return FAIL;
	}
	add(reason, "new ones:");
	for (i = 0; i < COUNT; i++) {
		add(reason, " ");
		add(reason, NAMESPACES[i].name);
	}
	return PASS;
}
