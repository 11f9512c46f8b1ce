/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of Kuasar's vmm/task/src/main.rs: 1024 serves ttrpc, 1025 the debug console. */
#include "checks.h"
#include "console.h"
#include "host.h"
#include "sys.h"

#include <asm/errno.h>
#include <asm/socket.h>

/* struct sockaddr_vm and VMADDR_CID_ANY of linux/vm_sockets.h, which itself wants a libc's headers
 * in some of its versions. */
#define CID_ANY 0xffffffffu

#define VSOCK_MS 10000

struct vsock_address {
	unsigned short family;
	unsigned short reserved;
	unsigned int port;
	unsigned int cid;
	unsigned char flags;
	unsigned char zero[3];
};

/* A socket that listens on `port`, as the agent's do; negative, with the call that failed. */
static long listener(struct text *reason, unsigned int port, int reuse)
{
	struct vsock_address address = {
		.family = AF_VSOCK,
		.cid = CID_ANY,
		.port = port,
	};
	long fd = sys_socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), result = 0;
	const char *call = "socket(AF_VSOCK)";

	if (fd < 0) {
		add_error(reason, call, fd);
		return fd;
	}
	if (reuse) {
		call = "SO_REUSEPORT";
		result = sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse));
	}
	if (result >= 0) {
		call = "bind";
		result = sys_bind(fd, &address, sizeof(address));
	}
	if (result >= 0) {
		call = "listen";
		result = sys_listen(fd, 128);
	}
	if (result >= 0)
		return fd;
	add_error(reason, call, result);
	sys_close(fd);
	return result;
}

/* That works without any transport: only `vsock-answer` proves one. */
static enum outcome listening(struct text *reason, unsigned int port)
{
	long fd = listener(reason, port, 0);

	if (fd < 0)
		return FAIL;
	sys_close(fd);
	add(reason, "listening on vsock port ");
	add_number(reason, port);
	return PASS;
}

enum outcome check_vsock_listen(struct text *reason)
{
	return listening(reason, 1024);
}

enum outcome check_vsock_debug(struct text *reason)
{
	return listening(reason, 1025);
}

/* The host connects, sends the nonce, and is answered with it. */
static int answered(struct text *reason, long listening)
{
	char heard[64];
	long fd, size = 0;

	if (sys_wait_readable(listening, VSOCK_MS) <= 0) {
		add(reason, "no connection came");
		return 0;
	}
	fd = sys_accept(listening);
	if (fd < 0) {
		add_error(reason, "accept", fd);
		return 0;
	}
	if (sys_wait_readable(fd, VSOCK_MS) > 0)
		size = sys_read(fd, heard, sizeof(heard) - 1);
	heard[size > 0 ? size : 0] = 0;
	sys_write(fd, heard, length(heard));
	sys_close(fd);
	if (same(heard, nonce()))
		return 1;
	add(reason, "a connection came, and with it `");
	add(reason, heard);
	add(reason, "`");
	return 0;
}

enum outcome check_vsock_answer(struct text *reason)
{
	long fd = listener(reason, 1024, 0);
	int heard;

	if (fd < 0)
		return FAIL;
	/* The host only starts to connect: its own verdict is asked for when it has been served. */
	heard = ask_host(reason, "vsock-connect") && answered(reason, fd) &&
		ask_host(reason, "vsock-answered");
	sys_close(fd);
	if (heard)
		add(reason, "the host connected to vsock port 1024 and was answered");
	return heard ? PASS : FAIL;
}

/*
 * The agent's ttrpc sets SO_REUSEPORT on its listener and ends where it cannot. Kernels from 6.12.9
 * and 6.1.124 on take it on inet sockets only, and no option of theirs changes that.
 */
enum outcome check_vsock_reuseport(struct text *reason)
{
	long fd = listener(reason, 1024, 1);

	if (fd == -EOPNOTSUPP)
		add(reason, ": Linux has refused it since 6.12.9 and 6.1.124, no option changes that, "
			    "and an agent that sets it does not start");
	if (fd < 0)
		return FAIL;
	sys_close(fd);
	add(reason, "SO_REUSEPORT is taken");
	return PASS;
}
