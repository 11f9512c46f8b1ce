/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the kernel over netlink (Documentation/userspace-api/netlink/intro.rst). */
#ifndef PROBE_NETLINK_H
#define PROBE_NETLINK_H

#define AF_NETLINK 16
#define SOCK_RAW 3

/* Messages one after another; what does not fit spoils the request. */
struct request {
	unsigned int len;
	/* Where the message that is being written begins. */
	unsigned int message;
	char bytes[1024] __attribute__((aligned(4)));
};

/* Begins a message: `head` is the struct that follows struct nlmsghdr. */
void begin(struct request *request, int type, int flags, const void *head, unsigned int size);
void attribute(struct request *request, int type, const void *data, unsigned int size);
void attribute_text(struct request *request, int type, const char *text);
/* An attribute of attributes: what is added before `close_nest` is in it. */
unsigned int open_nest(struct request *request, int type);
void close_nest(struct request *request, unsigned int nest);

/* A socket that has a netlink address of its own, or -errno. */
long netlink_socket(int protocol, unsigned int groups);
/* Sends, and waits for the answer to the last message that wanted one: 0 or -errno. */
long ask(int fd, struct request *request);
/* Opens, asks, closes. */
long ask_once(int protocol, struct request *request);

#endif
