/* SPDX-License-Identifier: Apache-2.0 */
/* System calls without a libc. Each wrapper returns what the kernel does: a result, or -errno. */
#ifndef PROBE_SYS_H
#define PROBE_SYS_H

#include <asm/poll.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/utsname.h>

/* include/linux/socket.h: not in the UAPI headers, though part of the ABI. */
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOCK_CLOEXEC O_CLOEXEC

#define SEEK_SET 0
#define SEEK_END 2

#define CLOCK_MONOTONIC 1
#define CLOCK_BOOTTIME 7

long sys_call(long number, long a, long b, long c, long d, long e);
long sys_call6(long number, long a, long b, long c, long d, long e, long f);

static inline long sys_open(const char *path, int flags)
{
	return sys_call(__NR_openat, AT_FDCWD, (long)path, flags, 0, 0);
}

static inline long sys_create(const char *path, int flags, int mode)
{
	return sys_call(__NR_openat, AT_FDCWD, (long)path, flags, mode, 0);
}

static inline long sys_access(const char *path)
{
	return sys_call(__NR_faccessat, AT_FDCWD, (long)path, 0, 0, 0);
}

static inline long sys_fsync(int fd)
{
	return sys_call(__NR_fsync, fd, 0, 0, 0, 0);
}

static inline long sys_readlink(const char *path, char *buf, unsigned long size)
{
	return sys_call(__NR_readlinkat, AT_FDCWD, (long)path, (long)buf, size, 0);
}

static inline long sys_close(int fd)
{
	return sys_call(__NR_close, fd, 0, 0, 0, 0);
}

static inline long sys_read(int fd, void *buf, unsigned long size)
{
	return sys_call(__NR_read, fd, (long)buf, size, 0, 0);
}

static inline long sys_write(int fd, const void *buf, unsigned long size)
{
	return sys_call(__NR_write, fd, (long)buf, size, 0, 0);
}

static inline long sys_seek(int fd, long offset, int whence)
{
	return sys_call(__NR_lseek, fd, offset, whence, 0, 0);
}

static inline long sys_ioctl(int fd, unsigned long request, long arg)
{
	return sys_call(__NR_ioctl, fd, request, arg, 0, 0);
}

static inline long sys_mkdir(const char *path, int mode)
{
	return sys_call(__NR_mkdirat, AT_FDCWD, (long)path, mode, 0, 0);
}

static inline long sys_mount(const char *source, const char *target, const char *type,
			     unsigned long flags, const char *data)
{
	return sys_call(__NR_mount, (long)source, (long)target, (long)type, flags, (long)data);
}

static inline long sys_umount(const char *target)
{
	return sys_call(__NR_umount2, (long)target, 0, 0, 0, 0);
}

static inline long sys_statx(const char *path, struct statx *status)
{
	return sys_call(__NR_statx, AT_FDCWD, (long)path, 0, STATX_BASIC_STATS, (long)status);
}

static inline long sys_init_module(int fd, const char *parameters)
{
	return sys_call(__NR_finit_module, fd, (long)parameters, 0, 0, 0);
}

static inline long sys_delete_module(const char *name)
{
	return sys_call(__NR_delete_module, (long)name, O_NONBLOCK, 0, 0, 0);
}

static inline long sys_uname(struct new_utsname *name)
{
	return sys_call(__NR_uname, (long)name, 0, 0, 0, 0);
}

static inline long sys_syslog(int action, char *buf, int len)
{
	return sys_call(__NR_syslog, action, (long)buf, len, 0, 0);
}

static inline long sys_socket(int domain, int type, int protocol)
{
	return sys_call(__NR_socket, domain, type, protocol, 0, 0);
}

static inline long sys_bind(int fd, const void *address, unsigned int size)
{
	return sys_call(__NR_bind, fd, (long)address, size, 0, 0);
}

static inline long sys_listen(int fd, int backlog)
{
	return sys_call(__NR_listen, fd, backlog, 0, 0, 0);
}

static inline long sys_accept(int fd)
{
	return sys_call(__NR_accept4, fd, 0, 0, SOCK_CLOEXEC, 0);
}

static inline long sys_setsockopt(int fd, int level, int name, const void *value,
				  unsigned int size)
{
	return sys_call(__NR_setsockopt, fd, level, name, (long)value, size);
}

/* 1 if `fd` can be read within that time, 0 if not, or -errno. */
static inline long sys_wait_readable(int fd, long milliseconds)
{
	struct pollfd watched = { .fd = fd, .events = POLLIN };
	struct __kernel_timespec limit = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	return sys_call(__NR_ppoll, (long)&watched, 1, (long)&limit, 0, 0);
}

static inline void sys_sleep_ms(long milliseconds)
{
	struct __kernel_timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	sys_call(__NR_nanosleep, (long)&pause, 0, 0, 0, 0);
}

static inline long sys_getpid(void)
{
	return sys_call(__NR_getpid, 0, 0, 0, 0, 0);
}

/* `flags`: AT_REMOVEDIR for a folder. */
static inline long sys_unlink(const char *path, int flags)
{
	return sys_call(__NR_unlinkat, AT_FDCWD, (long)path, flags, 0, 0);
}

static inline long sys_send(int fd, const void *buf, unsigned long size, const void *address,
			    unsigned int address_size)
{
	return sys_call6(__NR_sendto, fd, (long)buf, size, 0, (long)address, address_size);
}

static inline long sys_unshare(unsigned long flags)
{
	return sys_call(__NR_unshare, flags, 0, 0, 0, 0);
}

/* Microseconds on a clock; 0 if the kernel has no such clock. */
unsigned long long sys_clock_us(int clock);

void *memcpy(void *to, const void *from, unsigned long size);
void *memset(void *to, int byte, unsigned long size);

void sys_exit(int status) __attribute__((noreturn));

/* Ends the machine. `restart` is for machines that cannot power off: there, the kernel turns a
 * power-off into a halt (kernel/reboot.c), which no VMM notices. */
void sys_end(int restart) __attribute__((noreturn));

#endif
