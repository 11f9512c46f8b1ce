/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "checks.h"
#include "console.h"
#include "sys.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>

static int HVC0 = -1;

/* The host may have to start a process, or to wait for one that emulates slowly. */
#define ANSWER_MS 20000

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
		words = words ? after(words, nonce()) : 0;
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
	console_send(HVC0, &line);
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
