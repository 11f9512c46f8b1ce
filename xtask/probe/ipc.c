/* SPDX-License-Identifier: Apache-2.0 */
/* How processes of a container talk to each other. */
#include "files.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/ipc.h>
#include <linux/mqueue.h>

#define MQUEUES "/run/probe-mqueue"
#define IPC_WAIT_MS 5000

static enum outcome fail(struct text *reason, const char *what, long result)
{
	add_error(reason, what, result);
	return FAIL;
}

static enum outcome queueing(struct text *reason)
{
	struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	struct __kernel_timespec long_ago = { 0, 0 };
	char back[16] = "";
	long queue = sys_call(__NR_mq_open, (long)"probe", O_CREAT | O_RDWR, 0600,
			      (long)&attributes, 0);
	long result;

	if (queue < 0)
		return fail(reason, "mq_open", queue);
	/* A time that has passed: nothing waits. */
	result = sys_call(__NR_mq_timedsend, queue, (long)"hello", 6, 0, (long)&long_ago);
	if (result >= 0)
		result = sys_call(__NR_mq_timedreceive, queue, (long)back, sizeof(back), 0,
				  (long)&long_ago);
	if (result < 0 || !same(back, "hello"))
		return fail(reason, "a message through the queue", result);
	sys_mkdir(MQUEUES, 0755);
	result = sys_mount("mqueue", MQUEUES, "mqueue", 0, 0);
	if (result < 0)
		return fail(reason, "mount of mqueue on " MQUEUES, result);
	result = sys_open(MQUEUES "/probe", O_RDONLY | O_CLOEXEC);
	if (result < 0)
		return fail(reason, MQUEUES "/probe", result);
	add(reason, "a message was sent and received, and the queue is seen in its file system");
	return PASS;
}

enum outcome check_message_queues(struct text *reason)
{
	enum outcome outcome = apart(queueing, reason);

	sys_umount(MQUEUES);
	sys_unlink(MQUEUES, AT_REMOVEDIR);
	sys_call(__NR_mq_unlink, (long)"probe", 0, 0, 0, 0);
	return outcome;
}

static enum outcome shared(struct text *reason)
{
	long id = sys_call(__NR_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600, 0, 0);
	volatile int *memory;
	int status = 1;
	long pid;

	if (id < 0)
		return fail(reason, "shmget", id);
	memory = (volatile int *)sys_call(__NR_shmat, id, 0, 0, 0, 0);
	/* Gone with the last that has it attached. */
	sys_call(__NR_shmctl, id, IPC_RMID, 0, 0, 0);
	if ((unsigned long)memory > -4096UL)
		return fail(reason, "shmat", (long)memory);
	pid = sys_fork();
	if (!pid) {
		*memory = 42;
		sys_exit(0);
	}
	if (pid > 0)
		sys_wait(pid, &status);
	if (*memory == 42)
		return PASS;
	add(reason, "what a child wrote to shared memory was not seen");
	return FAIL;
}

static enum outcome sent(struct text *reason)
{
	struct {
		long type;
		char text[8];
	} message = { 1, "hello" }, back = { 0, "" };
	long id = sys_call(__NR_msgget, IPC_PRIVATE, IPC_CREAT | 0600, 0, 0, 0), result;

	if (id < 0)
		return fail(reason, "msgget", id);
	result = sys_call(__NR_msgsnd, id, (long)&message, sizeof(message.text), IPC_NOWAIT, 0);
	if (result >= 0)
		result = sys_call(__NR_msgrcv, id, (long)&back, sizeof(back.text), 0, IPC_NOWAIT);
	sys_call(__NR_msgctl, id, IPC_RMID, 0, 0, 0);
	return result >= 0 && same(back.text, "hello") ? PASS : fail(reason, "msgrcv", result);
}

static enum outcome sysv(struct text *reason)
{
	long id;

	if (shared(reason) != PASS || sent(reason) != PASS)
		return FAIL;
	id = sys_call(__NR_semget, IPC_PRIVATE, 1, IPC_CREAT | 0600, 0, 0);
	if (id < 0)
		return fail(reason, "semget", id);
	sys_call(__NR_semctl, id, 0, IPC_RMID, 0, 0);
	add(reason, "shared memory, a message and a semaphore");
	return PASS;
}

enum outcome check_sysv_ipc(struct text *reason)
{
	return apart(sysv, reason);
}

static long futex(volatile int *word, int operation, int value, unsigned int ms)
{
	struct __kernel_timespec time = { ms / 1000, ms % 1000 * 1000000LL };

	return sys_call(__NR_futex, (long)word, operation, value, (long)&time, 0);
}

static enum outcome waking(struct text *reason)
{
	volatile int *word = shared_memory(4096);
	unsigned long long until = sys_clock_us(CLOCK_MONOTONIC) + IPC_WAIT_MS * 1000ULL;
	long pid, result;
	int status = 1;

	if ((unsigned long)word > -4096UL)
		return fail(reason, "mmap", (long)word);
	result = futex(word, FUTEX_WAIT, 0, 10);
	if (result != -ETIMEDOUT)
		return fail(reason, "FUTEX_WAIT for 10 ms", result);
	pid = sys_fork();
	if (!pid)
		sys_exit(futex(word, FUTEX_WAIT, 0, IPC_WAIT_MS) != 0);
	/* The number of those that were woken: none before the child waits. */
	for (result = 0; pid > 0 && !result && sys_clock_us(CLOCK_MONOTONIC) < until;) {
		sleep_ms(1);
		result = futex(word, FUTEX_WAKE, 1, 0);
	}
	if (pid > 0)
		sys_wait(pid, &status);
	if (result != 1 || status)
		return fail(reason, "a process that waits was not woken: FUTEX_WAKE", result);
	add(reason, "one wait ended in time, one by another process");
	return PASS;
}

enum outcome check_futex(struct text *reason)
{
	return apart(waking, reason);
}
