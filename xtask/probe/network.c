/* SPDX-License-Identifier: Apache-2.0 */
/* The agent sets up the guest's network over rtnetlink (Kuasar's vmm/task/src/netlink.rs). */
#include "network.h"

#include "netlink.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define PACKET_MS 2000

static const unsigned char OWN[4] = { 10, 213, 0, 1 };
static const unsigned char ROUTED[4] = { 10, 214, 0, 0 };

static enum outcome fail(struct text *reason, const char *what, long result)
{
	add_error(reason, what, result);
	return FAIL;
}

long set_device(unsigned int index, int up)
{
	struct ifinfomsg head = { .ifi_index = index, .ifi_flags = up ? UP : 0, .ifi_change = UP };
	struct request request = { 0 };

	begin(&request, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head));
	return ask_once(NETLINK_ROUTE, &request);
}

long packet_arrives(const struct address *to, unsigned int size, unsigned int ms,
		    const char **call)
{
	struct address any = { .family = to->family, .port = to->port };
	long in = sys_socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0), out = in, result = in;
	char got[8] = "";

	*call = "socket";
	if (in >= 0)
		result = out = sys_socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (out >= 0) {
		*call = "bind";
		result = sys_bind(in, &any, size);
	}
	if (result >= 0) {
		*call = "sendto";
		result = sys_send(out, "packet", 7, to, size);
	}
	if (result >= 0) {
		*call = "poll";
		result = readable(in, ms);
	}
	if (result > 0)
		result = sys_read(in, got, sizeof(got)) == 7 && same(got, "packet");
	if (out >= 0)
		sys_close(out);
	if (in >= 0)
		sys_close(in);
	return result;
}

static enum outcome over_loopback(struct text *reason, const struct address *to, unsigned int size,
				  const char *name)
{
	const char *call;
	long result = packet_arrives(to, size, PACKET_MS, &call);

	if (result < 0)
		return fail(reason, call, result);
	add(reason, "a packet to ");
	add(reason, name);
	add(reason, result ? " arrived" : " did not arrive");
	return result ? PASS : FAIL;
}

/* Adds or removes the address and the route: `type` and `flags` say which. */
static long change_address(int type, int flags)
{
	struct ifaddrmsg head = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = LOOPBACK };
	struct request request = { 0 };

	begin(&request, type, flags | NLM_F_ACK, &head, sizeof(head));
	attribute(&request, IFA_LOCAL, OWN, sizeof(OWN));
	attribute(&request, IFA_ADDRESS, OWN, sizeof(OWN));
	return ask_once(NETLINK_ROUTE, &request);
}

/* A route that says that the addresses are this machine's. */
static long change_route(int type, int flags)
{
	struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 24,
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_HOST,
		.rtm_type = RTN_LOCAL,
	};
	unsigned int device = LOOPBACK;
	struct request request = { 0 };

	begin(&request, type, flags | NLM_F_ACK, &head, sizeof(head));
	attribute(&request, RTA_DST, ROUTED, sizeof(ROUTED));
	attribute(&request, RTA_OIF, &device, sizeof(device));
	attribute(&request, RTA_PREFSRC, OWN, sizeof(OWN));
	return ask_once(NETLINK_ROUTE, &request);
}

enum outcome check_loopback_routes(struct text *reason)
{
	const struct address to = { AF_INET, PORT(7213), .v4 = { 10, 214, 0, 7 } };
	long result = set_device(LOOPBACK, 1);
	enum outcome outcome = FAIL;

	if (result < 0)
		return fail(reason, "lo up over rtnetlink", result);
	result = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	if (result < 0)
		return fail(reason, "address 10.213.0.1 on lo", result);
	result = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	if (result < 0)
		fail(reason, "route to 10.214.0.0/24", result);
	else
		outcome = over_loopback(reason, &to, SIZE_V4, "10.214.0.7, on a route of its own,");
	change_route(RTM_DELROUTE, 0);
	change_address(RTM_DELADDR, 0);
	return outcome;
}

enum outcome check_ipv6(struct text *reason)
{
	struct address to = { AF_INET6, PORT(7213), .v6 = { .host = { [15] = 1 } } };
	long result = set_device(LOOPBACK, 1);

	if (result < 0)
		return fail(reason, "lo up over rtnetlink", result);
	return over_loopback(reason, &to, SIZE_V6, "::1");
}

enum outcome check_sockets(struct text *reason)
{
	static const struct kind {
		const char *name;
		int family, type, protocol;
	} kinds[] = {
		{ "AF_INET stream", AF_INET, SOCK_STREAM, 0 },
		{ "AF_INET datagram", AF_INET, SOCK_DGRAM, 0 },
		/* ETH_P_ALL in the order of the wire. */
		{ "AF_PACKET", AF_PACKET, SOCK_RAW, PORT(3) },
	};
	unsigned int i;
	int ends[2];
	char got[4] = "";
	long result = sys_call(__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, (long)ends, 0);

	if (result < 0)
		return fail(reason, "AF_UNIX pair", result);
	sys_write(ends[0], "hi", 3);
	result = readable(ends[1], PACKET_MS);
	if (result > 0)
		result = sys_read(ends[1], got, sizeof(got));
	sys_close(ends[0]);
	sys_close(ends[1]);
	if (!same(got, "hi"))
		return fail(reason, "bytes through an AF_UNIX pair", result);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		result = sys_socket(kinds[i].family, kinds[i].type | SOCK_CLOEXEC, kinds[i].protocol);
		if (result < 0)
			return fail(reason, kinds[i].name, result);
		sys_close(result);
	}
	add(reason, "AF_UNIX passes bytes; AF_INET and AF_PACKET are there");
	return PASS;
}
