/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of Kuasar's vmm/task/src/main.rs: 1024 serves ttrpc, 1025 the debug console. */
#include "checks.h"
#include "sys.h"

#include <asm/errno.h>
#include <asm/socket.h>

/* struct sockaddr_vm and VMADDR_CID_ANY of linux/vm_sockets.h, which itself wants a libc's headers
 * in some of its versions. */
#define CID_ANY 0xffffffffu

struct vsock_address {
	unsigned short family;
	unsigned short reserved;
	unsigned int port;
	unsigned int cid;
	unsigned char flags;
	unsigned char zero[3];
};

static enum outcome listening(struct text *reason, unsigned int port)
{
	struct vsock_address address = {
		.family = AF_VSOCK,
		.cid = CID_ANY,
		.port = port,
	};
	long fd = sys_socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), result;
	const char *call = "socket(AF_VSOCK)";

	result = fd;
	if (fd >= 0) {
		call = "bind";
		result = sys_bind(fd, &address, sizeof(address));
	}
	if (result >= 0 && fd >= 0) {
		call = "listen";
		result = sys_listen(fd, 128);
	}
	if (result < 0) {
		add_error(reason, call, result);
		return FAIL;
	}
	/* Left open, as the agent's is. */
	add(reason, "listening on vsock port ");
	add_number(reason, port);
	add(reason, "; no connection was tried, so no transport is proven");
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

/*
 * The agent's ttrpc sets SO_REUSEPORT on its listener and ends where it cannot. Kernels from 6.12.9
 * and 6.1.124 on take it on inet sockets only, and no option of theirs changes that: the agent has
 * to, so it is no failure of the kernel's.
 */
enum outcome check_vsock_reuseport(struct text *reason)
{
	int on = 1;
	long fd = sys_socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0) {
		add_error(reason, "socket(AF_VSOCK)", fd);
		return FAIL;
	}
	result = sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	sys_close(fd);
	if (result >= 0) {
		add(reason, "SO_REUSEPORT is taken");
		return PASS;
	}
	add_error(reason, "SO_REUSEPORT", result);
	if (result != -EOPNOTSUPP)
		return FAIL;
	add(reason, "; an agent that sets it on its vsock listener does not start on this kernel");
	return SKIP;
}
