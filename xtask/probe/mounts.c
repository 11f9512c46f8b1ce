/* SPDX-License-Identifier: Apache-2.0 */
/* VM_ROOTFS_MOUNTS of Kuasar's vmm/task/src/main.rs: the agent dies where one of them fails. */
#include "checks.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/mount.h>

long mount_as_agent(const char *type, const char *source, const char *target,
		    unsigned long flags, const char *data)
{
	long result = sys_mkdir(target, 0755);

	if (result < 0 && result != -EEXIST)
		return result;
	result = sys_mount(source, target, type, flags, data);
	return result == -EBUSY ? 0 : result;
}

static enum outcome mounted(struct text *reason, const char *type, const char *source,
			    const char *target, unsigned long flags)
{
	long result = mount_as_agent(type, source, target, flags, 0);

	add(reason, type);
	add(reason, " on ");
	if (result < 0) {
		add_error(reason, target, result);
		return FAIL;
	}
	add(reason, target);
	return PASS;
}

enum outcome check_mount_proc(struct text *reason)
{
	return mounted(reason, "proc", "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

enum outcome check_mount_sys(struct text *reason)
{
	return mounted(reason, "sysfs", "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

enum outcome check_mount_dev(struct text *reason)
{
	return mounted(reason, "devtmpfs", "dev", "/dev", MS_NOSUID);
}

enum outcome check_mount_shm(struct text *reason)
{
	return mounted(reason, "tmpfs", "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV);
}

enum outcome check_mount_pts(struct text *reason)
{
	return mounted(reason, "devpts", "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC);
}

enum outcome check_mount_run(struct text *reason)
{
	return mounted(reason, "tmpfs", "tmpfs", "/run", MS_NOSUID | MS_NODEV);
}
