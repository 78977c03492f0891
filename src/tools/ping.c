/* SPDX-License-Identifier: MIT
 *
 * `adit ping NAME`: the system's ping, by the name that a node has in the overlay.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "tools/agent_client.h"
#include "tools/tools.h"

enum { WORDS_MAX = 32 };

/* The first address of this family in the agent's lines, if those are addresses; NULL: it has none.
 */
static char *find_address(char *lines, bool ipv6)
{
	struct prefix address;
	char *line;

	while ((line = strsep(&lines, "\n"))) {
		if (strchr(line, '/') == NULL && prefix_from_text(&address, line) == 0 &&
			(address.family == AF_INET6) == ipv6)
			return line;
	}
	return NULL;
}

static int ping(char *address, int num_words, char *words[])
{
	char *argv[WORDS_MAX + 4] = {(char[]){"ping"}};
	int num = 1;

	while (num <= num_words) {
		argv[num] = words[num - 1];
		num++;
	}
	argv[num++] = (char[]){"--"};
	argv[num] = address;
	execvp(argv[0], argv);
	complain("ping: %s", strerror(errno));
	return 1;
}

int ping_main(int argc, char *argv[])
{
	struct text reply = {0};
	bool ipv6 = false;
	char *address;
	int first = 1, code;

	/* what ping itself understands comes before the name */
	while (first < argc - 1 && first < WORDS_MAX) {
		if (strcmp(argv[first], "-6") == 0)
			ipv6 = true;
		first++;
	}
	if (argc < 2 || first != argc - 1 || *argv[first] == '-')
		return USAGE;
	code = agent_ask(&reply, "resolve %s", argv[first]);
	if (code != AGENT_DONE) {
		code = agent_print(code, &reply);
		text_deinit(&reply);
		return code;
	}
	address = find_address(reply.data, ipv6);
	if (!address)
		complain("%s has no such address", argv[first]);
	code = address ? ping(address, argc - 2, argv + 1) : 1;
	text_deinit(&reply);
	return code;
}
