/* SPDX-License-Identifier: MIT
 *
 * Datagrams from everywhere: what a stranger can send who knows an address, and with it, or not,
 * the public key. For the network namespaces of the benchmark only: sources are random
 * addresses of 198.18.0.0/15, which is reserved for this, by a raw socket.
 *
 *   flood ADDRESS PORT PER_SECOND SECONDS PUBLIC_KEY    initiations with the right mac1
 *   flood ADDRESS PORT PER_SECOND SECONDS               with a wrong one
 *   flood ADDRESS PORT PER_SECOND SECONDS junk INDEX    all types and none, all sizes; some as if
 * of the session with that receiver index
 *
 * Prints how many were sent.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "core/cookie.h"
#include "crypto/aead.h"

enum { NUM_DATAGRAMS = 4096, TURNS_PER_S = 1000, PER_TURN_MAX = 1024, JUNK_MAX = 512 };

struct datagram {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t message[JUNK_MAX];
};

static struct datagram datagrams[NUM_DATAGRAMS];

static noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void fill_random(void *ret_bytes, size_t len)
{
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		fail("getrandom");
}

/* public_key may be NULL. */
static void make_initiation(uint8_t *message, size_t len, const uint8_t *public_key)
{
	struct cookie_maker maker = {0};

	fill_random(message, len);
	store_le32(message, MESSAGE_INITIATION);
	if (public_key)
		cookie_add_macs(&maker, public_key, message, len, 0);
}

/* A type that looks right, with the size that belongs to it. Returns that. */
static size_t make_message(uint8_t *message, uint32_t type, size_t size)
{
	store_le32(message, type);
	return size;
}

/* One of eight kinds of what is no message of anybody. Returns its size in bytes. */
static size_t make_junk(uint8_t message[JUNK_MAX], size_t number, uint32_t index)
{
	size_t any;

	fill_random(message, JUNK_MAX);
	any = load_le32(message + JUNK_MAX - 4) % (JUNK_MAX - sizeof(struct message_data));
	switch (number % 8) {
	case 0:
		return make_message(message, MESSAGE_INITIATION, sizeof(struct message_initiation));
	case 1:
		return make_message(message, MESSAGE_RESPONSE, sizeof(struct message_response));
	case 2:
		return make_message(
			message, MESSAGE_COOKIE_REPLY, sizeof(struct message_cookie_reply));
	case 3: /* of a session that there is not */
		return make_message(
			message, MESSAGE_DATA, sizeof(struct message_data) + any / 16 * 16);
	case 4: /* of one that there is */
		store_le32(message + sizeof(uint32_t), index);
		store_le64(message + 2 * sizeof(uint32_t), number);
		return make_message(
			message, MESSAGE_DATA, sizeof(struct message_data) + 16 + any / 16 * 16);
	case 5: /* and cut */
		store_le32(message + sizeof(uint32_t), index);
		return make_message(message, MESSAGE_DATA, any % 32);
	case 6: /* a size that is none of its type */
		return make_message(message, 1 + (uint32_t)any % 3, any);
	default:
		return any;
	}
}

/* What is in them: initiations (public_key may be NULL), or junk. */
struct content {
	const uint8_t *public_key;
	bool is_junk;
	uint32_t index;
};

static size_t make_content(uint8_t message[JUNK_MAX], size_t number, const struct content *content)
{
	if (content->is_junk)
		return make_junk(message, number, content->index);
	make_initiation(message, sizeof(struct message_initiation), content->public_key);
	return sizeof(struct message_initiation);
}

static void make_datagrams(const struct sockaddr_in *to, const struct content *content)
{
	for (size_t i = 0; i < NUM_DATAGRAMS; i++) {
		struct datagram *d = &datagrams[i];
		size_t len = make_content(d->message, i, content);

		d->ip = (struct iphdr){.version = 4,
			.ihl = sizeof(d->ip) / 4,
			.ttl = 64,
			.protocol = IPPROTO_UDP,
			.daddr = to->sin_addr.s_addr};
		d->udp.dest = to->sin_port;
		d->udp.len = htons((uint16_t)(sizeof(d->udp) + len));
	}
}

/* Send num datagrams, each from somewhere else. */
static unsigned send_some(int fd, const struct sockaddr_in *to, size_t *next, unsigned num)
{
	static struct mmsghdr messages[PER_TURN_MAX];
	static struct iovec iovs[PER_TURN_MAX];
	uint32_t sources[PER_TURN_MAX];
	int sent;

	fill_random(sources, num * sizeof(*sources));
	for (unsigned i = 0; i < num; i++) {
		struct datagram *d = &datagrams[*next];

		*next = (*next + 1) % NUM_DATAGRAMS;
		d->ip.saddr = htonl(UINT32_C(0xc6120000) | (sources[i] & 0x1ffff));
		d->udp.source = (uint16_t)(sources[i] >> 16 | 1);
		iovs[i] = (struct iovec){d, sizeof(d->ip) + ntohs(d->udp.len)};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i],
			.msg_iovlen = 1,
			.msg_name = (void *)(uintptr_t)to,
			.msg_namelen = sizeof(*to)};
	}
	sent = sendmmsg(fd, messages, num, 0);
	return sent < 0 ? 0 : (unsigned)sent;
}

/* The rate holds over each millisecond that we wake up; what a late turn missed is not made up for.
 */
static uint64_t flood(int fd, const struct sockaddr_in *to, unsigned per_turn, unsigned seconds)
{
	const uint64_t turn_ns = SECOND_NS / TURNS_PER_S;
	uint64_t at_ns = clock_ns(CLOCK_MONOTONIC), end_ns = at_ns + seconds * SECOND_NS, sent = 0;
	size_t next = 0;

	while (at_ns < end_ns) {
		const struct timespec at = {(time_t)(at_ns / SECOND_NS), (long)(at_ns % SECOND_NS)};
		uint64_t now_ns;

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		sent += send_some(fd, to, &next, per_turn);
		now_ns = clock_ns(CLOCK_MONOTONIC);
		at_ns += turn_ns;
		if (at_ns + turn_ns < now_ns)
			at_ns = now_ns;
	}
	return sent;
}

int main(int argc, char *argv[])
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	uint8_t public_key[KEY_LEN];
	struct content content = {0};
	unsigned per_turn;
	int fd;

	if (argc > 6 && strcmp(argv[5], "junk") == 0) {
		content.is_junk = true;
		content.index = (uint32_t)strtoul(argv[6], NULL, 10);
	} else if (argc > 5 && key_from_base64(public_key, argv[5], strlen(argv[5])) == 0) {
		content.public_key = public_key;
	}
	if (argc < 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || crypto_init() < 0 ||
		(argc > 5 && !content.is_junk && !content.public_key)) {
		fprintf(stderr, "usage: flood ADDRESS PORT PER_SECOND SECONDS "
				"[PUBLIC_KEY | junk INDEX]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	per_turn = (unsigned)strtoul(argv[3], NULL, 10) / TURNS_PER_S;
	if (per_turn < 1 || per_turn > PER_TURN_MAX)
		per_turn = per_turn < 1 ? 1 : PER_TURN_MAX;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		fail("raw socket");
	make_datagrams(&to, &content);
	printf("%llu\n",
		(unsigned long long)flood(fd, &to, per_turn, (unsigned)strtoul(argv[4], NULL, 10)));
	close(fd);
	return 0;
}
