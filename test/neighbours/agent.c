/* SPDX-License-Identifier: MIT
 *
 * The agent, which is a member of a network as far as its state folder says.
 */
#include "agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "doubles.h"
#include "hub.h"
#include "tunnel.h"
#include "uapi_double.h"

/* In an /srv of our own (fuzz.c). */
#define STATE "/srv/agent"
#define SOCKET_PATH "/srv/agent.sock"

#define KEY "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="

#define JOIN                                                                \
	"{\"version\": 1, \"network\": \"lab\", \"door_key\": \"" KEY "\"," \
	" \"host\": \"127.0.0.1\", \"port\": 9, \"hostname\": \"robot\","   \
	" \"interface\": \"%s\", \"keepalive\": 0}"
static const char known[] =
	"{\"version\": 1, \"saved\": 0, \"door_key\": \"" KEY "\", \"state\": \"active\","
	" \"node\": {\"id\": 1, \"name\": \"robot\", \"hub_key\": \"" KEY "\","
	" \"hub\": \"127.0.0.1:9\", \"api_port\": 9,"
	" \"addresses\": [\"10.9.0.2/16\", \"fd09::2/64\"],"
	" \"hub_addresses\": [\"10.9.0.1/32\", \"fd09::1/128\"]},"
	" \"listen_port\": 0, \"seq\": 0, \"peers\": []}";

bool agent_has(uint64_t number)
{
	return num_hub_pairs > 0 && uapi_double_has(UAPI_OF_AGENT, number);
}

static void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, len) != (ssize_t)len)
		perror(path);
	close(fd);
}

static void write_state(const char *ifname)
{
	char text[1024];

	(void)mkdir(STATE, 0700);
	snprintf(text, sizeof(text), JOIN, ifname);
	write_file(STATE "/lab.join", text, strlen(text));
	write_file(STATE "/lab.json", known, strlen(known));
	(void)!lchown(STATE, 0, 0); /* or the agent would not look at whose its files are */
}

static noreturn void become(void)
{
	char program[4096];

	snprintf(program, sizeof(program), "%s", client_program(client_self));
	execl(client_program("adit-agent"), "adit-agent", "--state", STATE, "--config-dir",
		"/srv/none", "--socket", SOCKET_PATH, "--tunnel-program", program, NULL);
	perror("adit-agent");
	_exit(127);
}

/* Whether it says of itself what it is asked. */
static bool answers(void)
{
	static const char request[] = "status\n";
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	char byte = 0;

	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 &&
		poll(&answer, 1, PATIENCE_MS) > 0)
		(void)!read(fd, &byte, 1);
	close(fd);
	return byte == '0';
}

/* Until it says that the tunnel is not what it should be; it is after the lie. */
static bool complains(int log_fd)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MSEC_NS;

	while (clock_ns(CLOCK_MONOTONIC) < until_ns) {
		const char *log = strstr(log_read(log_fd), DOUBLES_LIE);

		if (log && (strstr(log, "lab: cannot bring ") || strstr(log, "; it is made anew")))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static const char *judge(pid_t pid, int log_fd)
{
	const char *failure = NULL, *log;
	int status;

	if (!complains(log_fd))
		failure = "the agent takes a lie for the truth, or is told none";
	else if (!answers())
		failure = "the agent does not answer";
	kill(pid, SIGTERM);
	if (!tunnel_await_exit(pid, &status))
		return "the agent does not end";
	log = log_read(log_fd);
	if (strstr(log, "the agent died") || strstr(log, "the agent does not run"))
		return "the agent died";
	if (strstr(log, "Sanitizer") || strstr(log, "runtime error"))
		return "a sanitizer reports";
	if (!failure && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		failure = "it does not end well";
	return failure;
}

const char *agent_run(unsigned liar, uint64_t number, const char **ret_log)
{
	char ifname[IFNAMSIZ];
	const char *failure;
	int saved, log_fd;
	pid_t pid;

	(void)liar;
	uapi_double_name(ifname, UAPI_OF_AGENT, number);
	write_state(ifname);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	log_fd = log_begin(&saved);
	pid = fork();
	if (pid == 0)
		become();
	log_end(saved);
	failure = judge(pid, log_fd);
	*ret_log = log_read(log_fd);
	close(log_fd);
	uapi_double_remove(ifname);
	if (!tunnel_is_all_gone(ifname) && !failure)
		failure = "something is left of the agent";
	return failure;
}
