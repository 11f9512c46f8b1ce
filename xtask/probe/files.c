/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "sys.h"

#include <asm/errno.h>

long file_read(const char *path, char *buf, unsigned long size)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC), got = 0, at = 0;

	buf[0] = 0;
	if (fd < 0)
		return fd;
	while (at < (long)size - 1 && (got = sys_read(fd, buf + at, size - 1 - at)) > 0)
		at += got;
	sys_close(fd);
	buf[at] = 0;
	return got < 0 ? got : at;
}

long file_line(const char *path, char *buf, unsigned long size)
{
	long len = file_read(path, buf, size);

	if (len > 0 && buf[len - 1] == '\n')
		buf[--len] = 0;
	return len;
}

static long put(const char *path, int flags, const char *words)
{
	long fd = sys_create(path, O_WRONLY | O_CLOEXEC | flags, 0600), wrote, synced;

	if (fd < 0)
		return fd;
	wrote = sys_write(fd, words, length(words));
	synced = flags & O_CREAT ? sys_fsync(fd) : 0;
	sys_close(fd);
	return wrote < 0 ? wrote : synced < 0 ? synced : wrote;
}

long file_write(const char *path, const char *words)
{
	return put(path, 0, words);
}

long file_make(const char *path, const char *words)
{
	return put(path, O_CREAT | O_TRUNC, words);
}

int file_holds(struct text *reason, const char *path, const char *words)
{
	char held[256];
	long len = file_line(path, held, sizeof(held));

	if (len < 0) {
		add_error(reason, path, len);
		return 0;
	}
	if (same(held, words))
		return 1;
	add(reason, path);
	add(reason, " holds `");
	add(reason, held);
	add(reason, "` and not `");
	add(reason, words);
	add(reason, "`");
	return 0;
}

int file_exchange(struct text *reason, const char *folder, const char *path, const char *words)
{
	char from_host[64];
	long result;

	JOIN(from_host, folder, "/from-host");
	if (!file_holds(reason, from_host, words))
		return 0;
	result = file_make(path, words);
	if (result < 0)
		add_error(reason, path, result);
	return result >= 0;
}

int file_exists(const char *path)
{
	return sys_access(path) >= 0;
}

int file_wait(const char *path, int there, unsigned int milliseconds)
{
	unsigned int waited;

	for (waited = 0; file_exists(path) != there; waited += 10) {
		if (waited >= milliseconds)
			return 0;
		sys_sleep_ms(10);
	}
	return 1;
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
