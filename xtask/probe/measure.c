/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of a measurement: reads the cycle counter before anything else, tells the host what it
 * finds, and waits to be ended. Each line has the prefix of console.h:
 *
 *	release RELEASE			of uname
 *	log PRIORITY,NUMBER,US,FLAGS;TEXT	a record of the kernel's log (ABI/testing/dev-kmsg)
 *	measure NAME=NUMBER ...		last; `lines` says how many log lines came before it
 *
 * What the kernel does not tell is left out. On the kernel's command line, `probe_initcalls=1` passes
 * on what `initcall_debug` wrote, and `probe_semihosting=1` does without a console.
 */
#include "console.h"
#include "sys.h"

#include <asm/errno.h>

/* The counter and its frequency, as they were at the first instruction. */
unsigned long start_counter __attribute__((used));
unsigned long start_hz __attribute__((used));

#if defined(__x86_64__)
__asm__(".text\n"
	".globl measure_start\n"
	"measure_start:\n"
	"	rdtsc\n"
	"	shl $32, %rdx\n"
	"	or %rdx, %rax\n"
	"	mov %rax, start_counter(%rip)\n"
	"	jmp _start\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl measure_start\n"
	"measure_start:\n"
	"	mrs x1, cntvct_el0\n"
	"	mrs x2, cntfrq_el0\n"
	"	adrp x3, start_counter\n"
	"	str x1, [x3, :lo12:start_counter]\n"
	"	adrp x3, start_hz\n"
	"	str x2, [x3, :lo12:start_hz]\n"
	"	b _start\n");
#else
#error "no cycle counter of this architecture is known"
#endif

static const char *option(char *const *environment, const char *name)
{
	for (; *environment; environment++) {
		const char *value = after(*environment, name);

		if (value && *value == '=')
			return value + 1;
	}
	return 0;
}

static void add_figure(struct text *line, const char *name, unsigned long long number)
{
	add(line, " ");
	add(line, name);
	add(line, "=");
	add_number(line, number);
}

/* The first number in the line of a /proc file that begins with `name`. */
static void add_from_file(struct text *line, const char *figure, const char *path, const char *name)
{
	static char content[4096];
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC), size;
	const char *at = content;

	if (fd < 0)
		return;
	size = sys_read(fd, content, sizeof(content) - 1);
	sys_close(fd);
	content[size > 0 ? size : 0] = 0;
	while (*at) {
		const char *value = after(at, name);
		unsigned long long number = 0;

		if (value) {
			while (*value && (*value < '0' || *value > '9'))
				value++;
			for (; *value >= '0' && *value <= '9'; value++)
				number = number * 10 + *value - '0';
			add_figure(line, figure, number);
			return;
		}
		while (*at && *at++ != '\n')
			;
	}
}

static int contains(const char *chars, long size, const char *words)
{
	long at, i;

	for (at = 0; at < size; at++) {
		for (i = 0; words[i] && at + i < size && chars[at + i] == words[i]; i++)
			;
		if (!words[i])
			return 1;
	}
	return 0;
}

/* Sends every record of the kernel's log that has these words; says how many. */
static unsigned int pass_on(const char *words)
{
	static char record[8192];
	long log = sys_open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), size;
	unsigned int passed = 0;
	struct text line;

	/* EPIPE: records were overwritten meanwhile; the next read goes on behind them. */
	while ((size = sys_read(log, record, sizeof(record))) > 0 || size == -EPIPE) {
		long length = 0;

		if (!contains(record, size, words))
			continue;
		while (length < size && record[length] != '\n')
			length++;
		console_begin(&line, "log");
		add_some(&line, record, length);
		console_end(&line);
		passed++;
	}
	sys_close(log);
	return passed;
}

static void tell_release(void)
{
	static struct new_utsname name;
	struct text line;

	if (sys_uname(&name) < 0)
		return;
	console_begin(&line, "release");
	add(&line, name.release);
	console_end(&line);
}

__attribute__((noreturn, used)) void probe_main(long *stack)
{
	char *const *environment = (char *const *)(stack + 1 + stack[0] + 1);
	const char *nonce = option(environment, "probe_nonce");
	const char *calls = option(environment, "probe_initcalls");
	unsigned int passed;
	struct text line;

	/* Anywhere but in a guest of its own, this would mount over the host's. */
	if (sys_getpid() != 1 || !nonce)
		sys_exit(2);
	if (option(environment, "probe_semihosting"))
		console_open_emulator(nonce);
	else
		console_open(nonce);
	sys_mkdir("/proc", 0755);
	sys_mount("proc", "/proc", "proc", 0, 0);
	tell_release();
	passed = pass_on("Run /init as init process") + pass_on("tsc: Detected");
	if (calls)
		passed += pass_on("initcall ");
	console_begin(&line, "measure");
	add_figure(&line, "counter", start_counter);
	if (start_hz)
		add_figure(&line, "hz", start_hz);
	add_from_file(&line, "total_kb", "/proc/meminfo", "MemTotal:");
	add_from_file(&line, "available_kb", "/proc/meminfo", "MemAvailable:");
	add_from_file(&line, "init_kb", "/proc/self/status", "VmRSS:");
	add_figure(&line, "lines", passed);
	console_end(&line);
	for (;;)
		sys_call(__NR_ppoll, 0, 0, 0, 0, 0);
}
