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

#include "draw.h"
#include "overlay/hub/roles.h"
#include "tunnel/ipc.h"
#include "tunnel/status_map.h"

enum { PATIENCE = 60, BIGGEST = 65536 };

static struct {
	enum tunnel_role role;
	struct dice dice;
	int after;   /* so many messages of the monitor it lies; -1: never */
	int num_fds; /* of those to be read */
	struct status_page *page;
} self;

static const char letters[ROLE_NUM] = {
	[ROLE_MONITOR] = 'm', [ROLE_VAULT] = 'v', [ROLE_ENGINE] = 'e', [ROLE_DATAPATH] = 'd'};

void doubles_name(char ret_ifname[IFNAMSIZ], enum tunnel_role role, uint64_t seed)
{
	snprintf(ret_ifname, IFNAMSIZ, "f%c%x-%x", letters[role], (unsigned)(seed & 0xffffff),
		(unsigned)getpid() & 0xffffff);
}

/* --- lies ------------------------------------------------------------ */

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

/* It has said what it had to; the monitor is to end by itself. */
static noreturn void rest(void)
{
	struct pollfd fd = {.fd = ROLE_FIRST_FD};

	while (poll(&fd, 1, -1) < 0 || !(fd.revents & (POLLHUP | POLLERR)))
		;
	_exit(0);
}

static noreturn void leave(void)
{
	say("leaves");
	if (dice_below(&self.dice, 2))
		raise(SIGKILL);
	_exit((int)dice_below(&self.dice, 2));
}

/* An answer of the right size whose bytes are wrong. */
static void spoil(void *answer, size_t len)
{
	static const int32_t errors[] = {1, INT32_MAX, INT32_MIN, -4096, -ENOMEM};
	struct report *report = answer;
	struct vault_reply *reply = answer;
	struct ack *ack = answer;
	uint32_t i;

	if (len == sizeof(*reply)) {
		reply->error = errors[dice_below(&self.dice, ARRAY_SIZE(errors))];
	} else if (len == sizeof(*ack)) {
		ack->type ^= 1U << dice_below(&self.dice, 32);
	} else if (dice_below(&self.dice, 3) == 0) {
		report->num_prefixes = REPORT_PREFIXES + 1 + (uint32_t)dice_roll(&self.dice) / 2;
	} else if (dice_below(&self.dice, 2)) {
		report->endpoint.family = AF_UNIX;
	} else {
		report->num_prefixes = REPORT_PREFIXES;
		for (i = 0; i < REPORT_PREFIXES; i++)
			report->prefixes[i] = (struct prefix){.family = AF_INET};
		report->prefixes[dice_below(&self.dice, REPORT_PREFIXES)].cidr = 33;
	}
}

static void lie_with(int fd, uint8_t answer[BIGGEST], size_t len)
{
	const size_t lens[] = {1, len - 1, len + 1, 2 * len, BIGGEST};

	switch (dice_below(&self.dice, 6)) {
	case 0:
		leave();
	case 1:
		say("a descriptor");
		send_to(fd, answer, len, true);
		break;
	case 2:
		say("a size");
		send_to(fd, answer, lens[dice_below(&self.dice, ARRAY_SIZE(lens))], false);
		break;
	case 3:
		say("twice");
		send_to(fd, answer, len, false);
		send_to(fd, answer, len, false);
		return; /* and answers on, always too early */
	default:
		say("an answer");
		spoil(answer, len);
		send_to(fd, answer, len, false);
	}
	rest();
}

static void lie_about_wanted(void)
{
	static const struct prefix wrong[] = {{.family = AF_INET, .cidr = 31},
		{.family = AF_INET, .cidr = 128}, {.family = AF_UNIX, .cidr = 32},
		{.family = AF_INET6, .cidr = 129}, {.family = 0}};
	struct prefix prefix = wrong[dice_below(&self.dice, ARRAY_SIZE(wrong))];

	say("a wanted address");
	send_to(DATAPATH_FD_WANTED, &prefix, sizeof(prefix), false);
	self.after = -1; /* and answers on: the monitor is waiting for that */
}

/* An answer, right or wrong. */
static void answer(const void *right, size_t len)
{
	static alignas(8) uint8_t message[BIGGEST];

	memcpy(message, right, len);
	if (self.after-- == 0)
		lie_with(ROLE_FIRST_FD, message, len);
	else
		send_to(ROLE_FIRST_FD, right, len, false);
}

/* --- what honest ones do --------------------------------------------- */

static void serve_vault(void)
{
	struct vault_reply reply = {0};

	memset(reply.a, 0x55, KEY_LEN);
	answer(&reply, sizeof(reply));
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
		if (self.after == 0 && dice_below(&self.dice, 3) == 0)
			lie_about_wanted();
	}
	if (request->type == REQUEST_SYNC) {
		answer(&ack, sizeof(ack));
	} else if (request->type == REQUEST_GET_PEER) {
		report = draw_report();
		answer(&report, sizeof(report));
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
	answer(&ready, sizeof(ready));
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			_exit(1);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			if (fds[i].revents && !serve(fds[i].fd))
				_exit(0);
		}
	}
}

/* The table of a hub's roles wants it. */
void hub_main(const char *subject)
{
	(void)subject;
	_exit(1);
}

/* --- who is one ------------------------------------------------------ */

static noreturn void run(enum tunnel_role role, const char *ifname)
{
	if (ifname[0] != 'f' || ifname[1] != letters[role])
		tunnel_roles[role].main(ifname);
	self.role = role;
	self.dice.state = strtoul(ifname + 2, NULL, 16);
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

void doubles_main(int argc, char *argv[])
{
	const struct role roles[] = {{.name = "vault", .main = run_vault},
		{.name = "engine", .main = run_engine}, {.name = "datapath", .main = run_datapath},
		{.name = "monitor", .main = monitor_main}};

	role_main(roles, ARRAY_SIZE(roles), argc, argv);
	role_main(&hub_roles[HUB_ROLE_DOOR], 1, argc, argv);
}
