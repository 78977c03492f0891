/* SPDX-License-Identifier: MIT
 *
 * libnftables and its events. The library reports errors as text alone.
 */
#include "overlay/filter/nft.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

static int error_from_text(const char *text)
{
	static const int errors[] = {EPERM, EOPNOTSUPP, ENOMEM};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (strstr(text, strerror(errors[i])))
			return -errors[i];
	}
	return -EIO;
}

int nft_run(const char *script, char **ret_text)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *text;
	int r = -ENOMEM;

	*ret_text = NULL;
	if (!ctx)
		return -ENOMEM;
	if (nft_ctx_buffer_output(ctx) == 0 && nft_ctx_buffer_error(ctx) == 0) {
		r = nft_run_cmd_from_buffer(ctx, script);
		text = r == 0 ? nft_ctx_get_output_buffer(ctx) : nft_ctx_get_error_buffer(ctx);
		if (r != 0)
			r = error_from_text(text);
		*ret_text = strdup(text);
	}
	nft_ctx_free(ctx);
	return r;
}

int nft_watch(void)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1)};
	int r, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* A table's name: NFTA_TABLE_NAME and its like in the other messages have one number. */
static int find_table(const struct nlattr *attribute, void *ret_name)
{
	if (mnl_attr_get_type(attribute) != NFTA_TABLE_NAME ||
		mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	*(const char **)ret_name = mnl_attr_get_str(attribute);
	return MNL_CB_STOP;
}

static bool removes_from(const struct nlmsghdr *message, const char *table)
{
	const char *name = NULL;

	switch (message->nlmsg_type) {
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELCHAIN:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSET:
		break;
	default:
		return false;
	}
	return mnl_attr_parse(message, sizeof(struct nfgenmsg), find_table, &name) >= 0 && name &&
	       strcmp(name, table) == 0;
}

bool nft_is_changed(int fd, const char *table)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	bool is_changed = false;

	for (;;) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);
		const struct nlmsghdr *message = (const void *)buf;
		int rest = (int)len;

		if (len < 0 && errno == ENOBUFS) /* some were lost */
			is_changed = true;
		else if (len <= 0)
			return is_changed;
		for (; len > 0 && mnl_nlmsg_ok(message, rest);
			message = mnl_nlmsg_next(message, &rest))
			is_changed |= removes_from(message, table);
	}
}
