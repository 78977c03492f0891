/* SPDX-License-Identifier: MIT
 *
 * Every process of a tunnel, of a hub and of an agent is a real one here, and one of its neighbours
 * is compromised. First that breaks every rule once (rules.h), then it says what a seed makes it
 * say. The survivor either goes on and answers rightly, or ends with status 1 and says because of
 * whom; it is never killed, never hangs, keeps no descriptor that is not its own, and after a
 * malformed message it ends.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "base/clock.h"
#include "client.h"
#include "config/uapi_socket.h"
#include "crypto/aead.h"
#include "doubles.h"
#include "hub.h"
#include "judge.h"
#include "launcher.h"
#include "lies.h"
#include "net/link_address.h"
#include "net/tun.h"
#include "net/udp.h"
#include "rules.h"
#include "starter.h"
#include "tunnel.h"

enum { SKIPPED = 77, SEEDS = 60, ACTS_MAX = 24, MAX_FAILURES = 5 };

static struct {
	const char *program, *pair; /* pair: the only one; NULL: all */
	uint64_t first_seed, num_seeds;
	uint64_t first_rule, num_rules;
	bool is_verbose;
} options = {.first_seed = 1, .num_seeds = SEEDS, .num_rules = UINT32_MAX};

static struct {
	unsigned runs, went_on, ended, failures;
} total;

static bool goes_on(void)
{
	return total.failures < MAX_FAILURES;
}

static void report_failure(
	const char *pair, const char *what, uint64_t number, const char *why, const char *log)
{
	total.failures++;
	printf("FAILED: %s: %s\n%s  again: %s --pair %s --%s %llu --verbose\n", pair, why, log,
		options.program, pair, what, (unsigned long long)number);
}

/* See what becomes of the survivor, and whether that is right. */
static void end_conversation(struct session *s, unsigned num_fds, const char *what, uint64_t number)
{
	total.runs++;
	if (!s->failure && judge(s, num_fds))
		total.ended++;
	else
		total.went_on++;
	if (s->failure)
		report_failure(s->pair->name, what, number, s->failure, subject_log(&s->subject));
	session_end(s);
}

static unsigned begin_conversation(struct session *s, const struct pair *pair, uint64_t seed)
{
	if (!session_begin(s, pair, seed, options.is_verbose))
		session_fail(s, "it does not start");
	return subject_count_fds(&s->subject);
}

static void draw_conversation(const struct pair *pair, uint64_t seed)
{
	static struct session s;
	unsigned num_fds, num_acts;

	if (pair->is_setup) /* one message, and there is nothing to draw */
		return;
	num_fds = begin_conversation(&s, pair, seed);
	num_acts = 1 + dice_below(&s.dice, ACTS_MAX);
	for (unsigned i = 0; i < num_acts && s.expectation <= MAY_END && !s.failure; i++) {
		lies_act(&s);
		session_listen(&s, 0);
		if (s.expectation == GOES_ON && subject_has_ended(&s.subject))
			session_fail(&s, "it ends for no reason");
	}
	end_conversation(&s, num_fds, "seed", seed);
}

static void break_rule(const struct pair *pair, uint64_t number)
{
	static struct session s;
	const unsigned rule = (unsigned)number;
	char name[RULE_NAME_LEN] = "";
	unsigned num_fds;

	if (!rules_has(pair, rule))
		return;
	num_fds = begin_conversation(&s, pair, number);
	if (!s.failure)
		rules_break(&s, rule, name);
	if (options.is_verbose)
		printf("  %s, rule %u: %s\n", pair->name, rule, name);
	end_conversation(&s, num_fds, "rule", number);
}

static bool is_chosen(const char *name)
{
	return !options.pair || strcmp(options.pair, name) == 0;
}

/* The monitor among the others, of whom one is a double. */
static void run_tunnel(enum tunnel_role liar, const char *what, uint64_t number)
{
	const uint64_t rule = strcmp(what, "rule") == 0 ? DOUBLES_RULE : 0;
	const char *log = "", *why;
	char pair[32];
	bool has_lied;

	snprintf(pair, sizeof(pair), "%s-monitor", tunnel_roles[liar].name);
	if (!is_chosen(pair))
		return;
	total.runs++;
	why = tunnel_run(liar, number | rule, &log, &has_lied);
	if (!why && rule && !has_lied)
		why = "it had no occasion to lie";
	if (options.is_verbose)
		fputs(log, stdout);
	if (why)
		report_failure(pair, what, number, why, log);
	else if (has_lied)
		total.ended++;
	else
		total.went_on++;
}

/* Whoever starts others, of whom one is no good: it has to end. */
static void run_parent(const char *pair, uint64_t number,
	const char *(*run)(unsigned liar, uint64_t number, const char **ret_log), unsigned liar)
{
	const char *log = "", *why;

	if (!is_chosen(pair))
		return;
	total.runs++;
	total.ended++;
	why = run(liar, number, &log);
	if (options.is_verbose)
		fputs(log, stdout);
	if (why)
		report_failure(pair, "rule", number, why, log);
}

static void run_parents(uint64_t number)
{
	if (starter_has(number))
		run_parent("monitor-starter", number, starter_run, ROLE_MONITOR);
	for (size_t i = 0; i < num_launcher_liars && goes_on(); i++) {
		if (launcher_has(launcher_liars[i].role, number))
			run_parent(launcher_liars[i].pair, number, launcher_run,
				launcher_liars[i].role);
	}
	if (agent_has(number))
		run_parent("tunnel-agent", number, agent_run, 0);
	for (unsigned i = 0; i < NUM_CLIENTS && goes_on(); i++) {
		if (client_has(i, number))
			run_parent(client_pairs[i], number, client_run, i);
	}
}

/* --- all of it ------------------------------------------------------- */

static void for_all_pairs(void (*run)(const struct pair *pair, uint64_t number), uint64_t number)
{
	for (size_t i = 0; i < num_tunnel_pairs + num_hub_pairs && goes_on(); i++) {
		const struct pair *pair =
			i < num_tunnel_pairs ? &tunnel_pairs[i] : &hub_pairs[i - num_tunnel_pairs];

		if (is_chosen(pair->name))
			run(pair, number);
	}
}

static void run_rules(void)
{
	for (uint64_t rule = options.first_rule;
		rule < options.first_rule + options.num_rules && goes_on(); rule++) {
		const unsigned before = total.runs;

		for_all_pairs(break_rule, rule);
		run_parents(rule);
		for (unsigned liar = ROLE_VAULT; liar < ROLE_NUM && goes_on(); liar++) {
			if (doubles_has((enum tunnel_role)liar, rule))
				run_tunnel((enum tunnel_role)liar, "rule", rule);
		}
		if (total.runs == before)
			break; /* nobody has so many */
	}
}

static void run_seed(uint64_t seed)
{
	for_all_pairs(draw_conversation, seed);
	/* a whole tunnel takes ten times as long: one of the three for each seed */
	for (unsigned liar = ROLE_VAULT; liar < ROLE_NUM; liar++) {
		if (options.pair || seed % (ROLE_NUM - ROLE_VAULT) == liar - ROLE_VAULT)
			run_tunnel((enum tunnel_role)liar, "seed", seed);
	}
}

/* --seed and --rule are one only, and nothing of the other. */
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
		} else if (strcmp(argv[i], "--rule") == 0) {
			options.first_rule = strtoull(value, NULL, 10);
			options.num_rules = 1;
			options.num_seeds = 0;
		} else if (strcmp(argv[i], "--seed") == 0) {
			options.first_seed = strtoull(value, NULL, 10);
			options.num_seeds = 1;
			options.num_rules = 0;
		} else if (strcmp(argv[i], "--seeds") == 0) {
			options.num_seeds = strtoull(value, NULL, 10);
		} else {
			return false;
		}
		i++;
	}
	return true;
}

/* Root may have ping sockets, which are datagram sockets but not UDP's. */
static void allow_ping_sockets(void)
{
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);

	(void)!write(fd, "0 0", 3);
	close(fd);
}

/* An /srv and a /run of our own are gone with us; no tunnel of the machine hears of our sockets. */
static bool make_files(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", "/srv", "tmpfs", 0, "mode=755") == 0 &&
	       mount("tmpfs", "/run", "tmpfs", 0, "mode=755") == 0 &&
	       mkdir(UAPI_SOCKET_DIR, 0755) == 0 && hub_begin();
}

static bool make_network(void)
{
	struct udp_pair sockets;
	struct tun_features features;
	uint16_t port = 0;

	if (crypto_init() < 0 || unshare(CLONE_NEWNET) < 0 || sandbox_prepare() < 0 ||
		link_set_up(if_nametoindex("lo")) < 0 || udp_open(&sockets, &port, 0) < 0)
		return false;
	allow_ping_sockets();
	devices = (struct devices){tun_create("fuzz0", &features), sockets.fd4, sockets.fd6};
	return devices.tun >= 0 && devices.udp4 >= 0 && devices.udp6 >= 0;
}

int main(int argc, char *argv[])
{
	const uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC);

	doubles_main(argc, argv);
	if (!read_options(argc, argv)) {
		fprintf(stderr,
			"Usage: %s [--pair NAME] [--rule N | --seed N | --seeds HOW_MANY] "
			"[--verbose]\n",
			argv[0]);
		return 2;
	}
	if (geteuid() != 0)
		return SKIPPED; /* roles need root to give it up */
	setenv("LOG_LEVEL", "error", 1);
	setenv("ASAN_OPTIONS", "exitcode=99:detect_leaks=0", 1);
	signal(SIGPIPE, SIG_IGN);
	client_find_programs();
	if (!make_files() || !make_network()) {
		perror("namespaces with a TUN device, an empty /srv and an empty /run");
		return 1;
	}
	run_rules();
	for (uint64_t seed = options.first_seed;
		seed < options.first_seed + options.num_seeds && goes_on(); seed++)
		run_seed(seed);
	printf("neighbours: %u conversations, %u survivors went on, %u ended, %u failures, %.1f "
	       "s\n",
		total.runs, total.went_on, total.ended, total.failures,
		(double)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / SECOND_NS);
	return total.failures || !total.runs ? 1 : 0;
}
