/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel does against flaws of the CPU, and what it takes its random numbers from. */
#include "files.h"
#include "process.h"
#include "sys.h"

#include <linux/random.h>

#define FLAWS "/sys/devices/system/cpu/vulnerabilities"
#define CURRENT "/sys/class/misc/hw_random/rng_current"

/* Those that the kernel's configuration alone decides. What else is "Vulnerable" may be so for want
 * of microcode, which no guest loads and no emulated CPU has. */
static const char *const DECIDED[] = { "meltdown", "spectre_v1", "spectre_v2" };

/*
 * A folder that is absent is a failure: x86 and arm64 have had it under every configuration since
 * 4.15 and 5.1.
 */
enum outcome check_mitigations(struct text *reason)
{
	struct text open = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(DECIDED) / sizeof(*DECIDED); i++) {
		char path[96], says[128];
		long result;

		JOIN(path, FLAWS "/", DECIDED[i]);
		result = file_line(path, says, sizeof(says));
		if (result < 0) {
			add_error(reason, path, result);
			return FAIL;
		}
		add(reason, i ? "; " : "");
		add(reason, DECIDED[i]);
		add(reason, ": ");
		add(reason, says);
		if (after(says, "Vulnerable"))
			add(&open, DECIDED[i]);
	}
	return open.len ? FAIL : PASS;
}

static enum outcome drawing(struct text *reason)
{
	unsigned char bytes[16];
	char current[64];
	long result = file_line(CURRENT, current, sizeof(current)), fd;

	if (result < 0) {
		add_error(reason, CURRENT, result);
		return FAIL;
	}
	add(reason, current);
	if (!after(current, "virtio_rng")) {
		add(reason, " is not the virtio device");
		return FAIL;
	}
	fd = sys_open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
	result = fd < 0 ? fd : sys_read(fd, bytes, sizeof(bytes));
	if (result <= 0) {
		add_error(reason, ", /dev/hwrng", result);
		return FAIL;
	}
	result = sys_call(__NR_getrandom, (long)bytes, sizeof(bytes), GRND_NONBLOCK, 0, 0);
	if (result != sizeof(bytes)) {
		add_error(reason, ", getrandom without waiting", result);
		return FAIL;
	}
	add(reason, " gives bytes, and getrandom does without waiting");
	return PASS;
}

enum outcome check_entropy(struct text *reason)
{
	return apart(drawing, reason);
}
