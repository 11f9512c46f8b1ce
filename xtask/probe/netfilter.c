/* SPDX-License-Identifier: Apache-2.0 */
/* One rule of nftables, in a network namespace that goes with it. */
#include "netlink.h"
#include "network.h"
#include "process.h"
#include "sys.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sched.h>

/* NFPROTO_IPV4, NF_INET_LOCAL_IN and NF_DROP: linux/netfilter.h wants a libc's headers. */
#define FAMILY_IPV4 2
#define HOOK_LOCAL_IN 1
#define DROP 0

#define ARRIVES_MS 2000
/* Over lo a packet is there when it has been sent. */
#define DROPPED_MS 300

#define TYPE(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

static const struct nfgenmsg HEAD = { .nfgen_family = FAMILY_IPV4, .version = NFNETLINK_V0 };

/* Numbers in nftables are in the order of the wire. */
static void attribute_number(struct request *request, int type, unsigned int number)
{
	unsigned int wire = __builtin_bswap32(number);

	attribute(request, type, &wire, sizeof(wire));
}

static void edge_of_batch(struct request *request, int type)
{
	struct nfgenmsg head = HEAD;

	head.nfgen_family = 0;
	head.res_id = NFNL_SUBSYS_NFTABLES << 8;
	begin(request, type, 0, &head, sizeof(head));
}

static void table_and_chain(struct request *request)
{
	unsigned int hook;

	begin(request, TYPE(NFT_MSG_NEWTABLE), NLM_F_CREATE, &HEAD, sizeof(HEAD));
	attribute_text(request, NFTA_TABLE_NAME, "probe");
	begin(request, TYPE(NFT_MSG_NEWCHAIN), NLM_F_CREATE, &HEAD, sizeof(HEAD));
	attribute_text(request, NFTA_CHAIN_TABLE, "probe");
	attribute_text(request, NFTA_CHAIN_NAME, "in");
	attribute_text(request, NFTA_CHAIN_TYPE, "filter");
	hook = open_nest(request, NFTA_CHAIN_HOOK);
	attribute_number(request, NFTA_HOOK_HOOKNUM, HOOK_LOCAL_IN);
	attribute_number(request, NFTA_HOOK_PRIORITY, 0);
	close_nest(request, hook);
}

/* `immediate`, the one expression that is always there, with the verdict. */
static void rule_that_drops(struct request *request)
{
	unsigned int list, element, data, value, verdict;

	begin(request, TYPE(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, &HEAD,
	      sizeof(HEAD));
	attribute_text(request, NFTA_RULE_TABLE, "probe");
	attribute_text(request, NFTA_RULE_CHAIN, "in");
	list = open_nest(request, NFTA_RULE_EXPRESSIONS);
	element = open_nest(request, NFTA_LIST_ELEM);
	attribute_text(request, NFTA_EXPR_NAME, "immediate");
	data = open_nest(request, NFTA_EXPR_DATA);
	attribute_number(request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	value = open_nest(request, NFTA_IMMEDIATE_DATA);
	verdict = open_nest(request, NFTA_DATA_VERDICT);
	attribute_number(request, NFTA_VERDICT_CODE, DROP);
	close_nest(request, verdict);
	close_nest(request, value);
	close_nest(request, data);
	close_nest(request, element);
	close_nest(request, list);
}

static enum outcome filtering(struct text *reason)
{
	const struct address lo = { AF_INET, PORT(7213), .v4 = { 127, 0, 0, 1 } };
	struct request request = { 0 };
	const char *call = "network namespace";
	long result = sys_unshare(CLONE_NEWNET);

	if (result >= 0) {
		call = "lo up";
		result = set_device(LOOPBACK, 1);
	}
	if (result >= 0)
		result = packet_arrives(&lo, SIZE_V4, ARRIVES_MS, &call);
	if (result <= 0) {
		add_error(reason, "without any rule, a packet did not arrive", result);
		add(reason, " in ");
		add(reason, call);
		return FAIL;
	}
	edge_of_batch(&request, NFNL_MSG_BATCH_BEGIN);
	table_and_chain(&request);
	rule_that_drops(&request);
	edge_of_batch(&request, NFNL_MSG_BATCH_END);
	result = ask_once(NETLINK_NETFILTER, &request);
	if (result < 0) {
		add_error(reason, "a rule of nftables", result);
		return FAIL;
	}
	result = packet_arrives(&lo, SIZE_V4, DROPPED_MS, &call);
	add(reason, "a packet that arrived before the rule was ");
	add(reason, result ? "not dropped by it" : "dropped by it");
	return result ? FAIL : PASS;
}

enum outcome check_netfilter(struct text *reason)
{
	return apart(filtering, reason);
}
