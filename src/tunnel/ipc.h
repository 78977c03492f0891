/* SPDX-License-Identifier: MIT
 *
 * Every message between the processes of a tunnel: fixed structs, one a packet of a
 * SOCK_SEQPACKET socketpair. Engine and datapath exchange struct control and struct event
 * (core/exchange.h); what monitor and vault say is here. A message of the wrong size or type, or
 * with a field out of range, means that the neighbour is compromised or broken: the receiver ends.
 * A peer in range that is not there is neither: what is said of one may come after its removal.
 *
 *   monitor -> vault     struct vault_request, each answered by a struct vault_reply
 *   engine  -> vault     struct vault_mixing, each answered by another
 *   monitor -> engine    struct request; REQUEST_SYNC is answered by a struct ack
 *   monitor -> datapath  struct request; REQUEST_SYNC, REQUEST_GET_PEER are answered
 *   datapath -> monitor  on a socket of their own: struct prefix, an address that packets want
 *   all     -> monitor   one struct ack when the process is in its sandbox and ready
 */
#ifndef ADIT_TUNNEL_IPC_H
#define ADIT_TUNNEL_IPC_H

#include "base/packet.h"
#include "core/exchange.h"
#include "core/noise.h"
#include "privsep/ipc.h"

enum vault_request_type {
	VAULT_SET_PRIVATE_KEY = 1, /* a -> reply a: the public key */
	VAULT_GET_PRIVATE_KEY,	   /* -> reply a */
	VAULT_ADD_PEER,		   /* peer_id, a: its public key */
	VAULT_REMOVE_PEER,	   /* peer_id */
	VAULT_SET_PSK,		   /* peer_id, a */
	VAULT_GET_PSK,		   /* peer_id -> reply a */
};

struct vault_request {
	uint32_t type;
	uint32_t peer_id;
	uint8_t a[KEY_LEN];
};
static_assert(sizeof(struct vault_request) == 40, "crosses processes");

/* So many requests may be under way at once; their answers fit the socket's buffer. */
enum { VAULT_WINDOW = 256 };

struct vault_reply {
	int32_t error; /* 0 or a negative errno; then the rest is zero */
	uint8_t a[KEY_LEN];
};
static_assert(sizeof(struct vault_reply) == 36, "crosses processes");

/* The same secret, mixed into num chaining keys; the answer is the same with the results in it. */
struct vault_mixing {
	uint32_t secret; /* enum noise_secret */
	uint32_t num;	 /* 1 to NOISE_MIXES_MAX */
	struct noise_mix mixes[NOISE_MIXES_MAX];
};
static_assert(sizeof(struct vault_mixing) == 1384, "crosses processes");

enum request_type {
	REQUEST_SYNC = 1,
	REQUEST_SET_PUBLIC_KEY, /* key; all zero: none */
	REQUEST_SET_LINK,	/* link */
	REQUEST_ADD_PEER,	/* peer_id; engine: key */
	REQUEST_REMOVE_PEER,	/* peer_id */
	REQUEST_SET_KEEPALIVE,	/* engine: peer_id, keepalive_s */
	/* the rest are the datapath's */
	REQUEST_SET_ENDPOINT,	   /* peer_id, endpoint */
	REQUEST_ADD_ALLOWED_IP,	   /* peer_id, prefix */
	REQUEST_REMOVE_ALLOWED_IP, /* peer_id, prefix */
	REQUEST_CLEAR_ALLOWED_IPS, /* peer_id */
	REQUEST_SET_SOCKETS,	   /* sockets, and as many descriptors, IPv4 first; for each lane */
	REQUEST_FORGET_SOURCES,
	REQUEST_FORGET_SOURCE, /* peer_id, endpoint: if that is what it still has */
	REQUEST_GET_PEER,      /* peer_id, cursor (0 at first) -> struct report */
	REQUEST_WATCH,	       /* watch: whether somebody does, for destinations without a peer */
	REQUEST_REFUSE,	       /* prefix: one that is to have none */
};

struct request {
	uint32_t type;
	uint32_t peer_id;
	union {
		uint8_t key[KEY_LEN];
		struct endpoint endpoint;
		struct prefix prefix;
		struct {
			uint32_t up; /* 0 or 1 */
			uint32_t mtu;
		} link;
		struct {
			uint32_t has_ipv4, has_ipv6; /* 0 or 1 */
			uint32_t
				lane; /* tunnel/worker.h; the first one first: it ends all before */
		} sockets;
		uint32_t keepalive_s;
		uint32_t cursor;
		uint32_t watch;
	};
};
static_assert(sizeof(struct request) == 52, "crosses processes");

MUST_CHECK static inline bool request_link_is_valid(const struct request *request)
{
	return request->link.up <= 1 && request->link.mtu <= PACKET_MAX;
}

struct ack {
	uint32_t type; /* REQUEST_SYNC; ACK_READY after start */
};
enum { ACK_READY = 1000 };

/* The answer to REQUEST_GET_PEER: a peer's endpoint, and its allowed IPs from the request's cursor.
 */
enum { REPORT_PREFIXES = 32 };
struct report {
	struct endpoint endpoint;
	uint32_t num_prefixes;
	uint32_t cursor; /* for the next request, if num_prefixes == REPORT_PREFIXES */
	struct prefix prefixes[REPORT_PREFIXES];
};
static_assert(sizeof(struct report) == 692, "crosses processes");

#endif
