/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that Kubernetes sets on a container, each in a cgroup v1 of its own: set, and enforced. */
#include "files.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/mman.h>

#define PIDS "/sys/fs/cgroup/pids/probe"
#define MEMORY "/sys/fs/cgroup/memory/probe"

#define LIMIT_MIB 16
#define TOUCHED_MIB 64

/* Makes the group and sets the limit; the caller removes the group. */
static long limit(struct text *reason, const char *group, const char *file, const char *value)
{
	long result = sys_mkdir(group, 0755);

	if (result < 0 && result != -EEXIST) {
		add_error(reason, group, result);
		return result;
	}
	result = file_write(file, value);
	if (result < 0)
		add_error(reason, file, result);
	return result;
}

static long join_group(struct text *reason, const char *procs)
{
	/* "0" is whoever writes it. */
	long result = file_write(procs, "0");

	if (result < 0)
		add_error(reason, procs, result);
	return result;
}

static long fork_once(void)
{
	long pid = sys_fork();
	int status;

	if (!pid)
		sys_exit(0);
	if (pid > 0)
		sys_wait(pid, &status);
	return pid;
}

static enum outcome forks(struct text *reason)
{
	long result = fork_once();

	if (result < 0) {
		add_error(reason, "fork before the limit", result);
		return FAIL;
	}
	if (join_group(reason, PIDS "/cgroup.procs") < 0)
		return FAIL;
	result = fork_once();
	if (result >= 0) {
		add(reason, "a second process was started under pids.max=1");
		return FAIL;
	}
	add_error(reason, "pids.max=1, fork", result);
	return result == -EAGAIN ? PASS : FAIL;
}

enum outcome check_cgroup_pids(struct text *reason)
{
	enum outcome outcome = FAIL;

	if (limit(reason, PIDS, PIDS "/pids.max", "1") >= 0)
		outcome = apart(forks, reason);
	sys_unlink(PIDS, AT_REMOVEDIR);
	return outcome;
}

static enum outcome touch(struct text *reason)
{
	unsigned long size = TOUCHED_MIB << 20, at;
	volatile char *memory;

	if (join_group(reason, MEMORY "/cgroup.procs") < 0)
		return FAIL;
	memory = (volatile char *)sys_call6(__NR_mmap, 0, size, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((unsigned long)memory > -4096UL) {
		add_error(reason, "mmap", (long)memory);
		return FAIL;
	}
	for (at = 0; at < size; at += 4096)
		memory[at] = 1;
	return PASS;
}

static void judge_touch(struct text *reason, long result, struct end end)
{
	if (result < 0) {
		add_error(reason, "the process under the limit", result);
	} else if (end.signal) {
		add_number(reason, LIMIT_MIB);
		add(reason, " MiB allowed, a process that touched more was ended by signal ");
		add_number(reason, end.signal);
	} else if (end.status == PASS) {
		add_number(reason, TOUCHED_MIB);
		add(reason, " MiB were touched though ");
		add_number(reason, LIMIT_MIB);
		add(reason, " MiB are allowed");
	}
}

enum outcome check_cgroup_memory(struct text *reason)
{
	static const char limit_file[] = MEMORY "/memory.limit_in_bytes";
	struct end end = { 0, 0 };
	long result = limit(reason, MEMORY, limit_file, "16777216");

	if (result >= 0) {
		result = run_child(touch, reason, CHECK_MS, &end);
		judge_touch(reason, result, end);
	}
	sys_unlink(MEMORY, AT_REMOVEDIR);
	return result >= 0 && end.signal == SIGKILL ? PASS : FAIL;
}
