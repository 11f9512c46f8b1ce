/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the module that the host built for this very kernel, and unloads it. */
#include "checks.h"
#include "files.h"
#include "sys.h"

#include <asm/errno.h>

enum outcome check_module_load(struct text *reason)
{
	static const char LOADED[] = "/sys/module/guest_probe/parameters/answer";
	long fd = sys_open("/guest_probe.ko", O_RDONLY | O_CLOEXEC), result;
	int held;

	if (fd == -ENOENT) {
		/* A kernel without MODULES has not even the call, which would else complain of the file. */
		result = sys_init_module(-1, "");
		if (result == -ENOSYS) {
			add_error(reason, "finit_module", result);
			return FAIL;
		}
		add(reason, "no object tree of this kernel is on the host to build a module in");
		return SKIP;
	}
	if (fd < 0) {
		add_error(reason, "/guest_probe.ko", fd);
		return FAIL;
	}
	result = sys_init_module(fd, "question=6");
	sys_close(fd);
	if (result < 0) {
		add_error(reason, "finit_module", result);
		return FAIL;
	}
	/* The module's own code wrote it: it ran. */
	held = file_holds(reason, LOADED, "42");
	result = sys_delete_module("guest_probe");
	if (result < 0) {
		add(reason, held ? "" : "; ");
		add_error(reason, "delete_module", result);
	} else if (file_exists("/sys/module/guest_probe")) {
		add(reason, "unloaded, and still there");
		return FAIL;
	}
	if (!held || result < 0)
		return FAIL;
	add(reason, "loaded, ran, and unloaded");
	return PASS;
}
