/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "checks.h"
#include "sys.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>

/* include/linux/syslog.h: not in the UAPI headers, though part of the ABI (see syslog(2)). */
#define SYSLOG_ACTION_CONSOLE_OFF 6

/* More would bury the finding; a check that fails seldom makes the kernel say more than this. */
#define KLOG_LINES 6

static const char *NONCE;
static int CONSOLE = -1;
static int KMSG = -1;
static int TO_KMSG;
static int HVC0 = -1;

/* The host may have to start a process, or to wait for one that emulates slowly. */
#define ANSWER_MS 20000

void console_open(const char *nonce)
{
	NONCE = nonce;
	/* Not what the kernel opened for init: it opens nothing where it found no console in time. */
	CONSOLE = sys_open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (CONSOLE < 0) {
		/* A kernel without a tty layer still prints what is written to its log. */
		CONSOLE = sys_open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
		TO_KMSG = 1;
	}
	KMSG = sys_open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	/* Kernel messages would come in the middle of lines. A panic turns them on again. */
	sys_syslog(SYSLOG_ACTION_CONSOLE_OFF, 0, 0);
	if (!TO_KMSG)
		sys_write(CONSOLE, "\n", 1);
}

void console_begin(struct text *line, const char *kind)
{
	line->len = 0;
	/* KERN_EMERG: the one level that CONSOLE_OFF lets through. */
	if (TO_KMSG)
		add(line, "<0>");
	add(line, "@probe ");
	add(line, NONCE);
	add(line, " ");
	add(line, kind);
	add(line, " ");
}

static void send(int fd, struct text *line)
{
	unsigned int sent = 0;

	if (line->len == sizeof(line->chars))
		line->len--;
	line->chars[line->len++] = '\n';
	while (sent < line->len) {
		long wrote = sys_write(fd, line->chars + sent, line->len - sent);

		if (wrote <= 0)
			return;
		sent += wrote;
	}
	/* tcdrain(3): on the wire before anything else happens, be it a panic. */
	if (!TO_KMSG)
		sys_ioctl(fd, TCSBRK, 1);
}

void console_end(struct text *line)
{
	send(CONSOLE, line);
}

const char *nonce(void)
{
	return NONCE;
}

/* Without echo, and without a terminal's editing of what comes in. */
static long open_raw(const char *path)
{
	long fd = sys_open(path, O_RDWR | O_NOCTTY | O_CLOEXEC), result;
	struct termios mode;

	if (fd < 0)
		return fd;
	result = sys_ioctl(fd, TCGETS, (long)&mode);
	mode.c_iflag = 0;
	mode.c_lflag = 0;
	if (result >= 0)
		result = sys_ioctl(fd, TCSETS, (long)&mode);
	if (result >= 0)
		return fd;
	sys_close(fd);
	return result;
}

/* Reads lines until one is the host's, and says what follows its prefix; null if none comes. */
static const char *host_line(char *buf, unsigned long size)
{
	unsigned long at = 0;
	const char *words;

	while (sys_wait_readable(HVC0, ANSWER_MS) > 0 && sys_read(HVC0, buf + at, 1) == 1) {
		if (buf[at] != '\n') {
			at += at < size - 1;
			continue;
		}
		buf[at] = 0;
		at = 0;
		words = after(buf, "@host ");
		words = words ? after(words, NONCE) : 0;
		if (words && *words == ' ')
			return words + 1;
	}
	return 0;
}

int ask_host(struct text *reason, const char *what)
{
	char buf[256];
	const char *answer;
	struct text line;

	if (HVC0 < 0)
		HVC0 = open_raw("/dev/hvc0");
	if (HVC0 < 0) {
		add_error(reason, "no way to ask the host: /dev/hvc0", HVC0);
		return 0;
	}
	console_begin(&line, "ask");
	add(&line, what);
	send(HVC0, &line);
	answer = host_line(buf, sizeof(buf));
	if (answer && same(answer, "ok"))
		return 1;
	add(reason, "the host, asked for `");
	add(reason, what);
	add(reason, answer ? "`, says " : "`, gives no answer on hvc0");
	add(reason, answer ? answer : "");
	return 0;
}

enum outcome check_hvc0(struct text *reason)
{
	if (!ask_host(reason, "echo"))
		return FAIL;
	add(reason, "what was written to /dev/hvc0 was answered there");
	return PASS;
}

void klog_mark(void)
{
	sys_seek(KMSG, 0, SEEK_END);
}

int klog_says(const char *words)
{
	char record[1024];
	long size, at;

	while ((size = sys_read(KMSG, record, sizeof(record) - 1)) > 0) {
		record[size] = 0;
		for (at = 0; at < size; at++)
			if (after(record + at, words))
				return 1;
	}
	return 0;
}

void klog_pass_on(void)
{
	struct text line;
	char record[1024];
	int lines;

	for (lines = 0; lines < KLOG_LINES; lines++) {
		/* "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT\n", one record a read (ABI/testing/dev-kmsg). */
		long size = sys_read(KMSG, record, sizeof(record));
		long from = 0, to;

		if (size <= 0)
			return;
		while (from < size && record[from] != ';')
			from++;
		for (to = ++from; to < size && record[to] != '\n';)
			to++;
		if (to <= from)
			continue;
		console_begin(&line, "kernel");
		add_some(&line, record + from, to - from);
		console_end(&line);
	}
}
