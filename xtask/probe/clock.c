/* SPDX-License-Identifier: Apache-2.0 */
/* The sandboxer sets the guest's clock (Kuasar's vmm/task/src/sandbox_service.rs), such as after a
 * snapshot. */
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/time.h>

#define HOUR 3600
#define TIMER_MS 5000

static long long seconds_now(void)
{
	return sys_clock_us(CLOCK_REALTIME) / 1000000;
}

static long step(long seconds)
{
	struct __kernel_timespec time = { seconds_now() + seconds, 0 };

	return sys_call(__NR_clock_settime, CLOCK_REALTIME, (long)&time, 0, 0, 0);
}

static enum outcome timed(struct text *reason)
{
	unsigned long long mask = 1ULL << (SIGUSR1 - 1);
	sigevent_t event = { .sigev_signo = SIGUSR1, .sigev_notify = SIGEV_SIGNAL };
	struct __kernel_itimerspec soon = { .it_value = { 0, 10000000 } };
	struct __kernel_timespec limit = { TIMER_MS / 1000, 0 };
	int timer = 0;
	long result;

	sys_call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, sizeof(mask), 0);
	result = sys_call(__NR_timer_create, CLOCK_MONOTONIC, (long)&event, (long)&timer, 0, 0);
	if (result >= 0)
		result = sys_call(__NR_timer_settime, timer, 0, (long)&soon, 0, 0);
	if (result >= 0)
		result = sys_call(__NR_rt_sigtimedwait, (long)&mask, 0, (long)&limit, sizeof(mask),
				  0);
	if (result != SIGUSR1) {
		add_error(reason, "a POSIX timer of 10 ms", result);
		return FAIL;
	}
	add(reason, "a POSIX timer went off");
	return PASS;
}

enum outcome check_clock_set(struct text *reason)
{
	long long before = seconds_now(), later, earlier;
	long forth = step(2 * HOUR), back;

	later = seconds_now();
	back = step(-HOUR);
	earlier = seconds_now();
	/* Up: without a clock of its own a guest starts in 1970, and no clock is set to before that. */
	if (forth >= 0 && back >= 0)
		step(1 - HOUR);
	if (forth < 0 || back < 0 || later < before + 2 * HOUR || earlier >= later) {
		add_error(reason, "two hours forth, one back: clock_settime",
			  forth < 0 ? forth : back);
		return FAIL;
	}
	add(reason, "hours forth and back, ");
	return apart(timed, reason);
}
