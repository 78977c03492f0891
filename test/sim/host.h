/* SPDX-License-Identifier: MIT
 *
 * A simulated host: keyring, device, transport and status page, wired as vault, engine, datapath
 * and monitor are, with the queues between them.
 */
#ifndef ADIT_SIM_HOST_H
#define ADIT_SIM_HOST_H

#include "base/map.h"
#include "core/device.h"
#include "core/keyring.h"
#include "core/transport.h"
#include "memory.h"
#include "secrets.h"
#include "world.h"

enum {
	HOSTS_MAX = 64,
	DATAGRAM_MAX = 2048,
	SIM_MTU = 1420,
	INBOX_MAX = 1024,
	OUTBOX_MAX = 1024,
};

struct host;

/* A keypair as a host installed it; they stay until the run ends, for what comes late. */
struct session {
	struct session *next; /* of the host */
	struct host *host, *other;
	uint32_t local_index, remote_index;
	bool is_initiator;
	bool is_gone; /* the host has disposed of it, at: */
	uint64_t gone_ns;
	bool was_used; /* genuine data came with it */
	uint64_t birth_ns;
	uint64_t next_counter; /* that may be seen on the wire */
	uint8_t sending_key[KEY_LEN], receiving_key[KEY_LEN];
	/* What it was made with. */
	uint8_t public_key[KEY_LEN], other_public_key[KEY_LEN], psk[KEY_LEN];
	struct map accepted; /* counters */
};

/* What a host knows another by. */
struct acquaintance {
	bool is_peer;
	uint8_t public_key[KEY_LEN]; /* the other's, as it was when it became a peer */
	uint8_t psk[KEY_LEN];
	uint64_t last_initiation_ns, last_response_ns; /* sent; 0: another may go at once */
	bool has_initiated;			       /* since it is a peer */
	uint64_t last_consumed;	  /* id of the initiation that was answered last */
	uint64_t last_cookie;	  /* and of the cookie reply that was taken in last */
	uint64_t last_derived_ns; /* a session */
	uint16_t keepalive_s;
};

/* An event on its way to the engine, with what only the simulator knows of it. */
struct notice {
	struct event event;
	uint64_t id; /* of the datagram, if it is genuine; else 0 */
	struct host *from;
	bool has_stolen_cookie;
};

struct host {
	unsigned number;
	const char *name;
	bool is_running, is_asleep, is_up;
	bool is_anchor;		 /* its address is known to all and never changes */
	bool is_hostile;	 /* an insider: what it sends besides is insider.c's */
	struct nat *nat;	 /* it is behind; NULL: none */
	struct endpoint address; /* its own; behind a NAT nobody else's business */
	uint8_t inner[4];
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	struct acquaintance others[HOSTS_MAX]; /* by number */

	struct keyring *keyring;
	struct device *device;
	struct transport *transport;
	struct transport_worker *workers[2];
	struct status_page *page;
	struct memory memory;
	struct secrets secrets;
	struct session *sessions; /* the newest first */

	/* Its clocks: boottime began here, and the wall clock is ahead by so much. */
	uint64_t boot_ns;
	int64_t wall_ahead_ns, wall_ahead_max_ns;
	uint64_t random;      /* state of its random source */
	bool has_few_indices; /* it says the same four bytes again and again */
	bool has_two_workers;
	uint64_t armed_ns; /* when its timers are looked at next; 0: never */
	uint64_t asleep_since_ns;

	/* Between its processes. */
	uint64_t ipc_delay_ns;
	struct notice inbox[INBOX_MAX];	    /* to the engine */
	unsigned num_inbox, num_handshakes; /* the latter are bounded: */
	unsigned max_handshakes, under_load_at;
	struct control outbox[OUTBOX_MAX]; /* to the datapath */
	unsigned num_outbox;
	bool engine_is_due, datapath_is_due;
	uint64_t under_load_until_ns;
	/* What happens when it has sent so many handshake messages more; 0: nothing. */
	void (*crash)(void *ctx, uint64_t arg);
	uint64_t crash_at_message;

	/* What is at work at this moment. */
	const struct datagram *receiving;
	const struct notice *handling;
	unsigned num_handling;
	bool is_under_load;  /* while it handles them */
	unsigned num_unsaid; /* receiver indices that are free, which the device has yet to learn */
	unsigned in_transport;
	uint64_t num_sent, num_delivered;
};

extern struct host hosts[HOSTS_MAX];
extern unsigned num_hosts;

/* A host that is off; its memory and clock are drawn by chance. */
struct host *host_new(void);

/* Switch it on, from nothing but its settings; and off, as a crash does. */
void host_start(struct host *host);
void host_stop(struct host *host);

/* Boottime and wall clock. */
struct device_time host_time(const struct host *host);

/* The number under which a host knows another, and back; NULL: nobody. */
uint32_t host_peer_id(const struct host *host, const struct host *other);
struct host *host_by_peer_id(const struct host *host, uint32_t peer_id);

/* Settings, as the monitor sets them: an endpoint is given if the other has one that lasts. */
void host_add_peer(struct host *host, struct host *other);
void host_remove_peer(struct host *host, struct host *other);
void host_set_psk(struct host *host, struct host *other, const uint8_t psk[KEY_LEN]);
void host_set_private_key(struct host *host, const uint8_t private_key[KEY_LEN]);
void host_set_keepalive(struct host *host, struct host *other, uint16_t interval_s);
void host_set_up(struct host *host, bool up);

/* The machine sleeps, and wakes up. */
void host_sleep(struct host *host);
void host_wake(struct host *host);

/* Inner packets from its TUN device; a datagram from the network. */
void host_send(struct host *host, struct batch *packets);
void host_receive(struct host *host, const struct datagram *datagram);

/* The session with this key, as the one who sends with it installed it; NULL: none. */
struct session *session_by_sending_key(const uint8_t key[KEY_LEN]);

/* The session of a host that receives with this key; NULL: none. */
struct session *session_by_receiving_key(struct host *host, const uint8_t key[KEY_LEN]);

#endif
