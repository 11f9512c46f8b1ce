/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent reads /proc/cgroups and mounts every enabled controller that it knows as cgroup v1
 * (get_cgroup_mounts of Kuasar's vmm/task/src/mount.rs). One that cannot be mounted ends it before
 * its logger is up; without `devices` it mounts none, and containers run without limits.
 */
#include "checks.h"
#include "files.h"
#include "sys.h"

#include <linux/mount.h>

#define OPTIONS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct controller {
	const char *name;
	const char *target;
	int needed;
};

/* CGROUPS of the agent's mount.rs. The needed ones carry the limits that Kubernetes sets. */
static const struct controller CONTROLLERS[] = {
	{ "cpu", "/sys/fs/cgroup/cpu", 1 },
	{ "cpuacct", "/sys/fs/cgroup/cpuacct", 1 },
	{ "blkio", "/sys/fs/cgroup/blkio", 1 },
	{ "cpuset", "/sys/fs/cgroup/cpuset", 1 },
	{ "memory", "/sys/fs/cgroup/memory", 1 },
	{ "devices", "/sys/fs/cgroup/devices", 1 },
	{ "freezer", "/sys/fs/cgroup/freezer", 1 },
	{ "net_cls", "/sys/fs/cgroup/net_cls", 0 },
	{ "perf_event", "/sys/fs/cgroup/perf_event", 0 },
	{ "net_prio", "/sys/fs/cgroup/net_prio", 0 },
	{ "hugetlb", "/sys/fs/cgroup/hugetlb", 0 },
	{ "pids", "/sys/fs/cgroup/pids", 1 },
	{ "rdma", "/sys/fs/cgroup/rdma", 0 },
};

#define COUNT (sizeof(CONTROLLERS) / sizeof(*CONTROLLERS))

/* Which of CONTROLLERS are enabled, as bits; negative if that cannot be read. */
static long enabled_controllers(struct text *reason)
{
	char table[4096], *rest = table, *line;
	long size = file_read("/proc/cgroups", table, sizeof(table)), enabled = 0;
	unsigned int i;

	if (size < 0) {
		add_error(reason, "/proc/cgroups", size);
		return size;
	}
	while ((line = cut(&rest, '\n'))) {
		/* subsys_name, hierarchy, num_cgroups, enabled */
		char *name = cut(&line, '\t'), *on;

		cut(&line, '\t');
		cut(&line, '\t');
		on = cut(&line, '\t');
		if (!name || !on || same(on, "0"))
			continue;
		for (i = 0; i < COUNT; i++)
			if (same(CONTROLLERS[i].name, name))
				enabled |= 1L << i;
	}
	return enabled;
}

enum outcome check_cgroup_controllers(struct text *reason)
{
	long enabled = enabled_controllers(reason);
	struct text missing = { 0 }, present = { 0 };
	unsigned int i;

	if (enabled < 0)
		return FAIL;
	for (i = 0; i < COUNT; i++) {
		struct text *list = enabled & 1L << i ? &present : &missing;

		if (list == &missing && !CONTROLLERS[i].needed)
			continue;
		add(list, " ");
		add(list, CONTROLLERS[i].name);
	}
	add(reason, missing.len ? "missing:" : "enabled:");
	add_some(reason, missing.len ? missing.chars : present.chars,
		 missing.len ? missing.len : present.len);
	return missing.len ? FAIL : PASS;
}

enum outcome check_cgroup_v1(struct text *reason)
{
	long enabled = enabled_controllers(reason), result;
	unsigned int i, failed = 0, mounted = 0;

	if (enabled <= 0) {
		if (!enabled)
			add(reason, "no controller is enabled");
		return SKIP;
	}
	result = mount_as_agent("tmpfs", "tmpfs", "/sys/fs/cgroup", OPTIONS, "mode=755");
	if (result < 0) {
		add_error(reason, "tmpfs on /sys/fs/cgroup", result);
		return FAIL;
	}
	for (i = 0; i < COUNT; i++) {
		if (!(enabled & 1L << i))
			continue;
		result = mount_as_agent("cgroup", "cgroup", CONTROLLERS[i].target,
					OPTIONS | MS_RELATIME, CONTROLLERS[i].name);
		if (result < 0) {
			add(reason, failed++ ? ", " : "not mountable as v1: ");
			add_error(reason, CONTROLLERS[i].name, result);
		} else {
			mounted++;
		}
	}
	result = sys_mount("tmpfs", "/sys/fs/cgroup", "tmpfs", OPTIONS | MS_REMOUNT | MS_RDONLY,
			   "mode=755");
	if (result < 0) {
		add(reason, failed++ ? ", " : "");
		add_error(reason, "read-only remount of /sys/fs/cgroup", result);
	}
	if (!failed) {
		add_number(reason, mounted);
		add(reason, " controllers mounted as v1");
	}
	return failed ? FAIL : PASS;
}
