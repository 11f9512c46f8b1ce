/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include "sys.h"

#include <asm/errno.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/mman.h>
#include <linux/wait.h>

long sys_fork(void)
{
	return sys_call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
}

long sys_wait(long pid, int *status)
{
	return sys_call(__NR_wait4, pid, (long)status, 0, 0, 0);
}

void sys_kill(long pid, int signal)
{
	sys_call(__NR_kill, pid, signal, 0, 0, 0);
}

void *shared_memory(unsigned long size)
{
	return (void *)sys_call6(__NR_mmap, 0, size, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void sleep_ms(unsigned int ms)
{
	struct __kernel_timespec time = { ms / 1000, ms % 1000 * 1000000LL };

	sys_call(__NR_nanosleep, (long)&time, 0, 0, 0, 0);
}

long readable(int fd, unsigned int ms)
{
	struct pollfd poll = { .fd = fd, .events = POLLIN };
	struct __kernel_timespec time = { ms / 1000, ms % 1000 * 1000000LL };

	return sys_call(__NR_ppoll, (long)&poll, 1, (long)&time, 0, 0);
}

long run_child(check_fn *job, struct text *reason, unsigned int ms, struct end *end)
{
	struct text *said = shared_memory(sizeof(*said));
	unsigned long long until = sys_clock_us(CLOCK_MONOTONIC) + ms * 1000ULL;
	long pid, ended;
	int status = 0;

	if ((unsigned long)said > -4096UL)
		return (long)said;
	*said = *reason;
	pid = sys_fork();
	if (!pid)
		sys_exit(job(said));
	for (ended = pid < 0 ? pid : 0; !ended;) {
		ended = sys_call(__NR_wait4, pid, (long)&status, WNOHANG, 0, 0);
		if (!ended && sys_clock_us(CLOCK_MONOTONIC) > until) {
			sys_kill(pid, SIGKILL);
			sys_wait(pid, &status);
			ended = -ETIMEDOUT;
		}
		if (!ended)
			sleep_ms(1);
	}
	*reason = *said;
	sys_call(__NR_munmap, (long)said, sizeof(*said), 0, 0, 0);
	end->signal = status & 0x7f;
	end->status = status >> 8 & 0xff;
	return ended < 0 ? ended : 0;
}

enum outcome apart(check_fn *job, struct text *reason)
{
	struct end end;
	long result = run_child(job, reason, CHECK_MS, &end);

	if (result >= 0 && !end.signal && end.status <= SKIP)
		return end.status;
	if (reason->len)
		add(reason, "; ");
	if (result < 0) {
		add_error(reason, "the check's process", result);
	} else {
		add(reason, "the check's process was ended by signal ");
		add_number(reason, end.signal);
	}
	return FAIL;
}
