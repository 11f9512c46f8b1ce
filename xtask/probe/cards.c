/* SPDX-License-Identifier: Apache-2.0 */
/* The network card of the sandbox, and a VLAN on it. */
#include "files.h"
#include "netlink.h"
#include "network.h"
#include "process.h"
#include "sys.h"

#include <asm/errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define NET "/sys/class/net"
#define VLAN_NAME "probe5"

struct card {
	char name[32];
	/* As in ".../drivers/virtio_net". */
	char driver[128];
	unsigned int index;
	int up;
};

static unsigned int number(const char *text, unsigned int base)
{
	unsigned int number = 0;

	for (; (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f'); text++)
		number = number * base + (*text <= '9' ? *text - '0' : *text - 'a' + 10);
	return number;
}

/* What /sys/class/net says of a device. */
static unsigned int property(const char *name, const char *what, unsigned int base)
{
	char path[96], text[32];

	JOIN(path, NET "/", name, "/", what);
	file_line(path, text, sizeof(text));
	/* After "0x", if it is there. */
	return number(text[0] == '0' && text[1] == 'x' ? text + 2 : text, base);
}

static int is_up(const char *name)
{
	return property(name, "flags", 16) & UP;
}

/* Only what has a driver is a card: lo and its kin have none. */
static long take_card(const char *name, void *argument)
{
	struct card *card = argument;
	char path[96];
	long got;

	JOIN(path, NET "/", name, "/device/driver");
	got = sys_readlink(path, card->driver, sizeof(card->driver) - 1);
	if (got < 0)
		return 0;
	card->driver[got] = 0;
	JOIN(card->name, name);
	card->index = property(name, "ifindex", 10);
	card->up = is_up(name);
	return 1;
}

static const char *last_part(const char *path)
{
	const char *last = path;

	for (; *path; path++)
		if (*path == '/')
			last = path + 1;
	return last;
}

/* The first card, set up: 0, or -errno with the reason said. */
static long first_card(struct text *reason, struct card *card)
{
	long result = each_name(NET, take_card, card);

	if (result <= 0) {
		add_error(reason, "a device with a driver in " NET, result ? result : -ENODEV);
		return result ? result : -ENODEV;
	}
	add(reason, card->name);
	add(reason, " of ");
	add(reason, last_part(card->driver));
	result = set_device(card->index, 1);
	if (result < 0 || !is_up(card->name)) {
		add_error(reason, " does not come up", result);
		return result ? result : -ENETDOWN;
	}
	return 0;
}

static void leave(const struct card *card)
{
	if (!card->up)
		set_device(card->index, 0);
}

enum outcome check_network_card(struct text *reason)
{
	struct card card = { 0 };

	if (first_card(reason, &card) < 0)
		return FAIL;
	leave(&card);
	add(reason, " comes up");
	return same(last_part(card.driver), "virtio_net") ? PASS : FAIL;
}

static long make_vlan(const struct card *card)
{
	struct ifinfomsg head = { 0 };
	struct request request = { 0 };
	unsigned short id = 5;
	unsigned int info, data;

	begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &head, sizeof(head));
	attribute_text(&request, IFLA_IFNAME, VLAN_NAME);
	attribute(&request, IFLA_LINK, &card->index, sizeof(card->index));
	info = open_nest(&request, IFLA_LINKINFO);
	attribute_text(&request, IFLA_INFO_KIND, "vlan");
	data = open_nest(&request, IFLA_INFO_DATA);
	attribute(&request, IFLA_VLAN_ID, &id, sizeof(id));
	close_nest(&request, data);
	close_nest(&request, info);
	return ask_once(NETLINK_ROUTE, &request);
}

static void remove_vlan(unsigned int index)
{
	struct ifinfomsg head = { .ifi_index = index };
	struct request request = { 0 };

	begin(&request, RTM_DELLINK, NLM_F_ACK, &head, sizeof(head));
	ask_once(NETLINK_ROUTE, &request);
}

enum outcome check_vlan(struct text *reason)
{
	struct card card = { 0 };
	unsigned int index = 0;
	int up = 0;
	long result;

	if (first_card(reason, &card) < 0)
		return FAIL;
	result = make_vlan(&card);
	add(reason, result < 0 ? ", " : ", VLAN 5 on it ");
	if (result < 0) {
		add_error(reason, "VLAN 5 on it", result);
	} else {
		index = property(VLAN_NAME, "ifindex", 10);
		result = set_device(index, 1);
		up = result >= 0 && is_up(VLAN_NAME);
		if (up)
			add(reason, "is up");
		else
			add_error(reason, "does not come up", result);
		remove_vlan(index);
	}
	leave(&card);
	return up ? PASS : FAIL;
}
