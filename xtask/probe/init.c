/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of a boot test: runs the checks that the host names in /checks, tells it how each one went
 * (console.h), gives one verdict and ends the machine.
 */
#include "checks.h"
#include "console.h"
#include "files.h"
#include "sys.h"

static const struct check {
	const char *name;
	check_fn *run;
} CHECKS[] = {
	{ "mount-proc", check_mount_proc },
	{ "mount-sys", check_mount_sys },
	{ "mount-dev", check_mount_dev },
	{ "mount-dev-shm", check_mount_shm },
	{ "mount-dev-pts", check_mount_pts },
	{ "mount-run", check_mount_run },
	{ "cgroup-controllers", check_cgroup_controllers },
	{ "cgroup-v1", check_cgroup_v1 },
	{ "vsock-listen", check_vsock_listen },
	{ "vsock-debug-console", check_vsock_debug },
	{ "vsock-reuseport", check_vsock_reuseport },
	{ "vsock-answer", check_vsock_answer },
	{ "block-class", check_block_class },
	{ "hvc0", check_hvc0 },
	{ "share-9p", check_share_9p },
	{ "share-virtiofs", check_share_virtiofs },
	{ "virtio-blk", check_virtio_blk },
	{ "blk-ext4", check_blk_ext4 },
	{ "blk-xfs", check_blk_xfs },
	{ "root-vda", check_root_vda },
	{ "root-pmem", check_root_pmem },
	{ "pmem-dax", check_pmem_dax },
	{ "scsi-disk", check_scsi_disk },
	{ "nvdimm", check_nvdimm },
	{ "hotplug-block", check_hotplug_block },
	{ "hotplug-cpu", check_hotplug_cpu },
	{ "hotplug-memory", check_hotplug_memory },
	{ "module-load", check_module_load },
	{ "cgroup-pids-limit", check_cgroup_pids },
	{ "cgroup-memory-limit", check_cgroup_memory },
	{ "uevents", check_uevents },
	{ "loopback-routes", check_loopback_routes },
	{ "sockets", check_sockets },
	{ "namespaces", check_namespaces },
	{ "seccomp", check_seccomp },
	{ "keyrings", check_keyrings },
	{ "message-queues", check_message_queues },
	{ "sysv-ipc", check_sysv_ipc },
	{ "eventfd", check_eventfd },
	{ "signalfd", check_signalfd },
	{ "timerfd", check_timerfd },
	{ "epoll", check_epoll },
	{ "inotify", check_inotify },
	{ "memfd", check_memfd },
	{ "futex", check_futex },
	{ "overlayfs", check_overlayfs },
	{ "clock-set", check_clock_set },
	{ "nfs", check_nfs },
	{ "fuse", check_fuse },
	{ "netfilter", check_netfilter },
	{ "ipv6", check_ipv6 },
	{ "vlan", check_vlan },
	{ "mitigations", check_mitigations },
	{ "entropy", check_entropy },
	{ "network-card", check_network_card },
};

#define COUNT (sizeof(CHECKS) / sizeof(*CHECKS))

static const char *const OUTCOMES[] = { [PASS] = "pass", [FAIL] = "fail", [SKIP] = "skip" };

/* The kernel hands options that it does not know to init: as environment where they have a value
 * (Documentation/admin-guide/kernel-parameters.rst). That works without /proc. */
static const char *option(char *const *environment, const char *name, const char *otherwise)
{
	for (; *environment; environment++) {
		const char *value = after(*environment, name);

		if (value && *value == '=')
			return value + 1;
	}
	return otherwise;
}

static void tell_start(void)
{
	static struct new_utsname name;
	struct text line;
	unsigned long long us = sys_clock_us(CLOCK_BOOTTIME);

	if (sys_uname(&name) < 0 || !name.release[0])
		name.release[0] = '?';
	console_begin(&line, "start");
	add(&line, name.release);
	add(&line, " ");
	add_ms(&line, us ? us : sys_clock_us(CLOCK_MONOTONIC));
	console_end(&line);
}

static enum outcome check(const char *name, struct text *reason)
{
	unsigned int i;

	for (i = 0; i < COUNT; i++)
		if (same(CHECKS[i].name, name))
			return CHECKS[i].run(reason);
	add(reason, "this probe has no such check");
	return FAIL;
}

static enum outcome run(const char *name)
{
	struct text line, reason = { 0 };
	unsigned long long from;
	enum outcome outcome;

	klog_mark();
	from = sys_clock_us(CLOCK_MONOTONIC);
	outcome = check(name, &reason);
	from = sys_clock_us(CLOCK_MONOTONIC) - from;

	console_begin(&line, "check");
	add(&line, name);
	add(&line, " ");
	add(&line, OUTCOMES[outcome]);
	add(&line, " ");
	add_ms(&line, from);
	add(&line, " ");
	add_some(&line, reason.chars, reason.len);
	console_end(&line);
	if (outcome == FAIL)
		klog_pass_on();
	return outcome;
}

__attribute__((noreturn, used)) void probe_main(long *stack)
{
	char *const *environment = (char *const *)(stack + 1 + stack[0] + 1);
	const char *nonce = option(environment, "probe_nonce", 0);
	static char checks[4096];
	char *rest = checks, *name;
	struct text line;
	unsigned int count = 0, failed = 0;

	/* Anywhere but in a guest of its own, this would mount over the host and power it off. */
	if (sys_getpid() != 1 || !nonce)
		sys_exit(2);
	console_open(nonce);
	tell_start();
	/* No list is no check, which the host will not take for a pass. */
	file_read("/checks", checks, sizeof(checks));
	while ((name = cut(&rest, '\n'))) {
		failed += run(name) == FAIL;
		count++;
	}
	console_begin(&line, "verdict");
	add(&line, failed ? "fail " : "pass ");
	add_number(&line, count);
	add(&line, " checks");
	console_end(&line);
	sys_end(same(option(environment, "probe_end", "poweroff"), "restart"));
}
