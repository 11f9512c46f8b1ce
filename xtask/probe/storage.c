/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory, file systems over others, and file systems that are only registered here: to
 * mount one takes a server. */
#include "files.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/memfd.h>
#include <linux/mount.h>

#define PLACE "/run/probe-overlay"

static enum outcome fail(struct text *reason, const char *what, long result)
{
	add_error(reason, what, result);
	return FAIL;
}

enum outcome check_memfd(struct text *reason)
{
	long fd = sys_call(__NR_memfd_create, (long)"probe", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0,
			   0);
	long result;

	if (fd < 0)
		return fail(reason, "memfd_create", fd);
	result = sys_write(fd, "hello", 5);
	if (result >= 0)
		result = sys_call(__NR_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE, 0, 0);
	if (result < 0) {
		sys_close(fd);
		return fail(reason, "F_ADD_SEALS", result);
	}
	result = sys_write(fd, "x", 1);
	sys_close(fd);
	add_error(reason, "sealed after a write, the next one", result);
	return result == -EPERM ? PASS : FAIL;
}

static enum outcome copied_up(struct text *reason)
{
	char text[16];
	long result = file_make(PLACE "/lower/file", "old");

	if (result >= 0)
		result = sys_mount("overlay", PLACE "/merged", "overlay", 0,
				   "lowerdir=" PLACE "/lower,upperdir=" PLACE "/upper,workdir="
				   PLACE "/work");
	if (result < 0)
		return fail(reason, "mount of overlay", result);
	result = file_line(PLACE "/merged/file", text, sizeof(text));
	if (result < 0 || !same(text, "old"))
		return fail(reason, "a file of the lower layer", result);
	result = file_make(PLACE "/merged/file", "new");
	if (result < 0)
		return fail(reason, "write to a file of the lower layer", result);
	file_line(PLACE "/lower/file", text, sizeof(text));
	if (!same(text, "old")) {
		add(reason, "a write went to the lower layer");
		return FAIL;
	}
	result = file_line(PLACE "/upper/file", text, sizeof(text));
	if (result < 0 || !same(text, "new"))
		return fail(reason, "the copy in the upper layer", result);
	add(reason, "a file of the lower layer was written to, and copied to the upper one");
	return PASS;
}

enum outcome check_overlayfs(struct text *reason)
{
	static const char *const layers[] = { PLACE "/lower", PLACE "/upper", PLACE "/work",
					      PLACE "/merged" };
	enum outcome outcome = FAIL;
	unsigned int i;
	long result;

	sys_mkdir(PLACE, 0755);
	/* The layers must not be of an overlay's own: the root may be one. */
	result = sys_mount("tmpfs", PLACE, "tmpfs", 0, 0);
	if (result < 0)
		return fail(reason, "tmpfs on " PLACE, result);
	for (i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		sys_mkdir(layers[i], 0755);
	outcome = apart(copied_up, reason);
	sys_umount(PLACE "/merged");
	sys_umount(PLACE);
	sys_unlink(PLACE, AT_REMOVEDIR);
	return outcome;
}

/* /proc/filesystems has a line for each: "nodev" or nothing, a tab, the name. */
static int registered(const char *name)
{
	char all[2048], *at = all, *start;
	long size = file_line("/proc/filesystems", all, sizeof(all));

	while (size > 0 && *at) {
		while (*at && *at != '\t')
			at++;
		for (start = at += !!*at; *at && *at != '\n';)
			at++;
		if (*at)
			*at++ = 0;
		if (same(start, name))
			return 1;
	}
	return 0;
}

static enum outcome known(struct text *reason, const char *name)
{
	int is = registered(name);

	add(reason, name);
	add(reason, is ? " is" : " is not");
	add(reason, " among /proc/filesystems");
	return is ? PASS : FAIL;
}

enum outcome check_nfs(struct text *reason)
{
	return known(reason, "nfs");
}

enum outcome check_fuse(struct text *reason)
{
	long fd;

	if (known(reason, "fuse") != PASS)
		return FAIL;
	fd = sys_open("/dev/fuse", O_RDWR | O_CLOEXEC);
	add(reason, ", ");
	if (fd < 0)
		return fail(reason, "/dev/fuse", fd);
	sys_close(fd);
	add(reason, "/dev/fuse opens");
	return PASS;
}
