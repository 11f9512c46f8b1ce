/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NETWORK_H
#define PROBE_NETWORK_H

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_PACKET 17
#define SOCK_DGRAM 2

/* The loopback device's index in every network namespace (include/net/flow.h). */
#define LOOPBACK 1

/* IFF_UP of linux/if.h, which wants a libc's headers. */
#define UP 1

/* A number in the order of the wire. */
#define PORT(n) ((unsigned short)((n) >> 8 | (n) << 8))

/* struct sockaddr_in and sockaddr_in6: linux/in.h and in6.h want a libc's headers too. */
struct address {
	unsigned short family;
	unsigned short port;
	union {
		unsigned char v4[4];
		struct {
			unsigned int flow;
			unsigned char host[16];
			unsigned int scope;
		} v6;
	};
};

#define SIZE_V4 16
#define SIZE_V6 28

/* Sets a device up or down: 0 or -errno. */
long set_device(unsigned int index, int up);

/* Sends a UDP packet to `to`, where a socket is bound to its port. 1 if it arrives within `ms`, 0 if
 * not, or -errno of the call that `call` then names. */
long packet_arrives(const struct address *to, unsigned int size, unsigned int ms,
		    const char **call);

#endif
