/* SPDX-License-Identifier: Apache-2.0 */
/* What the container's runtime takes rights away with, and keeps secrets in. */
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

static enum outcome filtered(struct text *reason)
{
	/* getppid(2) fails, all else goes on. `nr` is the first word of struct seccomp_data. */
	struct sock_filter lines[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(lines) / sizeof(*lines), lines };
	long result, pid;
	int status = 1;

	result = sys_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (result >= 0)
		result = sys_call(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&filter, 0, 0);
	if (result < 0) {
		add_error(reason, "seccomp filter", result);
		return FAIL;
	}
	pid = sys_fork();
	if (!pid)
		sys_exit(sys_call(__NR_getppid, 0, 0, 0, 0, 0) != -EPERM || sys_getpid() < 0);
	if (pid > 0)
		sys_wait(pid, &status);
	if (status) {
		add(reason, "a child did not obey the filter");
		return FAIL;
	}
	add(reason, "a child obeyed the filter: getppid: EPERM");
	return PASS;
}

enum outcome check_seccomp(struct text *reason)
{
	return apart(filtered, reason);
}

static enum outcome keeping(struct text *reason)
{
	static const char secret[] = "secret";
	char back[sizeof(secret)] = "";
	long key = sys_call(__NR_add_key, (long)"user", (long)"probe", (long)secret,
			    sizeof(secret), KEY_SPEC_PROCESS_KEYRING);
	long got;

	if (key < 0) {
		add_error(reason, "add_key", key);
		return FAIL;
	}
	got = sys_call(__NR_keyctl, KEYCTL_READ, key, (long)back, sizeof(back), 0);
	if (got != sizeof(secret) || !same(back, secret)) {
		add_error(reason, "what was read is not what was kept: keyctl", got);
		return FAIL;
	}
	add(reason, "a key was kept and read");
	return PASS;
}

enum outcome check_keyrings(struct text *reason)
{
	return apart(keeping, reason);
}
