/* SPDX-License-Identifier: MIT
 *
 * What the files of a member share.
 *
 *   member.c         its life: enrolment, up, cut off, leaving; the clock
 *   member_hub.c     the stream, and requests to the hub
 *   member_peers.c   peers: configured, watched, forgotten
 *   member_report.c  what is kept on disk, what people are told
 */
#ifndef ADIT_OVERLAY_AGENT_MEMBER_INTERNAL_H
#define ADIT_OVERLAY_AGENT_MEMBER_INTERNAL_H

#include "base/clock.h"
#include "overlay/agent/member.h"
#include "overlay/agent/news.h"

/* What the hub said when we enrolled. */
struct node_info {
	int64_t id; /* 0: nothing yet */
	char name[NODE_NAME_MAX + 1];
	uint8_t hub_key[KEY_LEN];
	struct endpoint hub;	    /* its tunnel */
	uint16_t api_port;	    /* at the first of hub_addresses */
	struct prefix addresses[2]; /* ours, IPv4 and IPv6 */
	struct prefix hub_addresses[2];
};

struct member_peer {
	struct news_peer news;
	int64_t heard_ns;	  /* when the hub said so; before we started: may be negative */
	uint64_t active_ns;	  /* when it was last seen to be used */
	uint64_t rotate_until_ns; /* another endpoint is tried every 5 s until then */
	uint8_t candidate;	  /* the endpoint we last gave the tunnel */
	/* As the tunnel last said. */
	struct endpoint endpoint;
	int64_t handshake_s; /* unix time; 0: never */
	uint64_t rx_bytes, tx_bytes;
};

enum request_kind {
	REQUEST_CONNECT,
	REQUEST_READY,
	REQUEST_FORGET,
	REQUEST_ENDPOINTS,
	REQUEST_NAME,
	REQUEST_LEAVE
};

struct member_request {
	uint32_t id; /* 0: free */
	enum request_kind kind;
	struct prefix address; /* REQUEST_CONNECT */
	member_found *found;   /* REQUEST_NAME */
	void *found_ctx;
};

/* An address the hub does not let us reach, not to be asked about again so soon. */
struct member_refusal {
	struct prefix address;
	uint64_t until_ns;
};
enum { MEMBER_REFUSALS = 8, MEMBER_REQUESTS_MAX = 64 };

struct member {
	struct member_settings settings;
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	const struct member_ops *ops;
	void *ctx;
	enum member_state state;
	enum news_state cut_off_by; /* MEMBER_CUT_OFF: NEWS_REVOKED or NEWS_REMOVED */
	struct node_info node;
	uint64_t scheduled_ns; /* as ops was last told */

	/* enrolment */
	struct enrol_initiator initiator;
	uint64_t enrol_ns; /* next try; 0: none */
	unsigned enrol_tries;
	uint64_t since_ns; /* when the first try was, or when the stream ended */

	/* tunnel */
	bool is_up, has_filter;
	uint16_t listen_port; /* 0: not known yet */
	uint64_t up_ns;	      /* next try; 0: none */
	unsigned up_tries;
	int up_error, filter_error;

	/* stream */
	enum { STREAM_DOWN, STREAM_OPENING, STREAM_UP } stream;
	uint64_t stream_ns; /* when to open it, or to give it up; 0: never */
	unsigned stream_tries;
	char stream_error[64];
	bool is_known; /* the hub has said hello: others can ask for us; or it had, before we
			  started */
	uint64_t seq;
	int64_t heard_ns; /* when the hub last said anything; INT64_MIN: never */
	int64_t expires_s;
	uint64_t endpoints_ns; /* when to report our endpoints; 0: not */

	struct member_request *requests; /* owned */
	unsigned num_requests;
	uint32_t last_request;
	struct member_refusal refusals[MEMBER_REFUSALS];
	unsigned next_refusal;

	struct member_peer *peers; /* owned */
	unsigned num_peers, cap_peers;
	uint64_t look_ns; /* at the tunnel; 0: not */

	uint64_t save_ns; /* 0: nothing to be saved */
	int save_error;
	uint64_t leave_ns; /* MEMBER_LEAVING: the hub has time until then */
};

/* min_ns, doubled with each try, at most max_ns; then a quarter more or less. */
uint64_t member_backoff(struct member *member, unsigned tries, uint64_t min_ns, uint64_t max_ns);

/* Tell ops when member_tick is due, if that changed: last thing whenever something came in. */
void member_reschedule(struct member *member);

/* Something that is kept has changed. */
void member_touch(struct member *member, uint64_t now_ns);

/* The hub says that we are not active: act accordingly. */
void member_lose(struct member *member, uint64_t now_ns, enum news_state state);

/* Begin to enrol at a time. */
void member_enrol_at(struct member *member, uint64_t at_ns);

/* The tunnel does not take what it is told: make it anew. */
void member_tunnel_failed(struct member *member, uint64_t now_ns, int error);

/* member_hub.c */
void member_hub_open(struct member *member, uint64_t now_ns);
void member_hub_close(struct member *member);
void member_hub_tick(struct member *member, uint64_t now_ns);
int member_request(struct member *member, const struct member_request *request, const char *method,
	const char *path, const char *body);
/* Ask the hub for the peer at an address. */
void member_ask_for(struct member *member, const struct prefix *address);
/* Forget what was asked; who waits is told so. */
void member_drop_requests(struct member *member);

/* member_peers.c */
/* Configure a peer, or change it; takes over what news owns. If it asks for us a session is begun.
 */
void member_put_peer(
	struct member *member, uint64_t now_ns, struct news_peer *news, bool begins_session);
void member_remove_peer(struct member *member, uint64_t now_ns, int64_t id);
/* All of them, without a word to the tunnel. */
void member_forget_peers(struct member *member);
/* A place for one more, zeroed; NULL: memory is out. */
struct member_peer *member_append_peer(struct member *member);
/* Append them all, as known, to what the tunnel is to be told, and set the filter. */
int member_describe_peers(struct member *member, struct config *config);
int member_set_filter(struct member *member, const struct member_peer *peer);
/* They were all configured just now. */
void member_watch_peers(struct member *member, uint64_t now_ns);
/* Ask the tunnel how they are; the second: if it is up. */
void member_take_status(struct member *member, uint64_t now_ns);
void member_look(struct member *member, uint64_t now_ns);
void member_peers_tick(struct member *member, uint64_t now_ns);
struct member_peer *member_find_peer(struct member *member, int64_t id);

/* Whether an address is of this network, and neither our own nor the hub's. */
bool member_owns_address(const struct member *member, const struct prefix *address);

#endif
