/* SPDX-License-Identifier: MIT
 *
 * A membership: one node in one network, from the join link to the peers it talks to. A state
 * machine without system calls: time, datagrams, answers, lines and events come in; what is to be
 * done goes out through an ops table. The agent has one for each of its networks, the swarm
 * benchmark thousands in one process.
 *
 * Functions that take now_ns (CLOCK_BOOTTIME) may call ops; ops must not call back.
 */
#ifndef ADIT_OVERLAY_AGENT_MEMBER_H
#define ADIT_OVERLAY_AGENT_MEMBER_H

#include <jansson.h>

#include "base/text.h"
#include "config/config.h"
#include "overlay/policy/policy.h"
#include "overlay/wire/enrol.h"
#include "overlay/wire/link.h"

enum { MEMBER_ENDPOINTS_MAX = 8 }; /* that a node may report */

/* What a membership is told by people. Holds a secret: to be wiped. */
struct member_settings {
	struct join_link link;	      /* join_key all zero: none, or not needed any more */
	bool is_configured;	      /* by a file: its join key may be used at any time */
	char name[NODE_NAME_MAX + 1]; /* that it would like to have */
	char ifname[IFNAMSIZ];
	struct endpoint endpoint; /* where it can be reached besides; family 0: nowhere */
	uint16_t keepalive_s;	  /* to the hub; 0: off */
};

/* What a member does to the world. Those that return int: 0 or a negative errno. */
struct member_ops {
	void (*random)(void *ctx, void *ret_bytes, size_t len);
	int64_t (*wall_s)(void *ctx); /* unix time; may be wrong, and jump */
	/* Call member_tick at this time, and not at the one said before; 0: not at all. */
	void (*schedule)(void *ctx, uint64_t deadline_ns);

	/* Send to all addresses of the hub's door; answers go to member_enrol_datagram. */
	void (*send_enrol)(void *ctx, const struct message_enrol *message);
	void (*end_enrol)(void *ctx); /* no more answers are expected for now */

	/* Make the interface; -EBUSY: its name is taken. It may be there, from our earlier life. */
	int (*open_tunnel)(void *ctx, const char *ifname);
	void (*close_tunnel)(void *ctx);
	int (*set_tunnel)(void *ctx, const struct config *config);
	int (*get_tunnel)(void *ctx, struct config *ret_config); /* to be deinitialised */
	int (*set_address)(void *ctx, const struct prefix *address, bool is_there); /* ours */
	void (*refuse)(void *ctx, const struct prefix *address); /* unreachable, prohibited */

	/* The policy at its destination: see overlay/filter/filter.h. */
	int (*open_filter)(
		void *ctx, const char *ifname, const struct prefix *hubs, unsigned num_hubs);
	void (*close_filter)(void *ctx);
	int (*set_filter)(void *ctx, int64_t peer_id, const struct prefix *addresses,
		unsigned num_addresses, const struct policy_allowance *allowances,
		unsigned num_allowances);
	void (*remove_filter)(void *ctx, int64_t peer_id);

	/* Own addresses outside the tunnel, the likeliest first; their ports are ignored. */
	unsigned (*endpoints)(void *ctx, struct endpoint ret_endpoints[MEMBER_ENDPOINTS_MAX]);

	/* Ask the hub's API at api (its answer: member_answered), or open the stream
	 * (member_stream_line, member_stream_ended), or close it without a word. body NULL: none.
	 */
	int (*request)(void *ctx, uint32_t id, const char *method, const struct endpoint *api,
		const char *path, const char *body);
	int (*open_stream)(void *ctx, const struct endpoint *api, const char *path);
	void (*close_stream)(void *ctx);

	int (*save)(void *ctx);	 /* member_save, to disk */
	void (*left)(void *ctx); /* the member has left its network: to be freed, later */
};

struct member;

/* All is copied; ops is borrowed. NULL: out of memory. */
struct member *member_new(const struct member_settings *settings,
	const uint8_t private_key[KEY_LEN], const struct member_ops *ops, void *ctx);
/* Ends nothing that lives outside: tunnels go on. Who waits for an answer is told. Takes NULL. */
void member_free(struct member *member);

/* What is kept on disk (NULL: out of memory): what is known, and apart from it, because it changes
 * so rarely, what people have said. Reading it back, before member_start: what was kept of another
 * hub is ignored. Return 0 or -EBADMSG: then nothing was loaded. */
json_t *member_save(const struct member *member, uint64_t now_ns);
MUST_CHECK int member_load(struct member *member, const json_t *json, uint64_t now_ns);
json_t *member_settings_save(const struct member_settings *settings);
MUST_CHECK int member_settings_load(struct member_settings *ret_settings, const json_t *json);

/* Life: with what was loaded if there is something, else by enrolling. */
void member_start(struct member *member, uint64_t now_ns);
void member_tick(struct member *member, uint64_t now_ns);
/* Tell the hub, and undo everything; ops->left comes within two seconds, perhaps at once. */
void member_leave(struct member *member, uint64_t now_ns);

/* What comes from outside. */
void member_enrol_datagram(struct member *member, uint64_t now_ns, const struct endpoint *from,
	const void *data, size_t len);
void member_answered(struct member *member, uint64_t now_ns, uint32_t id, int status,
	const char *body, size_t len); /* status is as http_done has it */
void member_stream_line(struct member *member, uint64_t now_ns, const char *line, size_t len);
void member_stream_ended(
	struct member *member, uint64_t now_ns, int status, const char *body, size_t len);
void member_wanted(struct member *member, uint64_t now_ns, const struct prefix *address);
void member_tunnel_died(struct member *member, uint64_t now_ns);
void member_addresses_changed(struct member *member, uint64_t now_ns);

/* Ask the hub for a node by name; the answer comes once: its addresses, or none with a sentence. */
typedef void member_found(
	void *ctx, const struct prefix *addresses, unsigned num, const char *error);
void member_find(
	struct member *member, uint64_t now_ns, const char *name, member_found *found, void *ctx);

/* Whether there is a session with the peer of this name; looks at the tunnel. */
bool member_has_session(struct member *member, uint64_t now_ns, const char *name);

enum member_state {
	MEMBER_ENROLLING, /* nobody has answered yet */
	MEMBER_PENDING,	  /* waits for approval */
	MEMBER_EXPIRED,	  /* waits for renewal */
	MEMBER_CUT_OFF,	  /* revoked or removed */
	MEMBER_ACTIVE,
	MEMBER_LEAVING,
};
enum member_state member_state(const struct member *member);
/* MEMBER_ACTIVE, its interface is up with its addresses, and others can ask the hub for it. */
bool member_is_usable(const struct member *member);
/* Its interface's name is another's: nothing comes of waiting. */
bool member_lacks_interface(const struct member *member);
const struct member_settings *member_settings(const struct member *member);

/* For people: a sentence about where it stands; a block with all there is; the same as JSON. */
void member_describe(const struct member *member, struct text *text);
void member_write_status(struct member *member, uint64_t now_ns, struct text *text);
json_t *member_status(struct member *member, uint64_t now_ns);

#endif
