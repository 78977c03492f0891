/* SPDX-License-Identifier: MIT
 *
 * Right messages, wrong messages, messages of the wrong size, noise, descriptors, floods, nonsense
 * in the shared page, and leaving in the middle.
 */
#include "lies.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { FLOOD_MAX = 500, MANY_FDS = 40 };

static void note(const struct session *s, const char *what, const char *kind)
{
	if (s->is_verbose)
		printf("  %s %s\n", what, kind);
}

static const struct kind *draw_kind(struct session *s)
{
	return &s->pair->kinds[dice_below(&s->dice, s->pair->num_kinds)];
}

/* --- one message ----------------------------------------------------- */

static enum expectation speak(struct session *s)
{
	const struct kind *kind = draw_kind(s);
	uint8_t message[MESSAGE_MAX / 64];

	note(s, "right:", kind->name);
	draw_good(&s->dice, kind, message, s->pair->len);
	s->owed[s->pair->end] += kind->is_asking;
	session_send(s, s->pair->end, message, s->pair->len);
	return kind->is_uncertain ? MAY_END : GOES_ON;
}

static enum expectation speak_wrongly(struct session *s)
{
	const struct kind *kind = draw_kind(s);
	uint8_t message[MESSAGE_MAX / 64];
	uint32_t type;

	draw_good(&s->dice, kind, message, s->pair->len);
	if (!s->pair->is_untyped && dice_below(&s->dice, 4) == 0) {
		note(s, "wrong:", "type");
		type = draw_wrong_type(&s->dice, s->pair->kinds, s->pair->num_kinds);
		memcpy(message, &type, sizeof(type));
	} else {
		note(s, "wrong:", kind->name);
		draw_break(&s->dice, kind, message);
	}
	session_send(s, s->pair->end, message, s->pair->len);
	return MUST_END;
}

static enum expectation speak_at_length(struct session *s)
{
	static uint8_t message[MESSAGE_MAX];
	const size_t len = s->pair->len;
	const size_t lens[] = {0, 1, sizeof(uint32_t), len - 1, len + 1, 2 * len, 65536,
		1 + dice_below(&s->dice, 2 * (uint32_t)len)};
	size_t chosen = lens[dice_below(&s->dice, ARRAY_SIZE(lens))];

	if (chosen == len)
		chosen++;
	note(s, "wrong:", "size");
	dice_fill(&s->dice, message, sizeof(message));
	draw_good(&s->dice, draw_kind(s), message, len);
	session_send(s, s->pair->end, message, chosen);
	return chosen == 0 ? MUST_LEAVE : MUST_END; /* nothing at all looks like the end */
}

static enum expectation speak_noise(struct session *s)
{
	uint8_t message[MESSAGE_MAX / 64];
	uint32_t type;

	note(s, "wrong:", "noise");
	for (size_t i = 0; i < s->pair->len; i++)
		message[i] = (uint8_t)dice_roll(&s->dice);
	type = draw_wrong_type(&s->dice, s->pair->kinds, s->pair->num_kinds);
	if (type < UINT16_MAX)
		type |= UINT32_C(0x80000000);
	memcpy(message, &type, sizeof(type));
	session_send(s, s->pair->end, message, s->pair->len);
	return MUST_END;
}

/* --- descriptors ----------------------------------------------------- */

static enum expectation hand_over_unasked(struct session *s)
{
	uint8_t message[MESSAGE_MAX / 64];
	const size_t nums[] = {1, 2, 3, MANY_FDS};
	const size_t num = nums[dice_below(&s->dice, ARRAY_SIZE(nums))];
	int fds[MANY_FDS];

	note(s, "wrong:", "descriptors");
	for (size_t i = 0; i < num; i++)
		fds[i] = STDERR_FILENO;
	draw_good(&s->dice, draw_kind(s), message, s->pair->len);
	session_send_fds(s, s->pair->end, message, s->pair->len, fds, num);
	return MUST_END;
}

/* Sockets for the datapath: of the kinds and as many as it says, or not. */
static enum expectation hand_over_sockets(struct session *s)
{
	enum { UDP4, UDP6, TCP, LOCAL, NUM_SORTS };
	const int sorts[NUM_SORTS] = {socket(AF_INET, SOCK_DGRAM, 0),
		socket(AF_INET6, SOCK_DGRAM, 0), socket(AF_INET, SOCK_STREAM, 0),
		socket(AF_UNIX, SOCK_SEQPACKET, 0)};
	struct request request = {.type = REQUEST_SET_SOCKETS,
		.sockets = {dice_below(&s->dice, 2), dice_below(&s->dice, 2), 0}};
	const uint32_t num = request.sockets.has_ipv4 + request.sockets.has_ipv6;
	const bool lies = !s->is_honest && (num == 0 || dice_below(&s->dice, 3) == 0);
	uint32_t chosen[2] = {request.sockets.has_ipv4 ? UDP4 : UDP6, UDP6};
	int fds[2];

	note(s, lies ? "wrong:" : "right:", "sockets");
	if (lies)
		chosen[dice_below(&s->dice, num ? num : 1)] = TCP + dice_below(&s->dice, 2);
	for (size_t i = 0; i < 2; i++)
		fds[i] = sorts[chosen[i]];
	session_send_fds(
		s, END_MONITOR, &request, sizeof(request), fds, lies && num == 0 ? 1 : num);
	for (size_t i = 0; i < NUM_SORTS; i++)
		close(sorts[i]);
	return lies ? MUST_END : GOES_ON;
}

/* --- more than messages ---------------------------------------------- */

/* Nobody listens while it lasts. A vault ends on one who asks and does not listen. */
static enum expectation flood(struct session *s)
{
	const struct kind *kind = draw_kind(s);
	uint32_t num = dice_below(&s->dice, FLOOD_MAX);
	uint8_t message[MESSAGE_MAX / 64];

	note(s, "flood:", kind->name);
	for (uint32_t i = 0; i < num; i++) {
		draw_good(&s->dice, kind, message, s->pair->len);
		if (!session_try_send(s, s->pair->end, message, s->pair->len))
			break;
		s->owed[s->pair->end] += kind->is_asking;
	}
	return kind->is_uncertain || (s->pair->survivor == ROLE_VAULT && kind->is_asking) ? MAY_END
											  : GOES_ON;
}

static uint64_t draw_value(struct session *s)
{
	const uint64_t now_ns = clock_boottime_ns();
	const uint64_t values[] = {0, 1, now_ns, now_ns + 1, now_ns - 10 * SECOND_NS, UINT64_MAX,
		UINT64_MAX - 10 * SECOND_NS, INT64_MAX, dice_roll(&s->dice)};

	return values[dice_below(&s->dice, ARRAY_SIZE(values))];
}

/* It is shared: whoever has it may write anything, any time. */
static enum expectation scribble(struct session *s)
{
	struct status_page *page = s->subject.page;

	note(s, "page", "");
	for (size_t i = 0; i < ARRAY_SIZE(page->drops); i++)
		atomic_store(&page->drops[i], draw_value(s));
	for (uint32_t id = 0; id < 2 * FUZZ_PEERS; id++) {
		struct peer_status *status = &page->peers[id];

		atomic_store(&status->rx_bytes, draw_value(s));
		atomic_store(&status->tx_bytes, draw_value(s));
		atomic_store(&status->last_rx_ns, draw_value(s));
		atomic_store(&status->last_tx_ns, draw_value(s));
		atomic_store(&status->unanswered_ns, draw_value(s));
		atomic_store(&status->unacked_ns, draw_value(s));
		atomic_store(&status->need_another, (uint32_t)draw_value(s));
		atomic_store(&status->watched, (uint32_t)draw_value(s));
		atomic_store(&status->handshake_wall_ns, draw_value(s));
	}
	return GOES_ON;
}

enum expectation leave(struct session *s)
{
	note(s, "close", "");
	subject_close(&s->subject, s->pair->end);
	return MUST_LEAVE;
}

/* --- answers --------------------------------------------------------- */

/* A field of the answer, in its first or its last result. */
static void spoil(const struct vault_mixing *right, uint32_t way, struct vault_mixing *wrong)
{
	struct noise_mix *mix = &wrong->mixes[way % 2 ? right->num - 1 : 0];
	static const int32_t errors[] = {1, INT32_MAX, INT32_MIN, -4096};

	switch (way / 2) {
	case 0:
		wrong->secret = way % 2 ? right->secret + 1 : 0;
		break;
	case 1:
		wrong->num = way % 2 ? right->num + 1 : right->num - 1;
		break;
	case 2:
		wrong->num = UINT32_MAX;
		break;
	case 3:
		mix->peer_id ^= 1;
		break;
	case 4:
		mix->peer_id ^= UINT32_C(1) << 31;
		break;
	case 5:
		mix->has_psk = 2;
		break;
	case 6:
		mix->has_psk = UINT32_MAX;
		break;
	case 7: /* an error, and a result all the same */
		*mix = (struct noise_mix){.peer_id = mix->peer_id, .error = -1, .ck = {1}};
		break;
	case 8:
		*mix = (struct noise_mix){.peer_id = mix->peer_id, .error = -1, .key[31] = 1};
		break;
	default:
		*mix = (struct noise_mix){
			.peer_id = mix->peer_id, .error = errors[(way / 2 - 9) % 4]};
	}
}

enum { SPOILED = 2 * 13, NUM_LENS = 6 };
static_assert(NUM_VAULT_LIES == SPOILED + NUM_LENS + 2, "all are counted");

enum expectation lie_to_engine(struct session *s, const void *right_answer)
{
	const struct vault_mixing *right = right_answer;
	static const size_t lens[NUM_LENS] = {
		0, 1, sizeof(*right) - 1, sizeof(*right) + 1, 2 * sizeof(*right), 65536};
	static uint8_t long_one[65536];
	struct vault_mixing wrong = *right;

	note(s, "wrong:", "answer");
	if (s->lie < SPOILED) {
		spoil(right, s->lie, &wrong);
		session_send(s, END_FIRST, &wrong, sizeof(wrong));
	} else if (s->lie < SPOILED + NUM_LENS) {
		memcpy(long_one, right, sizeof(*right));
		session_send(s, END_FIRST, long_one, lens[s->lie - SPOILED]);
		return s->lie == SPOILED ? MUST_LEAVE : MUST_END;
	} else if (s->lie == SPOILED + NUM_LENS) {
		session_send_fds(s, END_FIRST, right, sizeof(*right), (int[]){STDERR_FILENO}, 1);
	} else {
		return leave(s);
	}
	return MUST_END;
}

enum expectation answer_questions(struct session *s, bool lies)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	s->lies = lies;
	s->expectation = GOES_ON;
	do {
		session_prompt(s);
		session_listen(s, 20);
	} while (s->lies && !s->failure && clock_ns(CLOCK_MONOTONIC) < until_ns);
	if (s->lies)
		session_fail(s, "it asks nothing");
	return s->expectation;
}

static enum expectation act(struct session *s)
{
	const uint32_t lot = dice_below(&s->dice, 100);

	if (s->pair->answers) {
		s->lie = dice_below(&s->dice, s->pair->num_lies);
		return answer_questions(s, !s->is_honest && dice_below(&s->dice, 4) == 0);
	}
	if (lot < 3)
		return flood(s);
	if (lot < 10 && s->subject.page)
		return scribble(s);
	if (lot < 16 && s->pair->survivor == ROLE_DATAPATH && s->pair->end == END_MONITOR)
		return hand_over_sockets(s);
	if (s->is_honest || lot < 75)
		return speak(s);
	if (lot < 78)
		return leave(s);
	if (lot < 83)
		return speak_at_length(s);
	if (lot < 86)
		return hand_over_unasked(s);
	return lot < 88 ? speak_noise(s) : speak_wrongly(s);
}

void lies_act(struct session *s)
{
	const enum expectation expectation = act(s);

	if (expectation != GOES_ON)
		s->expectation = expectation;
}
