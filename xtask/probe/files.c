/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "sys.h"
#include "text.h"

unsigned long length(const char *text)
{
	const char *end = text;

	while (*end)
		end++;
	return end - text;
}

long read_text(const char *path, char *text, unsigned long size)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC), got;

	*text = 0;
	if (fd < 0)
		return fd;
	got = sys_read(fd, text, size - 1);
	sys_close(fd);
	if (got < 0)
		return got;
	while (got && text[got - 1] == '\n')
		got--;
	text[got] = 0;
	return got;
}

static long put(long fd, const char *text)
{
	long wrote = fd;

	if (fd >= 0) {
		wrote = sys_write(fd, text, length(text));
		sys_close(fd);
	}
	return wrote;
}

long write_text(const char *path, const char *text)
{
	return put(sys_open(path, O_WRONLY | O_CLOEXEC), text);
}

long make_file(const char *path, const char *text)
{
	return put(sys_create(path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0600), text);
}

void join(char *path, unsigned long size, const char *const *parts)
{
	for (; *parts; parts++) {
		const char *from = *parts;

		while (*from && size > 1) {
			*path++ = *from++;
			size--;
		}
	}
	*path = 0;
}

/* struct linux_dirent64 of getdents64(2): in no UAPI header. */
struct entry {
	unsigned long long inode;
	long long offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

long each_name(const char *folder, long (*take)(const char *name, void *argument), void *argument)
{
	char names[2048] __attribute__((aligned(8)));
	long fd = sys_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), got, at, result = 0;

	if (fd < 0)
		return fd;
	while (!result) {
		got = sys_call(__NR_getdents64, fd, (long)names, sizeof(names), 0, 0);
		if (got <= 0) {
			result = got;
			break;
		}
		for (at = 0; at < got && !result; at += ((struct entry *)(names + at))->size) {
			const char *name = ((struct entry *)(names + at))->name;

			if (!same(name, ".") && !same(name, ".."))
				result = take(name, argument);
		}
	}
	sys_close(fd);
	return result;
}
