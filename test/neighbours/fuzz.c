/* SPDX-License-Identifier: MIT
 *
 * Every process of a tunnel, and a hub's door, is a real one here, and one of its neighbours is
 * compromised: it says what a seed makes it say. The survivor either goes on and answers rightly,
 * or ends with status 1 and says because of whom; it is never killed, never hangs, keeps no
 * descriptor that is not its own, and after a malformed message it ends.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "doubles.h"
#include "lies.h"
#include "net/link_address.h"
#include "net/tun.h"
#include "net/udp.h"
#include "overlay/door/door.h"
#include "tunnel.h"

enum { SKIPPED = 77, SEEDS = 60, ACTS_MAX = 24, MAX_FAILURES = 5 };

static struct {
	const char *program, *pair; /* pair: the only one; NULL: all */
	uint64_t first, num;
	bool is_verbose;
} options = {.first = 1, .num = SEEDS};

static int tun_fd, udp_fd; /* the datapath's, and the door's */

static struct {
	unsigned runs, went_on, ended, failures;
} total;

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

/* The door asks the hub about one that the vault has helped to open. */
static bool door_asks(struct session *s)
{
	const struct door_question *question = (const void *)s->answer;
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	s->asked = END_MONITOR;
	memset(s->answer, 0, sizeof(*question));
	while (question->request.version != ENROL_VERSION && !s->failure &&
		clock_ns(CLOCK_MONOTONIC) < until_ns) {
		session_prompt(s);
		session_listen(s, 20);
	}
	return strcmp(question->request.network, "lab") == 0;
}

static bool answers_rightly(struct session *s)
{
	if (s->pair->survivor == ROLE_VAULT)
		return vault_answers(s);
	if (s->pair->survivor == SURVIVOR_DOOR)
		return door_asks(s);
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

static void judge(struct session *s, unsigned num_fds)
{
	bool must_end = s->expectation >= MUST_END;

	if (s->expectation == MAY_END && !answers_rightly(s))
		must_end = true;
	if (s->expectation == GOES_ON && !answers_rightly(s))
		session_fail(s, "it does not answer, or not rightly");
	if (!must_end && !subject_has_ended(&s->subject)) {
		if (subject_count_fds(&s->subject) > num_fds)
			session_fail(s, "it keeps descriptors");
		total.went_on++;
		s->expectation = MUST_LEAVE;
		for (int end = 0; end < NUM_ENDS; end++)
			subject_close(&s->subject, (enum end)end);
	} else {
		total.ended++;
	}
	if (!await_end(s))
		session_fail(s, "it does not end");
	else
		judge_end(s);
	if (strstr(subject_log(&s->subject), "Sanitizer") ||
		strstr(subject_log(&s->subject), "runtime error"))
		session_fail(s, "a sanitizer reports");
}

static void report_failure(const char *pair, uint64_t seed, const char *why, const char *log)
{
	total.failures++;
	printf("FAILED: %s, seed %llu: %s\n%s  again: %s --pair %s --seed %llu --verbose\n", pair,
		(unsigned long long)seed, why, log, options.program, pair,
		(unsigned long long)seed);
}

static void run_pair(const struct pair *pair, uint64_t seed)
{
	static struct session s;
	unsigned num_acts, num_fds;

	total.runs++;
	if (!session_begin(&s, pair, seed, pair->survivor == SURVIVOR_DOOR ? udp_fd : tun_fd,
		    options.is_verbose))
		session_fail(&s, "it does not start");
	num_fds = subject_count_fds(&s.subject);
	num_acts = 1 + dice_below(&s.dice, ACTS_MAX);
	for (unsigned i = 0; i < num_acts && s.expectation <= MAY_END && !s.failure; i++) {
		lies_act(&s);
		session_listen(&s, 0);
		if (s.expectation == GOES_ON && subject_has_ended(&s.subject))
			session_fail(&s, "it ends for no reason");
	}
	if (!s.failure)
		judge(&s, num_fds);
	if (s.failure)
		report_failure(pair->name, seed, s.failure, subject_log(&s.subject));
	session_end(&s);
}

static bool is_chosen(const char *name)
{
	return !options.pair || strcmp(options.pair, name) == 0;
}

/* The monitor among the others, of whom one is a double. */
static void run_tunnel(enum tunnel_role liar, uint64_t seed)
{
	const char *name = tunnel_roles[liar].name, *log = "", *why;
	char pair[32];
	bool has_lied;

	snprintf(pair, sizeof(pair), "%s-monitor", name);
	if (!is_chosen(pair))
		return;
	total.runs++;
	why = tunnel_run(liar, seed, &log, &has_lied);
	if (options.is_verbose)
		fputs(log, stdout);
	if (why)
		report_failure(pair, seed, why, log);
	else if (has_lied)
		total.ended++;
	else
		total.went_on++;
}

/* --- all of it ------------------------------------------------------- */

static void run_seed(uint64_t seed)
{
	for (size_t i = 0; i < num_pairs; i++) {
		if (is_chosen(pairs[i].name))
			run_pair(&pairs[i], seed);
	}
	/* a whole tunnel takes ten times as long: one of the three for each seed */
	for (unsigned liar = ROLE_VAULT; liar < ROLE_NUM; liar++) {
		if (options.pair || seed % (ROLE_NUM - ROLE_VAULT) == liar - ROLE_VAULT)
			run_tunnel((enum tunnel_role)liar, seed);
	}
}

static bool read_options(int argc, char *argv[])
{
	options.program = argv[0];
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--verbose") == 0) {
			options.is_verbose = true;
			continue;
		}
		if (strcmp(argv[i], "--pair") == 0) {
			options.pair = value;
		} else if (strcmp(argv[i], "--seed") == 0) {
			options.first = strtoull(value, NULL, 10);
			options.num = 1;
		} else if (strcmp(argv[i], "--seeds") == 0) {
			options.num = strtoull(value, NULL, 10);
		} else {
			return false;
		}
		i++;
	}
	return true;
}

static bool make_network(void)
{
	struct udp_pair sockets;
	struct tun_features features;
	uint16_t port = FUZZ_DOOR_PORT;

	if (crypto_init() < 0 || unshare(CLONE_NEWNET) < 0 || sandbox_prepare() < 0 ||
		link_set_up(if_nametoindex("lo")) < 0 || udp_open(&sockets, &port, 0) < 0)
		return false;
	udp_fd = sockets.fd4;
	tun_fd = tun_create("fuzz0", &features);
	return udp_fd >= 0 && tun_fd >= 0;
}

int main(int argc, char *argv[])
{
	const uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC);

	doubles_main(argc, argv);
	if (!read_options(argc, argv)) {
		fprintf(stderr,
			"Usage: %s [--pair NAME] [--seed N | --seeds HOW_MANY] [--verbose]\n",
			argv[0]);
		return 2;
	}
	if (geteuid() != 0)
		return SKIPPED; /* roles need root to give it up */
	setenv("LOG_LEVEL", "error", 1);
	setenv("ASAN_OPTIONS", "exitcode=99:detect_leaks=0", 1);
	signal(SIGPIPE, SIG_IGN);
	if (!make_network()) {
		perror("a network namespace with a TUN device");
		return 1;
	}
	for (uint64_t seed = options.first;
		seed < options.first + options.num && total.failures < MAX_FAILURES; seed++)
		run_seed(seed);
	printf("neighbours: %u conversations, %u survivors went on, %u ended, %u failures, %.1f "
	       "s\n",
		total.runs, total.went_on, total.ended, total.failures,
		(double)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / SECOND_NS);
	return total.failures || !total.runs ? 1 : 0;
}
