/* SPDX-License-Identifier: Apache-2.0 */
/* The shared folder, mounted as SHAREFS_* of Kuasar's vmm/task/src/main.rs say. */
#include "checks.h"
#include "console.h"
#include "files.h"
#include "host.h"
#include "sys.h"

#include <linux/mount.h>

static enum outcome shared(struct text *reason, const char *type, const char *data,
			   const char *target, const char *ask)
{
	char written[64];
	long result = mount_as_agent(type, "kuasar", target, MS_NODEV, data);
	int seen;

	if (result < 0) {
		add_error(reason, target, result);
		return FAIL;
	}
	JOIN(written, target, "/from-guest");
	seen = file_exchange(reason, target, written, nonce()) && ask_host(reason, ask);
	result = sys_umount(target);
	if (seen && result < 0) {
		add_error(reason, "unmount", result);
		return FAIL;
	}
	if (seen)
		add(reason, "a file of the host's was read, and one written that the host sees");
	return seen ? PASS : FAIL;
}

enum outcome check_share_9p(struct text *reason)
{
	return shared(reason, "9p", "trans=virtio,version=9p2000.L", "/run/9p", "share-9p");
}

enum outcome check_share_virtiofs(struct text *reason)
{
	return shared(reason, "virtiofs", 0, "/run/virtiofs", "share-virtiofs");
}
