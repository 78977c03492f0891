/* SPDX-License-Identifier: MIT
 *
 * The judge.
 */
#include "judge.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "crypto/hash.h"
#include "hub.h"

/* --- does it answer rightly? ----------------------------------------- */

static bool vault_answers(struct session *s)
{
	struct vault_request set = {.type = VAULT_SET_PRIVATE_KEY},
			     get = {VAULT_GET_PRIVATE_KEY, 0, {0}},
			     add = {.type = VAULT_ADD_PEER, .peer_id = 5, .a = {9}},
			     psk = {.type = VAULT_SET_PSK, .peer_id = 5};
	struct vault_mixing mixing = {.secret = NOISE_PSK, .num = 1, .mixes[0].peer_id = 5};
	const struct vault_reply *reply = (const void *)s->answer;
	const struct vault_mixing *mixed = (const void *)s->answer;
	uint8_t ck[HASH_LEN], tau[HASH_LEN], key[KEY_LEN];

	for (size_t i = 0; i < KEY_LEN; i++)
		set.a[i] = psk.a[i] = mixing.mixes[0].ck[i] = (uint8_t)dice_roll(&s->dice);
	set.a[0] &= 0xf8;
	set.a[31] = (set.a[31] & 0x7f) | 0x40;
	if (!session_ask(s, END_MONITOR, &set, sizeof(set)) || reply->error ||
		!session_ask(s, END_MONITOR, &get, sizeof(get)) || reply->error ||
		memcmp(reply->a, set.a, KEY_LEN) != 0 ||
		!session_ask(s, END_MONITOR, &add, sizeof(add)) || reply->error ||
		!session_ask(s, END_MONITOR, &psk, sizeof(psk)) || reply->error)
		return false;
	if (s->subject.ends[END_FIRST] < 0)
		return true;
	kdf(ck, tau, key, mixing.mixes[0].ck, psk.a, KEY_LEN);
	return session_ask(s, END_FIRST, &mixing, sizeof(mixing)) && mixed->mixes[0].error == 0 &&
	       memcmp(mixed->mixes[0].ck, ck, HASH_LEN) == 0 &&
	       memcmp(mixed->mixes[0].tau, tau, HASH_LEN) == 0 &&
	       memcmp(mixed->mixes[0].key, key, KEY_LEN) == 0;
}

static bool syncs(struct session *s)
{
	const struct request sync = {.type = REQUEST_SYNC};
	const struct ack expected = {REQUEST_SYNC};

	return session_ask(s, END_MONITOR, &sync, sizeof(sync)) &&
	       memcmp(s->answer, &expected, sizeof(expected)) == 0;
}

/* An endpoint and a prefix of a peer come back as they were set. */
static bool datapath_reports(struct session *s)
{
	struct request request = {.type = REQUEST_SET_ENDPOINT,
		.peer_id = 3,
		.endpoint = {
			.family = AF_INET, .port = (uint16_t)dice_roll(&s->dice), .addr = {127}}};
	const struct endpoint endpoint = request.endpoint;
	const struct prefix prefix = {AF_INET, 32, 0, {10, 9, 8, 7}};
	const struct report *report = (const void *)s->answer;

	session_send(s, END_MONITOR, &request, sizeof(request));
	request = (struct request){.type = REQUEST_CLEAR_ALLOWED_IPS, .peer_id = 3};
	session_send(s, END_MONITOR, &request, sizeof(request));
	request = (struct request){.type = REQUEST_ADD_ALLOWED_IP, .peer_id = 3, .prefix = prefix};
	session_send(s, END_MONITOR, &request, sizeof(request));
	request = (struct request){.type = REQUEST_GET_PEER, .peer_id = 3};
	return session_ask(s, END_MONITOR, &request, sizeof(request)) &&
	       endpoint_same_remote(&report->endpoint, &endpoint) && report->num_prefixes == 1 &&
	       memcmp(&report->prefixes[0], &prefix, sizeof(prefix)) == 0;
}

static bool answers_rightly(struct session *s)
{
	if (s->pair->survivor == ROLE_VAULT)
		return vault_answers(s);
	if (s->pair->survivor >= ROLE_NUM)
		return hub_answers(s);
	return syncs(s) && (s->pair->survivor == ROLE_ENGINE || datapath_reports(s));
}

/* --- how did it end? ------------------------------------------------- */

static bool await_end(struct session *s)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	while (!subject_has_ended(&s->subject) && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		/* an engine sees that its vault is gone when it asks */
		if (s->pair->answers && s->subject.ends[END_FIRST] < 0)
			session_prompt(s);
		session_listen(s, 1);
	}
	return s->subject.is_reaped;
}

/* Whether it says that this neighbour is the reason. */
static bool blames(const char *log, const char *speaker)
{
	static const char *const before[] = {
		"malformed message from the ", "request of the ", ": "};
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		snprintf(text, sizeof(text), "%s%s: ", before[i], speaker);
		if (strstr(log, text))
			return true;
	}
	return false;
}

static void judge_end(struct session *s)
{
	const int status = s->subject.status;
	const char *log = subject_log(&s->subject);

	if (!WIFEXITED(status))
		session_fail(s, "it was killed");
	else if (WEXITSTATUS(status) > 1)
		session_fail(s, "its exit status is strange");
	else if (s->expectation == MUST_LEAVE)
		return;
	else if (WEXITSTATUS(status) == 0)
		session_fail(s, "it ended as if all were well");
	else if (!blames(log, s->pair->speaker))
		session_fail(s, "it does not say because of whom it ends");
}

bool judge(struct session *s, unsigned num_fds)
{
	bool must_end = s->expectation >= MUST_END;

	if (s->expectation == MAY_END && !answers_rightly(s))
		must_end = true;
	if (s->expectation == GOES_ON && !answers_rightly(s))
		session_fail(s, "it does not answer, or not rightly");
	must_end |= subject_has_ended(&s->subject);
	if (!must_end) {
		/* one that was not set up had not opened its own */
		if (!s->pair->is_setup && subject_count_fds(&s->subject) > num_fds)
			session_fail(s, "it keeps descriptors");
		s->expectation = MUST_LEAVE;
		for (int end = 0; end < NUM_ENDS; end++)
			subject_close(&s->subject, (enum end)end);
	}
	if (!await_end(s))
		session_fail(s, "it does not end");
	else
		judge_end(s);
	if (strstr(subject_log(&s->subject), "Sanitizer") ||
		strstr(subject_log(&s->subject), "runtime error"))
		session_fail(s, "a sanitizer reports");
	return must_end;
}
