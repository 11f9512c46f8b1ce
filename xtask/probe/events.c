/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent's asynchronous runtime and its workloads wait with. */
#include "files.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/eventpoll.h>
#include <linux/inotify.h>
#include <linux/signalfd.h>
#include <linux/time.h>

#define EVENT_MS 5000
#define WATCHED "/run/probe-inotify"

static enum outcome fail(struct text *reason, const char *what, long result)
{
	add_error(reason, what, result);
	return FAIL;
}

/* Reads what comes within EVENT_MS. */
static long read_soon(int fd, void *buf, unsigned long size)
{
	long ready = readable(fd, EVENT_MS);

	return ready > 0 ? sys_read(fd, buf, size) : ready < 0 ? ready : -ETIMEDOUT;
}

enum outcome check_eventfd(struct text *reason)
{
	unsigned long long sent = 5, got = 0;
	long fd = sys_call(__NR_eventfd2, 0, O_CLOEXEC, 0, 0, 0), result;

	if (fd < 0)
		return fail(reason, "eventfd", fd);
	result = sys_write(fd, &sent, sizeof(sent));
	if (result >= 0)
		result = read_soon(fd, &got, sizeof(got));
	sys_close(fd);
	if (result < 0 || got != sent)
		return fail(reason, "eventfd read", result);
	add(reason, "counted to 5");
	return PASS;
}

static enum outcome signalled(struct text *reason)
{
	unsigned long long mask = 1ULL << (SIGUSR1 - 1);
	struct signalfd_siginfo info = { 0 };
	long fd, result;

	sys_call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, sizeof(mask), 0);
	fd = sys_call(__NR_signalfd4, -1, (long)&mask, sizeof(mask), O_CLOEXEC, 0);
	if (fd < 0)
		return fail(reason, "signalfd", fd);
	sys_kill(sys_getpid(), SIGUSR1);
	result = read_soon(fd, &info, sizeof(info));
	if (result < 0 || info.ssi_signo != SIGUSR1)
		return fail(reason, "signalfd read", result);
	add(reason, "SIGUSR1 was read");
	return PASS;
}

enum outcome check_signalfd(struct text *reason)
{
	return apart(signalled, reason);
}

enum outcome check_timerfd(struct text *reason)
{
	struct __kernel_itimerspec soon = { .it_value = { 0, 10000000 } };
	unsigned long long times = 0;
	long fd = sys_call(__NR_timerfd_create, CLOCK_MONOTONIC, O_CLOEXEC, 0, 0, 0), result;

	if (fd < 0)
		return fail(reason, "timerfd_create", fd);
	result = sys_call(__NR_timerfd_settime, fd, 0, (long)&soon, 0, 0);
	if (result >= 0)
		result = read_soon(fd, &times, sizeof(times));
	sys_close(fd);
	if (result < 0 || !times)
		return fail(reason, "timerfd read", result);
	add(reason, "went off after 10 ms");
	return PASS;
}

enum outcome check_epoll(struct text *reason)
{
	/* A pipe, so that eventfd's absence is not epoll's. */
	struct epoll_event event = { .events = EPOLLIN, .data = 7 }, seen = { 0 };
	long fd = sys_call(__NR_epoll_create1, O_CLOEXEC, 0, 0, 0, 0), result;
	int ends[2];

	if (fd < 0)
		return fail(reason, "epoll_create1", fd);
	result = sys_call(__NR_pipe2, (long)ends, O_CLOEXEC, 0, 0, 0);
	if (result >= 0) {
		result = sys_call(__NR_epoll_ctl, fd, EPOLL_CTL_ADD, ends[0], (long)&event, 0);
		sys_write(ends[1], "x", 1);
		if (result >= 0)
			result = sys_call6(__NR_epoll_pwait, fd, (long)&seen, 1, EVENT_MS, 0, 0);
		sys_close(ends[0]);
		sys_close(ends[1]);
	}
	sys_close(fd);
	if (result != 1 || seen.data != 7)
		return fail(reason, "epoll_pwait", result);
	add(reason, "a pipe that can be read was told of");
	return PASS;
}

enum outcome check_inotify(struct text *reason)
{
	char events[256] __attribute__((aligned(8)));
	const struct inotify_event *event = (const struct inotify_event *)events;
	long fd = sys_call(__NR_inotify_init1, O_CLOEXEC, 0, 0, 0, 0), result;

	if (fd < 0)
		return fail(reason, "inotify_init1", fd);
	sys_mkdir(WATCHED, 0700);
	result = sys_call(__NR_inotify_add_watch, fd, (long)WATCHED, IN_CREATE, 0, 0);
	if (result >= 0)
		result = file_make(WATCHED "/new", "");
	if (result >= 0)
		result = read_soon(fd, events, sizeof(events));
	sys_close(fd);
	sys_unlink(WATCHED "/new", 0);
	sys_unlink(WATCHED, AT_REMOVEDIR);
	if (result < 0 || event->mask != IN_CREATE || !same(event->name, "new"))
		return fail(reason, "inotify on " WATCHED, result);
	add(reason, "a new file was told of");
	return PASS;
}
