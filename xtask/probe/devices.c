/* SPDX-License-Identifier: Apache-2.0 */
#include "checks.h"
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
