/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_DISKS_H
#define PROBE_DISKS_H

#include "checks.h"

/* Finds the virtio disk that the host gave this serial number: its device, such as /dev/vdb. */
int disk_find(struct text *device, const char *serial);
/* The disk begins with the nonce, and holds what is written to it. */
int disk_holds(struct text *reason, const char *device);
/* Mounts, reads the host's file, writes one, and finds it again in a mount of its own. */
enum outcome disk_mounts(struct text *reason, const char *device, const char *type,
			 const char *target, const char *data);
/* The root file system is this block device (its name below /sys/class/block), of this type. */
enum outcome disk_is_root(struct text *reason, const char *name, const char *type);

#endif
