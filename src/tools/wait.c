/* SPDX-License-Identifier: MIT
 *
 * `adit wait`: for scripts. Exit codes: 0 it is so; 1 it will not be (there is no such network or
 * node, this node is cut off); 3 time is up, and the node waits for approval; 4 time is up.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "config/number.h"
#include "tools/agent_client.h"
#include "tools/tools.h"

enum { TIMEOUT_MAX_S = 365 * 86400, LOOK_MS = 50, DISCARD_PORT = 9 };

struct wait {
	const char *what, *name, *network;
	uint64_t timeout_s; /* 0: for ever */
};

static int parse_words(struct wait *wait, int argc, char *argv[])
{
	const char **places[] = {&wait->what, &wait->name};
	unsigned num = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc) {
			i++;
			if (!number_from_text(
				    argv[i], strlen(argv[i]), TIMEOUT_MAX_S, &wait->timeout_s))
				return USAGE;
		} else if (strcmp(argv[i], "--network") == 0 && i + 1 < argc) {
			wait->network = argv[++i];
		} else if (*argv[i] == '-' || num == ARRAY_SIZE(places)) {
			return USAGE;
		} else {
			*places[num++] = argv[i];
		}
	}
	if (!wait->what)
		return USAGE;
	if (strcmp(wait->what, "joined") == 0)
		return 0;
	return strcmp(wait->what, "node") == 0 && wait->name ? 0 : USAGE;
}

static int ask(const struct wait *wait, struct text *reply)
{
	const char *network = wait->network ? wait->network : "";

	if (strcmp(wait->what, "joined") == 0)
		return agent_ask(reply, "joined %s", wait->name ? wait->name : network);
	return agent_ask(reply, "node %s%s%s", wait->name, *network ? "." : "", network);
}

/* A packet to a node begins a session with it; that nobody expects it there does not matter. */
static void knock(const char *addresses)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT)};
	char address[PREFIX_TEXT_LEN];
	struct prefix prefix;
	int fd;

	snprintf(address, sizeof(address), "%.*s", (int)strcspn(addresses, "\n"), addresses);
	if (prefix_from_text(&prefix, address) < 0)
		return;
	fd = socket(prefix.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(&in.sin_addr, prefix.addr, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, prefix.addr, sizeof(in6.sin6_addr));
	if (prefix.family == AF_INET)
		(void)!sendto(fd, "", 0, MSG_DONTWAIT, (const void *)&in, sizeof(in));
	else
		(void)!sendto(fd, "", 0, MSG_DONTWAIT, (const void *)&in6, sizeof(in6));
	close(fd);
}

/* Whether another look may tell something else. A node that is not known may yet join. */
static bool may_change(const struct wait *wait, int code)
{
	return code == AGENT_PENDING || code == AGENT_NOT_YET || code == -ENOENT ||
	       code == -ECONNREFUSED || (code == AGENT_FAILED && strcmp(wait->what, "node") == 0);
}

int wait_main(int argc, char *argv[])
{
	struct wait wait = {0};
	uint64_t begin_ns = clock_boottime_ns();

	if (parse_words(&wait, argc, argv) == USAGE)
		return USAGE;
	for (;;) {
		struct text reply = {0};
		int code = ask(&wait, &reply);
		bool is_late = wait.timeout_s != 0 &&
			       clock_boottime_ns() - begin_ns >= wait.timeout_s * SECOND_NS;

		if (!may_change(&wait, code) || is_late) {
			if (code == AGENT_NOT_YET && strcmp(wait.what, "node") == 0)
				complain("there is no session with %s yet", wait.name);
			else
				code = agent_print(code, &reply);
			text_deinit(&reply);
			return code;
		}
		if (code == AGENT_NOT_YET && strcmp(wait.what, "node") == 0 && reply.data)
			knock(reply.data);
		text_deinit(&reply);
		poll(NULL, 0, LOOK_MS);
	}
}
