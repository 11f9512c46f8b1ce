/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "sys.h"

#include <asm/ioctls.h>

/* include/linux/syslog.h: not in the UAPI headers, though part of the ABI (see syslog(2)). */
#define SYSLOG_ACTION_CONSOLE_OFF 6

/* More would bury the finding; a check that fails seldom makes the kernel say more than this. */
#define KLOG_LINES 6

/* In place of a file descriptor. */
#define EMULATOR (-2)

static const char *NONCE;
static int CONSOLE = -1;
static int KMSG = -1;
static int TO_KMSG;

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

void console_open_emulator(const char *nonce)
{
	NONCE = nonce;
	CONSOLE = EMULATOR;
}

#if defined(__aarch64__)
/* SYS_WRITEC of Arm's semihosting, "Semihosting for AArch32 and AArch64": the trap of a64 is HLT. */
static void tell_emulator(const char *character)
{
	register long operation __asm__("x0") = 3;
	register const char *parameter __asm__("x1") = character;

	__asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(parameter) : "memory");
}
#else
static void tell_emulator(const char *character)
{
	(void)character;
}
#endif

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

void console_send(int fd, struct text *line)
{
	unsigned int sent = 0;

	if (line->len == sizeof(line->chars))
		line->len--;
	line->chars[line->len++] = '\n';
	while (fd == EMULATOR && sent < line->len)
		tell_emulator(&line->chars[sent++]);
	while (sent < line->len) {
		long wrote = sys_write(fd, line->chars + sent, line->len - sent);

		if (wrote <= 0)
			return;
		sent += wrote;
	}
	/* tcdrain(3): on the wire before anything else happens, be it a panic. */
	if (!TO_KMSG && fd != EMULATOR)
		sys_ioctl(fd, TCSBRK, 1);
}

void console_end(struct text *line)
{
	console_send(CONSOLE, line);
}

const char *nonce(void)
{
	return NONCE;
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
