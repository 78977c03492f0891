/* SPDX-License-Identifier: MIT
 *
 * The doubles.
 */
#include "doubles.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub.h"
#include "starter.h"
#include "subject.h"
#include "uapi_double.h"

enum { PATIENCE = 60, BIGGEST = 65536 };

/* What may be lied about. */
enum subject_of_lie { ABOUT_READY, ABOUT_ANSWER, ABOUT_REPORT, ABOUT_WANTED, NUM_SUBJECTS };

struct plan {
	bool is_drawn; /* or else it lies about the first of these, in this way: */
	enum subject_of_lie about;
	uint32_t way;
};

static struct {
	unsigned role;
	struct dice dice;
	int after; /* so many answers it lies; -1: never */
	struct plan plan;
	struct status_page *page;
} self;

static const char letters[] = {[ROLE_MONITOR] = 'm',
	[ROLE_VAULT] = 'v',
	[ROLE_ENGINE] = 'e',
	[ROLE_DATAPATH] = 'd',
	[SURVIVOR_DOOR] = 'o'};

void doubles_name(char ret_ifname[IFNAMSIZ], unsigned role, uint64_t seed)
{
	snprintf(ret_ifname, IFNAMSIZ, "f%c%x-%x", letters[role], (unsigned)(seed & 0xffffff),
		(unsigned)getpid() & 0xffffff);
}

/* --- lies ------------------------------------------------------------ */

/* Ways to lie with any answer, before those in which its own bytes are wrong. */
enum {
	KILLED,
	LEAVES_WELL,
	LEAVES,
	DESCRIPTOR,
	TWICE,
	SIZES,
	NUM_SIZES = 5,
	SPOILED = SIZES + NUM_SIZES
};

static const int32_t wrong_errors[] = {1, INT32_MAX, INT32_MIN, -4096};
static const uint32_t wrong_acks[] = {0, REQUEST_SET_PUBLIC_KEY, REQUEST_SYNC | 1U << 31};
static const struct prefix wrong_wanted[] = {{.family = AF_INET, .cidr = 31},
	{.family = AF_INET, .cidr = 128}, {.family = AF_UNIX, .cidr = 32},
	{.family = AF_INET6, .cidr = 129}, {.family = AF_INET6, .cidr = 32}, {.family = 0}};
enum { WRONG_REPORTS = 7 };

static uint32_t num_ways(unsigned role, enum subject_of_lie about)
{
	const bool is_datapath = role == ROLE_DATAPATH;

	switch (about) {
	case ABOUT_READY:
		return SPOILED + ARRAY_SIZE(wrong_acks);
	case ABOUT_ANSWER:
		if (role == SURVIVOR_DOOR) /* it answers nobody */
			return 0;
		return SPOILED +
		       (role == ROLE_VAULT ? ARRAY_SIZE(wrong_errors) : ARRAY_SIZE(wrong_acks));
	case ABOUT_REPORT:
		return is_datapath ? SPOILED + WRONG_REPORTS : 0;
	case ABOUT_WANTED:
		return is_datapath ? ARRAY_SIZE(wrong_wanted) + 2 : 0;
	default:
		return 0;
	}
}

static bool find_plan(unsigned role, uint64_t number, struct plan *ret_plan)
{
	*ret_plan = (struct plan){.about = ABOUT_READY};
	while (ret_plan->about < NUM_SUBJECTS && number >= num_ways(role, ret_plan->about)) {
		number -= num_ways(role, ret_plan->about);
		ret_plan->about++;
	}
	ret_plan->way = (uint32_t)number;
	return ret_plan->about < NUM_SUBJECTS;
}

bool doubles_has(unsigned role, uint64_t number)
{
	struct plan plan;

	return find_plan(role, number, &plan);
}

static void say(const char *what)
{
	fprintf(stderr, DOUBLES_LIE "%s\n", what);
}

static void send_to(int fd, const void *message, size_t len, bool with_fd)
{
	int r = with_fd ? ipc_send_fds(fd, message, len, (int[]){STDERR_FILENO}, 1)
			: ipc_send(fd, message, len);

	if (r < 0)
		_exit(0);
}

static noreturn void leave(uint32_t way)
{
	say("leaves");
	if (way == KILLED)
		raise(SIGKILL);
	_exit(way == LEAVES);
}

static void spoil_report(struct report *report, uint32_t way)
{
	report->num_prefixes = REPORT_PREFIXES;
	for (uint32_t i = 0; i < REPORT_PREFIXES; i++)
		report->prefixes[i] = (struct prefix){.family = AF_INET};
	switch (way) {
	case 0:
		report->num_prefixes = REPORT_PREFIXES + 1;
		break;
	case 1:
		report->num_prefixes = UINT32_MAX;
		break;
	case 2:
		report->endpoint.family = AF_UNIX;
		break;
	case 3:
		report->endpoint.family = AF_INET | 256;
		break;
	case 4:
		report->prefixes[0].cidr = 33;
		break;
	case 5:
		report->prefixes[REPORT_PREFIXES - 1].cidr = 33;
		break;
	default:
		report->prefixes[REPORT_PREFIXES - 1].family = 0;
	}
}

/* An answer of the right size whose bytes are wrong. */
static void spoil(void *answer, enum subject_of_lie about, uint32_t way)
{
	if (about == ABOUT_REPORT)
		spoil_report(answer, way);
	else if (about == ABOUT_ANSWER && self.role == ROLE_VAULT)
		((struct vault_reply *)answer)->error = wrong_errors[way];
	else
		((struct ack *)answer)->type = wrong_acks[way];
}

/* From now on: who is content with the lie would not end for want of an answer. */
static void be_honest(void)
{
	self.after = -1;
	self.plan = (struct plan){.about = NUM_SUBJECTS};
}

static void lie_with(uint8_t answer[BIGGEST], size_t len, enum subject_of_lie about, uint32_t way)
{
	const size_t lens[NUM_SIZES] = {1, len - 1, len + 1, 2 * len, BIGGEST};

	if (way <= LEAVES)
		leave(way);
	if (way == DESCRIPTOR) {
		say("a descriptor");
		send_to(ROLE_FIRST_FD, answer, len, true);
	} else if (way == TWICE) {
		say("twice");
		send_to(ROLE_FIRST_FD, answer, len, false);
		send_to(ROLE_FIRST_FD, answer, len, false);
	} else if (way < SPOILED) {
		say("a size");
		send_to(ROLE_FIRST_FD, answer, lens[way - SIZES], false);
	} else {
		say("an answer");
		spoil(answer, about, way - SPOILED);
		send_to(ROLE_FIRST_FD, answer, len, false);
	}
	be_honest();
}

static void lie_about_wanted(uint32_t way)
{
	const size_t len = sizeof(struct prefix);
	struct prefix prefix[2] = {{.family = AF_INET, .cidr = 32}};

	say("a wanted address");
	if (way < ARRAY_SIZE(wrong_wanted))
		prefix[0] = wrong_wanted[way];
	way -= way < ARRAY_SIZE(wrong_wanted) ? way : ARRAY_SIZE(wrong_wanted) - 1U;
	send_to(DATAPATH_FD_WANTED, prefix, way == 0 ? len : way == 1 ? len - 1 : len + 1, false);
	be_honest();
}

/* An answer, right or wrong. */
static void answer(const void *right, size_t len, enum subject_of_lie about)
{
	static alignas(8) uint8_t message[BIGGEST];
	const bool is_drawn = self.plan.is_drawn && self.after-- == 0;

	memcpy(message, right, len);
	if (is_drawn)
		lie_with(message, len, about, dice_below(&self.dice, num_ways(self.role, about)));
	else if (!self.plan.is_drawn && self.plan.about == about)
		lie_with(message, len, about, self.plan.way);
	else
		send_to(ROLE_FIRST_FD, right, len, false);
}

/* --- what honest ones do --------------------------------------------- */

static void serve_vault(void)
{
	struct vault_reply reply = {0};

	memset(reply.a, 0x55, KEY_LEN);
	answer(&reply, sizeof(reply), ABOUT_ANSWER);
}

/* The real engine asks: the double has no key. */
static void serve_engine_of_vault(struct vault_mixing *mixing)
{
	for (uint32_t i = 0; i < mixing->num; i++)
		mixing->mixes[i] = (struct noise_mix){
			.peer_id = mixing->mixes[mixing->secret == NOISE_ANSWER ? 0 : i].peer_id,
			.error = -ENOKEY};
	send_to(VAULT_FD_ENGINE, mixing, sizeof(*mixing), false);
}

static struct report draw_report(void)
{
	struct report report = {.num_prefixes = dice_below(&self.dice, REPORT_PREFIXES + 1),
		.cursor = 1 + dice_below(&self.dice, 1000)};

	report.endpoint.family = dice_below(&self.dice, 2) ? AF_INET : AF_INET6;
	dice_fill(&self.dice, report.endpoint.addr, sizeof(report.endpoint.addr));
	for (uint32_t i = 0; i < report.num_prefixes; i++) {
		report.prefixes[i].family = AF_INET6;
		report.prefixes[i].cidr = (uint8_t)dice_below(&self.dice, 129);
	}
	return report;
}

/* All it may write without being asked. */
static void be_free_datapath(void)
{
	struct prefix wanted = {.family = AF_INET, .cidr = 32};

	for (uint32_t id = 0; id < 8; id++)
		dice_fill(&self.dice, &self.page->peers[id], sizeof(self.page->peers[id]));
	dice_fill(&self.dice, &self.page->drops, sizeof(self.page->drops));
	for (uint32_t i = dice_below(&self.dice, 200); i > 0; i--)
		(void)!ipc_try_send(DATAPATH_FD_WANTED, &wanted, sizeof(wanted));
}

static void serve_request(const struct request *request)
{
	const struct ack ack = {REQUEST_SYNC};
	struct report report;

	if (self.role == ROLE_DATAPATH) {
		be_free_datapath();
		if (self.plan.is_drawn && self.after == 0 && dice_below(&self.dice, 3) == 0)
			lie_about_wanted(dice_below(&self.dice, num_ways(self.role, ABOUT_WANTED)));
		else if (!self.plan.is_drawn && self.plan.about == ABOUT_WANTED)
			lie_about_wanted(self.plan.way);
	}
	if (request->type == REQUEST_SYNC) {
		answer(&ack, sizeof(ack), ABOUT_ANSWER);
	} else if (request->type == REQUEST_GET_PEER) {
		report = draw_report();
		answer(&report, sizeof(report), ABOUT_REPORT);
	}
}

/* One message of a neighbour's; false: that one is gone. */
static bool serve(int fd)
{
	static alignas(8) uint8_t message[BIGGEST];
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {message, sizeof(message)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	int fds[2];
	ssize_t n = recvmsg(fd, &msg, 0);

	if (n <= 0)
		return false;
	if (CMSG_FIRSTHDR(&msg)) {
		const size_t len = CMSG_FIRSTHDR(&msg)->cmsg_len - CMSG_LEN(0);

		memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), len);
		for (size_t i = 0; i < len / sizeof(int); i++)
			close(fds[i]);
	}
	if (fd == ROLE_FIRST_FD && self.role == ROLE_VAULT)
		serve_vault();
	else if (fd == ROLE_FIRST_FD)
		serve_request((const void *)message);
	else if (self.role == ROLE_VAULT)
		serve_engine_of_vault((void *)message);
	return true;
}

static noreturn void be_double(void)
{
	const struct ack ready = {ACK_READY};
	struct pollfd fds[] = {{.fd = ROLE_FIRST_FD, .events = POLLIN},
		{.fd = ROLE_FIRST_FD + 1, .events = POLLIN},
		{.fd = self.role == ROLE_ENGINE ? ENGINE_FD_DATAPATH : -1, .events = POLLIN}};

	alarm(PATIENCE);
	if (self.role == ROLE_DATAPATH)
		self.page = status_map(DATAPATH_FD_STATUS);
	answer(&ready, sizeof(ready), ABOUT_READY);
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			_exit(1);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			if (fds[i].revents && !serve(fds[i].fd))
				_exit(0);
		}
	}
}

/* --- who is one ------------------------------------------------------ */

static noreturn void run(unsigned role, const char *ifname)
{
	if (ifname[0] != 'f' || ifname[1] != letters[role])
		(role == SURVIVOR_DOOR ? hub_role(role) : &tunnel_roles[role])->main(ifname);
	self.role = role;
	self.dice.state = strtoul(ifname + 2, NULL, 16);
	self.plan.is_drawn = !(self.dice.state & DOUBLES_RULE) ||
			     !find_plan(role, self.dice.state & ~DOUBLES_RULE, &self.plan);
	self.after = dice_below(&self.dice, 4) == 0 ? -1 : (int)dice_below(&self.dice, 16);
	be_double();
}

static noreturn void run_vault(const char *ifname)
{
	run(ROLE_VAULT, ifname);
}

static noreturn void run_engine(const char *ifname)
{
	run(ROLE_ENGINE, ifname);
}

static noreturn void run_datapath(const char *ifname)
{
	run(ROLE_DATAPATH, ifname);
}

static noreturn void run_door(const char *ifname)
{
	run(SURVIVOR_DOOR, ifname);
}

static noreturn void run_monitor(const char *ifname)
{
	if (ifname[0] != 'f' || ifname[1] != letters[ROLE_MONITOR])
		monitor_main(ifname);
	starter_monitor(strtoul(ifname + 2, NULL, 16), ifname);
}

void doubles_main(int argc, char *argv[])
{
	const struct role roles[] = {{.name = "vault", .main = run_vault},
		{.name = "engine", .main = run_engine}, {.name = "datapath", .main = run_datapath},
		{.name = "monitor", .main = run_monitor}, {.name = "door", .main = run_door}};

	uapi_double_main(argc, argv);
	role_main(roles, ARRAY_SIZE(roles), argc, argv);
	hub_roles_main(argc, argv);
}
