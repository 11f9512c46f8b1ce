/* SPDX-License-Identifier: Apache-2.0 */
/* The agent hears of new devices so (Kuasar's vmm/task/src/device.rs). */
#include "files.h"
#include "netlink.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/netlink.h>

#define EVENT_MS 5000
/* The group that the kernel itself sends to (lib/kobject_uevent.c). */
#define KERNEL_GROUP 1
/* A device of every kernel (drivers/char/mem.c). */
#define DEVICE "/devices/virtual/mem/null"

enum outcome check_uevents(struct text *reason)
{
	char message[2048];
	long fd = netlink_socket(NETLINK_KOBJECT_UEVENT, KERNEL_GROUP), result;

	if (fd < 0) {
		add_error(reason, "netlink socket for uevents", fd);
		return FAIL;
	}
	result = file_write("/sys" DEVICE "/uevent", "change");
	while (result > 0) {
		result = readable(fd, EVENT_MS);
		if (result > 0)
			result = sys_read(fd, message, sizeof(message) - 1);
		else if (!result)
			result = -ETIMEDOUT;
		if (result > 0) {
			message[result] = 0;
			if (same(message, "change@" DEVICE))
				break;
		}
	}
	sys_close(fd);
	if (result <= 0) {
		add_error(reason, "an event of /sys" DEVICE, result);
		return FAIL;
	}
	add(reason, message);
	return PASS;
}
