/* SPDX-License-Identifier: MIT
 *
 * `adit join LINK`: hand the link to the agent, start it if need be, and tell how it goes.
 */
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/number.h"
#include "tools/agent_client.h"
#include "tools/tools.h"

/* Long enough for a hub that is there, short enough for a person. */
#define ANSWER_NS (5 * SECOND_NS)
#define AGENT_NS (5 * SECOND_NS)
enum { LINK_LEN_MAX = 600, LOOK_MS = 20, TIMEOUT_MAX_S = 365 * 86400 };

struct join {
	char link[LINK_LEN_MAX];
	struct text settings; /* " name=… interface=…" */
	bool waits;
	uint64_t timeout_s; /* of waiting; 0: for ever */
};

/* Whether systemd runs the agent here. */
static bool uses_service(void)
{
	return !getenv("ADIT_AGENT_SOCKET") && access("/run/systemd/system", F_OK) == 0;
}

/* At boot from now on, and now. Only where the agent is the system's. */
static void enable_service(void)
{
	char *argv[] = {(char[]){"systemctl"}, (char[]){"--quiet"}, (char[]){"enable"},
		(char[]){"--now"}, (char[]){"adit-agent.service"}, NULL};
	pid_t pid;

	if (geteuid() == 0 && uses_service() &&
		posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
}

/* Read a link from stdin, so that it need not be seen in ps. */
static bool read_link(char ret_link[LINK_LEN_MAX])
{
	if (!fgets(ret_link, LINK_LEN_MAX, stdin)) {
		complain("stdin: there is no join link");
		return false;
	}
	ret_link[strcspn(ret_link, "\r\n")] = '\0';
	return true;
}

static int parse_words(struct join *join, int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (strcmp(word, "--wait") == 0) {
			join->waits = true;
		} else if (strcmp(word, "--timeout") == 0 && i + 1 < argc) {
			i++;
			if (!number_from_text(
				    argv[i], strlen(argv[i]), TIMEOUT_MAX_S, &join->timeout_s))
				return USAGE;
		} else if (strncmp(word, "--", 2) == 0) {
			const char *value = strchr(word, '=');

			if (!value && i + 1 == argc)
				return USAGE;
			text_printf(&join->settings, " %.*s=%s", (int)strcspn(word + 2, "="),
				word + 2, value ? value + 1 : argv[++i]);
		} else if (*join->link != '\0' || strlen(word) >= sizeof(join->link)) {
			return USAGE;
		} else {
			snprintf(join->link, sizeof(join->link), "%s", word);
		}
	}
	if (strcmp(join->link, "-") == 0 && !read_link(join->link))
		return AGENT_FAILED;
	return *join->link == '\0' ? USAGE : AGENT_DONE;
}

static int ask_to_join(const struct join *join, struct text *reply)
{
	return agent_ask(
		reply, "join %s%s", join->link, join->settings.data ? join->settings.data : "");
}

/* Begin, with an agent that may have to be started. */
static int begin(const struct join *join, struct text *reply)
{
	uint64_t until_ns = clock_boottime_ns() + AGENT_NS;
	int code = ask_to_join(join, reply);

	enable_service();
	while ((code == -ENOENT || code == -ECONNREFUSED) && uses_service() &&
		clock_boottime_ns() < until_ns) {
		agent_pause();
		code = ask_to_join(join, reply);
	}
	return code;
}

/* Look until it is joined, or waits for a person, or there is no answer for too long. */
static int follow(const struct join *join, const char *network)
{
	uint64_t begin_ns = clock_boottime_ns(), until_ns = begin_ns + ANSWER_NS;
	uint64_t end_ns = join->waits ? UINT64_MAX : until_ns;
	int code, told = -1;

	if (join->timeout_s != 0)
		end_ns = begin_ns + join->timeout_s * SECOND_NS;

	for (;;) {
		struct text reply = {0};
		bool ends;

		code = agent_ask(&reply, "joined %s", network);
		ends = (code != AGENT_PENDING && code != AGENT_NOT_YET) ||
		       (code == AGENT_PENDING && !join->waits) || clock_boottime_ns() > end_ns;
		/* what goes on is told once, when it is clear that it does */
		if (ends || (code != told &&
				    (code == AGENT_PENDING || clock_boottime_ns() > until_ns))) {
			told = code;
			code = agent_print(code, &reply);
		}
		text_deinit(&reply);
		if (ends)
			return code;
		poll(NULL, 0, LOOK_MS);
	}
}

int join_main(int argc, char *argv[])
{
	struct join join = {0};
	struct text reply = {0};
	int code = parse_words(&join, argc, argv);

	if (code == AGENT_DONE) {
		code = begin(&join, &reply);
		if (code != AGENT_DONE) {
			code = agent_print(code, &reply);
		} else {
			reply.data[strcspn(reply.data, "\n")] = '\0';
			code = follow(&join, reply.data);
		}
	}
	wipe(join.link, sizeof(join.link));
	text_deinit(&join.settings);
	text_deinit(&reply);
	return code;
}
