/* SPDX-License-Identifier: Apache-2.0 */
#include "disks.h"

#include "console.h"
#include "files.h"
#include "sys.h"

/* init_blk_devices of Kuasar's vmm/task/src/device.rs panics where this folder is absent. */
enum outcome check_block_class(struct text *reason)
{
	long fd = sys_open("/sys/class/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		add_error(reason, "/sys/class/block", fd);
		return FAIL;
	}
	sys_close(fd);
	add(reason, "/sys/class/block is there");
	return PASS;
}

int disk_find(struct text *device, const char *serial)
{
	char name[] = "vda", held[32];

	for (; name[2] <= 'z'; name[2]++) {
		struct text path = { 0 };

		add(&path, "/sys/class/block/");
		add(&path, name);
		add(&path, "/serial");
		if (file_line(chars(&path), held, sizeof(held)) < 0 || !same(held, serial))
			continue;
		add(device, "/dev/");
		add(device, name);
		return 1;
	}
	return 0;
}

#define SECTOR 512

int disk_holds(struct text *reason, const char *device)
{
	static char sector[SECTOR + 1];
	static const char WRITTEN[SECTOR] = "written by the guest";
	long fd = sys_open(device, O_RDWR | O_CLOEXEC), result;

	result = fd < 0 ? fd : sys_read(fd, sector, SECTOR);
	if (result == SECTOR && same(sector, nonce())) {
		result = sys_write(fd, WRITTEN, SECTOR);
		if (result == SECTOR && (result = sys_fsync(fd)) >= 0) {
			sys_seek(fd, SECTOR, SEEK_SET);
			result = sys_read(fd, sector, SECTOR);
		}
		if (result == SECTOR && !same(sector, WRITTEN))
			result = 0;
	} else if (result >= 0) {
		add(reason, device);
		add(reason, " does not begin with what the host wrote there");
		sys_close(fd);
		return 0;
	}
	if (fd >= 0)
		sys_close(fd);
	if (result == SECTOR)
		return 1;
	add_error(reason, device, result);
	return 0;
}

enum outcome check_virtio_blk(struct text *reason)
{
	struct text device = { 0 };

	if (!disk_find(&device, "raw")) {
		add(reason, "no virtio disk shows itself below /sys/class/block");
		return FAIL;
	}
	if (!disk_holds(reason, chars(&device)))
		return FAIL;
	add(reason, chars(&device));
	add(reason, " was read and written");
	return PASS;
}

static int remounted_holds(struct text *reason, const char *device, const char *type,
			   const char *target, const char *data, const char *path)
{
	long result = sys_umount(target);

	if (result >= 0)
		result = sys_mount(device, target, type, 0, data);
	if (result < 0)
		add_error(reason, "mounted a second time", result);
	return result >= 0 && file_holds(reason, path, nonce());
}

enum outcome disk_mounts(struct text *reason, const char *device, const char *type,
			 const char *target, const char *data)
{
	char written[64];
	long result = mount_as_agent(type, device, target, 0, data);
	int held;

	if (result < 0) {
		add(reason, type);
		add_error(reason, " mount", result);
		return FAIL;
	}
	JOIN(written, target, "/from-guest");
	held = file_exchange(reason, target, written, nonce()) &&
	       remounted_holds(reason, device, type, target, data, written);
	sys_umount(target);
	if (!held)
		return FAIL;
	add(reason, device);
	add(reason, " mounted, read, written, and found so in a second mount");
	return PASS;
}

static enum outcome serial_mounts(struct text *reason, const char *serial, const char *target)
{
	struct text device = { 0 };

	if (!disk_find(&device, serial)) {
		add(reason, "no virtio disk shows itself below /sys/class/block");
		return FAIL;
	}
	return disk_mounts(reason, chars(&device), serial, target, 0);
}

enum outcome check_blk_ext4(struct text *reason)
{
	return serial_mounts(reason, "ext4", "/run/ext4");
}

enum outcome check_blk_xfs(struct text *reason)
{
	return serial_mounts(reason, "xfs", "/run/xfs");
}

/* Statfs numbers say less than the table does: "... / ... - TYPE SOURCE ..." (proc(5)). */
static int root_is_type(const char *type)
{
	static char mounts[4096];
	char *rest = mounts, *line, *target;

	file_read("/proc/mounts", mounts, sizeof(mounts));
	while ((line = cut(&rest, '\n'))) {
		cut(&line, ' ');
		target = cut(&line, ' ');
		if (target && same(target, "/"))
			return same(cut(&line, ' '), type);
	}
	return 0;
}

enum outcome disk_is_root(struct text *reason, const char *name, const char *type)
{
	struct text path = { 0 }, root = { 0 };
	struct statx status;
	char device[32];
	long result;

	add(&path, "/sys/class/block/");
	add(&path, name);
	add(&path, "/dev");
	result = file_line(chars(&path), device, sizeof(device));
	if (result < 0) {
		add_error(reason, chars(&path), result);
		return FAIL;
	}
	result = sys_statx("/", &status);
	add_number(&root, result < 0 ? 0 : status.stx_dev_major);
	add(&root, ":");
	add_number(&root, result < 0 ? 0 : status.stx_dev_minor);
	add(reason, "the root is device ");
	add(reason, chars(&root));
	if (!same(chars(&root), device) || !root_is_type(type)) {
		add(reason, " and not ");
		add(reason, type);
		add(reason, " on ");
		add(reason, device);
		return FAIL;
	}
	add(reason, ", ");
	add(reason, type);
	add(reason, " on ");
	add(reason, name);
	return PASS;
}

enum outcome check_root_vda(struct text *reason)
{
	return disk_is_root(reason, "vda", "ext4");
}

/* scan_scsi_bus of Kuasar's vmm/task/src/device.rs asks for a volume by channel, target and unit. */
enum outcome check_scsi_disk(struct text *reason)
{
	long result = file_write("/sys/class/scsi_host/host0/scan", "0 0 0");

	if (result < 0) {
		add_error(reason, "/sys/class/scsi_host/host0/scan", result);
		return FAIL;
	}
	if (!file_wait("/dev/sda", 1, 5000)) {
		add(reason, "no /dev/sda came of a scan");
		return FAIL;
	}
	if (!disk_holds(reason, "/dev/sda"))
		return FAIL;
	add(reason, "/dev/sda was read and written");
	return PASS;
}
