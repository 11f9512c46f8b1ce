/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink.h"

#include "files.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/netlink.h>

#define ANSWER_MS 5000

static void *space(struct request *request, unsigned int size)
{
	void *at = request->bytes + request->len;
	struct nlmsghdr *message = (struct nlmsghdr *)(request->bytes + request->message);

	size = NLMSG_ALIGN(size);
	if (request->len + size > sizeof(request->bytes))
		return 0;
	memset(at, 0, size);
	request->len += size;
	message->nlmsg_len = request->len - request->message;
	return at;
}

void begin(struct request *request, int type, int flags, const void *head, unsigned int size)
{
	struct nlmsghdr *message;
	void *at;

	request->message = request->len;
	message = space(request, sizeof(*message));
	at = message ? space(request, size) : 0;
	if (!at)
		return;
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(at, head, size);
}

void attribute(struct request *request, int type, const void *data, unsigned int size)
{
	struct nlattr *head = space(request, NLA_HDRLEN + size);

	if (!head)
		return;
	head->nla_type = type;
	head->nla_len = NLA_HDRLEN + size;
	memcpy(head + 1, data, size);
}

void attribute_text(struct request *request, int type, const char *text)
{
	attribute(request, type, text, length(text) + 1);
}

unsigned int open_nest(struct request *request, int type)
{
	unsigned int nest = request->len;

	attribute(request, type | NLA_F_NESTED, 0, 0);
	return nest;
}

void close_nest(struct request *request, unsigned int nest)
{
	((struct nlattr *)(request->bytes + nest))->nla_len = request->len - nest;
}

long netlink_socket(int protocol, unsigned int groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	long fd = sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), result;

	if (fd < 0)
		return fd;
	result = sys_bind(fd, &address, sizeof(address));
	if (result >= 0)
		return fd;
	sys_close(fd);
	return result;
}

long ask(int fd, struct request *request)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[1024];
	} answer;
	long result = sys_send(fd, request->bytes, request->len, &kernel, sizeof(kernel));

	if (result < 0)
		return result;
	do {
		result = readable(fd, ANSWER_MS);
		if (result <= 0)
			return result ? result : -ETIMEDOUT;
		result = sys_read(fd, &answer, sizeof(answer));
		if (result < 0)
			return result;
	} while (answer.head.nlmsg_type != NLMSG_ERROR);
	return answer.error.error;
}

long ask_once(int protocol, struct request *request)
{
	long fd = netlink_socket(protocol, 0), result;

	if (fd < 0)
		return fd;
	result = ask(fd, request);
	sys_close(fd);
	return result;
}
