/* SPDX-License-Identifier: MIT
 *
 * The configuration of one device as a value: what a config file, the words of `adit set`, a
 * UAPI request and a UAPI reply all say. The text forms (file.h, uapi.h, arguments.h) read and
 * write this model and nothing else, so they cannot disagree.
 */
#ifndef ADIT_CONFIG_CONFIG_H
#define ADIT_CONFIG_CONFIG_H

#include <net/if.h>

#include "base/address.h"

enum config_device_flags {
	CONFIG_HAS_PRIVATE_KEY = 1 << 0, /* all zero with this flag: remove the key */
	CONFIG_HAS_LISTEN_PORT = 1 << 1,
	CONFIG_HAS_FWMARK = 1 << 2,
	CONFIG_REPLACE_PEERS = 1 << 3,
};

enum config_peer_flags {
	CONFIG_PEER_HAS_PRESHARED_KEY = 1 << 0, /* all zero with this flag: remove it */
	CONFIG_PEER_HAS_KEEPALIVE = 1 << 1,
	CONFIG_PEER_REPLACE_ALLOWED_IPS = 1 << 2,
	CONFIG_PEER_REMOVE = 1 << 3,
	CONFIG_PEER_UPDATE_ONLY = 1 << 4,
};

struct config_allowed_ip {
	struct prefix prefix;
	bool remove; /* take it from this peer instead of giving it */
};

struct config_peer {
	unsigned flags;
	uint8_t public_key[KEY_LEN];
	uint8_t preshared_key[KEY_LEN];
	struct endpoint endpoint;	       /* family 0: not given or not known */
	uint16_t keepalive_s;		       /* persistent keepalive in seconds, 0: off */
	struct config_allowed_ip *allowed_ips; /* owned */
	size_t num_allowed_ips, cap_allowed_ips;
	/* Only in what a device reports. */
	uint64_t last_handshake_s; /* unix time, 0: never */
	uint32_t last_handshake_ns;
	uint64_t rx_bytes, tx_bytes;
};

struct config_counter {
	char name[32]; /* [a-z0-9_] */
	uint64_t value;
};

struct config {
	char name[IFNAMSIZ]; /* may be empty */
	unsigned flags;
	uint8_t private_key[KEY_LEN];
	uint8_t public_key[KEY_LEN]; /* derived from private_key by whoever reads a reply */
	uint16_t listen_port;	     /* 0 with CONFIG_HAS_LISTEN_PORT: any */
	uint32_t fwmark;	     /* 0: off */
	struct config_peer *peers;   /* owned, in order of appearance */
	size_t num_peers, cap_peers;
	/* Only in what a device reports: packets dropped, by reason. Keys "drop_<name>" in UAPI. */
	struct config_counter *counters; /* owned */
	size_t num_counters, cap_counters;
};

/* Wipe and free everything; the struct is an empty config afterwards. An all-zero struct config
 * is a valid empty config. */
void config_deinit(struct config *config);

/* Append an empty peer and return it, or NULL when memory is out. The pointer is valid until the
 * next append. */
struct config_peer *config_add_peer(struct config *config);

/* Append an allowed IP. Returns 0 or -ENOMEM. */
MUST_CHECK int config_peer_add_allowed_ip(
	struct config_peer *peer, const struct prefix *prefix, bool remove);

/* Append a counter; name is copied, cut at 31 characters. Returns 0 or -ENOMEM. */
MUST_CHECK int config_add_counter(struct config *config, const char *name, uint64_t value);

#endif
