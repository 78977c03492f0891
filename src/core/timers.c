/* SPDX-License-Identifier: MIT
 *
 * The five timers. send_keepalive and new_handshake are not deadlines that every packet moves, but
 * facts with a date that are looked at again at least every KEEPALIVE_TIMEOUT: no fact noted after
 * a look can fall due before the next one.
 */
#include "core/timers.h"

#define NEW_HANDSHAKE_TIMEOUT_NS (KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS)
#define ZERO_KEYS_TIMEOUT_NS (3 * REJECT_AFTER_TIME_NS)

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns != 0 && (b_ns == 0 || a_ns < b_ns) ? a_ns : b_ns;
}

static bool is_due(uint64_t deadline_ns, uint64_t now_ns)
{
	return deadline_ns != 0 && deadline_ns <= now_ns;
}

/* When a fact falls due; its date is the datapath's word, and no later than now. */
static uint64_t fact_deadline(_Atomic uint64_t *fact_ns, uint64_t timeout_ns, uint64_t now_ns)
{
	uint64_t since_ns = atomic_load(fact_ns);

	if (since_ns == 0)
		return 0;
	return (since_ns < now_ns ? since_ns : now_ns) + timeout_ns;
}

static unsigned look(struct timers *t, struct peer_status *status, uint64_t now_ns)
{
	uint64_t keepalive_ns = fact_deadline(&status->unacked_ns, KEEPALIVE_TIMEOUT_NS, now_ns);
	uint64_t handshake_ns = fact_deadline(&status->unanswered_ns,
		NEW_HANDSHAKE_TIMEOUT_NS + t->new_handshake_jitter_ns, now_ns);
	unsigned expired = 0;

	if (is_due(keepalive_ns, now_ns)) {
		/* What is sent now cancels this; if nothing can be sent it stays pending. */
		bool again = atomic_exchange(&status->need_another, 0);

		atomic_store(&status->unacked_ns, again ? now_ns : 0);
		keepalive_ns = 0;
		expired |= TIMER_SEND_KEEPALIVE;
	}
	if (is_due(handshake_ns, now_ns)) {
		atomic_store(&status->unanswered_ns, 0);
		handshake_ns = 0;
		expired |= TIMER_NEW_HANDSHAKE;
	}
	t->look_ns = earlier(earlier(keepalive_ns, handshake_ns), now_ns + KEEPALIVE_TIMEOUT_NS);
	return expired;
}

static bool has_facts(struct peer_status *status)
{
	return atomic_load(&status->unacked_ns) || atomic_load(&status->unanswered_ns);
}

void timers_watch(struct timers *t, struct peer_status *status, uint64_t jitter_ns, uint64_t now_ns)
{
	t->new_handshake_jitter_ns = jitter_ns;
	t->look_ns = earlier(fact_deadline(&status->unacked_ns, KEEPALIVE_TIMEOUT_NS, now_ns),
		fact_deadline(
			&status->unanswered_ns, NEW_HANDSHAKE_TIMEOUT_NS + jitter_ns, now_ns));
	t->look_ns = earlier(t->look_ns, now_ns + KEEPALIVE_TIMEOUT_NS);
}

void timers_initiation_sent(struct timers *t, uint64_t jitter_ns, uint64_t now_ns)
{
	t->retransmit_ns = now_ns + REKEY_TIMEOUT_NS + jitter_ns;
}

void timers_handshake_complete(struct timers *t)
{
	t->retransmit_ns = 0;
	t->attempts = 0;
}

void timers_session_derived(struct timers *t, uint64_t now_ns)
{
	t->zero_keys_ns = now_ns + ZERO_KEYS_TIMEOUT_NS;
}

void timers_handshake_given_up(struct timers *t, struct peer_status *status, uint64_t now_ns)
{
	atomic_store(&status->unacked_ns, 0);
	if (t->zero_keys_ns == 0)
		t->zero_keys_ns = now_ns + ZERO_KEYS_TIMEOUT_NS;
}

void timers_start(struct timers *t, uint64_t now_ns)
{
	t->persistent_keepalive_ns =
		t->persistent_keepalive_s ? now_ns + t->persistent_keepalive_s * SECOND_NS : 0;
}

void timers_stop(struct timers *t, struct peer_status *status)
{
	*t = (struct timers){.persistent_keepalive_s = t->persistent_keepalive_s};
	atomic_store(&status->unacked_ns, 0);
	atomic_store(&status->unanswered_ns, 0);
	atomic_store(&status->need_another, 0);
	atomic_store(&status->watched, 0);
}

/* Any authenticated packet, either way, starts the interval anew. */
static bool persistent_keepalive_expires(
	struct timers *t, struct peer_status *status, uint64_t now_ns)
{
	uint64_t interval_ns = t->persistent_keepalive_s * SECOND_NS;
	uint64_t rx_ns = atomic_load(&status->last_rx_ns), tx_ns = atomic_load(&status->last_tx_ns);
	uint64_t last_ns = rx_ns > tx_ns ? rx_ns : tx_ns;

	if (last_ns > now_ns)
		last_ns = now_ns;
	if (last_ns + interval_ns > now_ns) {
		t->persistent_keepalive_ns = last_ns + interval_ns;
		return false;
	}
	t->persistent_keepalive_ns = now_ns + interval_ns;
	return true;
}

unsigned timers_expire(struct timers *t, struct peer_status *status, uint64_t now_ns)
{
	unsigned expired = 0;

	if (is_due(t->retransmit_ns, now_ns)) {
		t->retransmit_ns = 0;
		expired |= TIMER_RETRANSMIT;
	}
	if (is_due(t->zero_keys_ns, now_ns)) {
		t->zero_keys_ns = 0;
		expired |= TIMER_ZERO_KEYS;
	}
	if (is_due(t->persistent_keepalive_ns, now_ns) &&
		persistent_keepalive_expires(t, status, now_ns))
		expired |= TIMER_PERSISTENT_KEEPALIVE;
	if (is_due(t->look_ns, now_ns)) {
		expired |= look(t, status, now_ns);
		if (!has_facts(status)) {
			/* Nothing to watch; but the datapath may note a fact this moment. */
			t->look_ns = 0;
			atomic_store(&status->watched, 0);
			if (has_facts(status) && status_start_watch(status))
				t->look_ns = now_ns + KEEPALIVE_TIMEOUT_NS;
		}
	}
	return expired;
}

uint64_t timers_next(const struct timers *t)
{
	return earlier(earlier(t->retransmit_ns, t->zero_keys_ns),
		earlier(t->look_ns, t->persistent_keepalive_ns));
}
