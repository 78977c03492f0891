/* SPDX-License-Identifier: MIT
 *
 * The device, as the engine process holds it: peers, their handshakes and timers, cookies and the
 * rate limiter. Fed with events and time, it answers with controls for the transport. It has no
 * session key after it emitted it, no endpoint, no long-term secret.
 */
#ifndef ADIT_CORE_DEVICE_H
#define ADIT_CORE_DEVICE_H

#include "core/exchange.h"
#include "core/noise.h"
#include "core/status.h"

struct device;

struct device_ops {
	/* A control for the transport; borrowed for the call, then wiped. */
	void (*emit)(void *ctx, const struct control *control);
	/* len cryptographically random bytes. */
	void (*random)(void *ctx, void *ret_bytes, size_t len);
	void *ctx;
	struct noise_keys keys;
};

/* The two clocks of an instant: boottime for durations, wall for TAI64N and display. */
struct device_time {
	uint64_t now_ns;
	uint64_t wall_ns;
};

/* A device without keys and peers, down. The page is borrowed. NULL: out of memory. */
struct device *device_new(const struct device_ops *ops, struct status_page *page);
void device_free(struct device *device);

/* The public key of the private key the vault now has; all zero: none. Handshakes in progress are
 * forgotten, current keypairs send no more, new handshakes may start at once. */
void device_set_public_key(struct device *device, const uint8_t public_key[KEY_LEN]);

/* Add a peer under a free number (< MAX_PEERS). Returns 0, -EEXIST (number or key) or -ENOMEM. */
MUST_CHECK int device_add_peer(
	struct device *device, uint32_t peer_id, const uint8_t public_key[KEY_LEN]);
void device_remove_peer(struct device *device, uint32_t peer_id);

/* Set the persistent keepalive interval in seconds; turned on while up, one is sent at once.
 * Returns 0 or -ENOENT. */
MUST_CHECK int device_set_keepalive(
	struct device *device, uint32_t peer_id, uint16_t interval_s, uint64_t now_ns);

/* The interface went up (keepalives start) or down (timers stop, keys are forgotten). */
void device_set_up(struct device *device, bool up, struct device_time time);

/* The machine slept: whatever keys there were are forgotten. */
void device_forget_sessions(struct device *device);

/* Whether an EVENT_HANDSHAKE_MESSAGE is worth its place in a queue: a cookie reply that answers
 * nothing of ours is not, and anybody could send it (it carries no mac1). */
MUST_CHECK bool device_expects(const struct device *device, const struct event *event);

/* Take in up to NOISE_MIXES_MAX EVENT_HANDSHAKE_MESSAGEs together, which costs less than one by
 * one. under_load: they arrive faster than they can be answered; those without a valid cookie get
 * one instead. Returns how many of them took arithmetic and led to nothing. */
unsigned device_handle_handshakes(struct device *device, const struct event *const *events,
	unsigned num, bool under_load, struct device_time time);

/* Take in any event of the transport. */
void device_handle_event(
	struct device *device, const struct event *event, bool under_load, struct device_time time);

/* Whether there is arithmetic that can be done before it is needed, and one piece of it: for when
 * there is nothing else to do. */
bool device_has_work_ahead(const struct device *device);
void device_work_ahead(struct device *device);

/* Run the timers that are due. */
void device_run_timers(struct device *device, struct device_time time);

/* When timers must be run next; 0: never. */
uint64_t device_next_deadline(const struct device *device);

#endif
