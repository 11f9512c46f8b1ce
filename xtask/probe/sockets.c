/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of Kuasar's vmm/task/src/main.rs: 1024 serves ttrpc, 1025 the debug console. */
#include "checks.h"
#include "sys.h"

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
