/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent memory: Cloud Hypervisor's root (vmm/sandbox/src/cloud_hypervisor/config.rs), NVDIMMs. */
#include "disks.h"
#include "files.h"
#include "sys.h"

enum outcome check_root_pmem(struct text *reason)
{
	return disk_is_root(reason, "pmem0p1", "ext4");
}

/* ext4 refuses the option where the device cannot do it (fs/ext4/super.c). */
enum outcome check_pmem_dax(struct text *reason)
{
	if (!file_wait("/dev/pmem1", 1, 2000)) {
		add(reason, "no /dev/pmem1");
		return FAIL;
	}
	return disk_mounts(reason, "/dev/pmem1", "ext4", "/run/dax", "dax=always");
}

enum outcome check_nvdimm(struct text *reason)
{
	if (!file_wait("/dev/pmem0", 1, 2000)) {
		add(reason, "no /dev/pmem0");
		return FAIL;
	}
	if (!disk_holds(reason, "/dev/pmem0"))
		return FAIL;
	add(reason, "/dev/pmem0 was read and written");
	return PASS;
}
