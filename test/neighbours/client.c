/* SPDX-License-Identifier: MIT
 *
 * `adit status` and its like, and `adit-hub`: whatever comes, what they show does nothing to a
 * terminal.
 */
#include "client.h"

#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "hub.h"
#include "subject.h"
#include "tunnel.h"

/* In an /srv of our own (fuzz.c). */
#define SOCKET_PATH "/srv/client"
#define PING_PATH "/srv/path"
enum { WORDS = 5, REQUEST_MAX = 4096, WAIT_MS = 10000, QUESTIONS_MAX = 20 };

const char *const client_pairs[NUM_CLIENTS] = {"agent-command", "server-command"};

struct lie {
	const char *words[WORDS];
	const char *reply;
	enum { FAILS, MAY_SHOW, MAY_KEEP } wanted; /* MAY_KEEP: its output is no terminal */
};

/* A code, a newline, and what is to be shown. */
static const struct lie of_agents[] = {
	{{"status"}, "", FAILS},
	{{"status"}, "0", FAILS},
	{{"status"}, "\n", FAILS},
	{{"status"}, "x\n", FAILS},
	{{"status"}, "-1\n", FAILS},
	{{"status"}, "126\n", FAILS},
	{{"status"}, "4294967296\n", FAILS},
	{{"status"}, "1\nno\n", FAILS},
	{{"status"}, "0\n\33[2J\n", FAILS},
	{{"status"}, "0\nlab\33]0;x\7\n", FAILS},
	{{"status"}, "0\n\302\2332J\n", FAILS},
	{{"status"}, "0\nok\rbad\n", FAILS},
	{{"status"}, "1\n\33c\n", FAILS},
	{{"leave", "lab"}, "0\n\377\376\n", FAILS},
	{{"status", "--json"}, "0\n{\"a\": \"\177\"}\n", FAILS},
	{{"wait", "joined"}, "126\n", FAILS},
	{{"ping", "robot"}, "0\n-f\n", FAILS},
	{{"ping", "robot"}, "0\n;id\n", FAILS},
	{{"ping", "robot"}, "0\nrobot.example\n", FAILS},
	{{"ping", "robot"}, "0\n10.0.0.1/32\n", FAILS},
	{{"ping", "robot"}, "0\n10.0.0.1 -f\n", FAILS},
	{{"ping", "robot"}, "0\n", FAILS},
	{{"ping", "robot"}, "0\nfd00::1\n10.0.0.1\n", MAY_SHOW},
	{{"ping", "robot"}, "1\n\33[2J", FAILS},
	{{"status"}, "0\nlab: joined\n", MAY_SHOW},
};

#define OBEYED "\"\\u007f\\u001b[2J\\u009b2J\\u202e\""

/* What a value makes up must not stand where a line begins, nor a value's end be half a character.
 */
#define FORGED "forged"
#define LONG_16 "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
#define LONG_128 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16
#define LONG LONG_128 LONG_128 LONG_128 LONG_128 LONG_128 LONG_128 LONG_128 LONG_128 LONG_128

#define HTTP "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"

static const struct lie of_hubs[] = {
	{{"status"}, "", FAILS},
	{{"status"}, "\1\2\3\r\n\r\n", FAILS},
	{{"status"}, "HTTP/1.1 999 \33[2J\r\n\r\n", FAILS},
	{{"status"}, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", FAILS},
	{{"status"}, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", FAILS},
	{{"status"}, HTTP "{", FAILS},
	{{"status"}, HTTP "\"text\"", FAILS},
	{{"status"}, HTTP "{\"version\": \"\377\"}", FAILS},
	{{"status"}, HTTP "{} {}", FAILS},
	{{"status"}, "HTTP/1.1 500 x\r\n\r\n{\"error\": \"\\u001b[2J\"}", FAILS},
	{{"status"}, HTTP "{\"version\": \"\\u001b[2J\", \"host\": \"\\u009b2J\"}", MAY_SHOW},
	{{"status"}, HTTP "{\"networks\": \"a\", \"version\": 1, \"host\": []}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": {}}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": [1, null, {\"name\": \"\\u001bc\"}]}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": [{\"tags\": [1, \"\\u001bc\", {}]}]}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": [{\"seen\": -9223372036854775808}]}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": [{\"name\": \"a\\n" FORGED "\"}]}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": [{\"tags\": [\"a\\r\\n" FORGED "\"]}]}", MAY_SHOW},
	{{"node", "list"}, HTTP "{\"nodes\": [{\"tags\": [\"" LONG "\"]}]}", MAY_SHOW},
	{{"node", "show", "lab", "a"}, HTTP "{\"hostname\": \"a\\n" FORGED "\"}", MAY_SHOW},
	{{"why", "a", "b", "--network", "lab"},
		HTTP "{\"line\": 1, \"rule\": \"allow\\t*\\n" FORGED "\"}", MAY_SHOW},
	{{"network", "list"}, HTTP "{\"networks\": [{\"node_ttl\": -1}]}", MAY_SHOW},
	{{"admin", "list"}, HTTP "{\"admins\": [{\"name\": \"a\\r\\u001b[2J\"}]}", MAY_SHOW},
	{{"audit", "list"}, HTTP "{\"events\": [{\"before\": \"\\u007f\\u009b\"}]}", MAY_SHOW},
	{{"audit", "export"}, HTTP "{\"events\": [{\"before\": " OBEYED "}]}", FAILS},
	{{"audit", "export"}, HTTP "{\"events\": [{\"id\": 7}]}", FAILS},
	{{"audit", "export"}, HTTP "{\"events\": [{\"id\": 7}, {\"id\": 7}]}", FAILS},
	{{"audit", "export"}, HTTP "{\"events\": [{\"id\": 9223372036854775807}]}", FAILS},
	{{"audit", "export"}, HTTP "{\"events\": [7]}", FAILS},
	{{"audit", "export"}, HTTP "{\"events\": []}", MAY_SHOW},
	{{"audit", "list", "--json"}, HTTP "{\"events\": [{\"before\": " OBEYED "}]}", MAY_SHOW},
	{{"node", "list", "--json"}, HTTP "{" OBEYED ": " OBEYED "}", MAY_SHOW},
	{{"policy", "show", "lab", "--json"}, HTTP "{\"text\": " OBEYED "}", MAY_SHOW},
	{{"policy", "show", "lab"}, HTTP "{\"text\": \"allow\\u001b[2J\"}", FAILS},
	{{"policy", "show", "lab"}, HTTP "{\"text\": \"allow\\u001b[2J\"}", MAY_KEEP},
	{{"policy", "show", "lab"}, HTTP "{\"text\": 7}", MAY_SHOW},
};

static char folder[4000];
const char client_self[] = "test/neighbours/fuzz_neighbours";

void client_find_programs(void)
{
	(void)!readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	dirname(dirname(dirname(folder)));
}

const char *client_program(const char *name)
{
	static char path[sizeof(folder) + sizeof(client_self)];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static const struct lie *find(unsigned client, uint64_t number)
{
	const size_t num = client == CLIENT_OF_AGENT ? ARRAY_SIZE(of_agents) : ARRAY_SIZE(of_hubs);

	if (number >= num || (client == CLIENT_OF_HUB && num_hub_pairs == 0))
		return NULL;
	return client == CLIENT_OF_AGENT ? &of_agents[number] : &of_hubs[number];
}

bool client_has(unsigned client, uint64_t number)
{
	return find(client, number) != NULL;
}

/* A ping which is content with anything, so that who asks it must not be. */
static void make_ping(void)
{
	(void)mkdir(PING_PATH, 0755);
	(void)!symlink("/bin/true", PING_PATH "/ping");
}

/* --- the command ----------------------------------------------------- */

static int listen_here(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unlink(SOCKET_PATH);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		perror(SOCKET_PATH);
	return fd;
}

static noreturn void become(unsigned client, const struct lie *lie, int output)
{
	const char *argv[WORDS + 4] = {
		client_program(client == CLIENT_OF_HUB ? "adit-hub" : "adit")};
	size_t num = 1;

	while (num <= WORDS && lie->words[num - 1]) {
		argv[num] = lie->words[num - 1];
		num++;
	}
	if (client == CLIENT_OF_HUB) {
		argv[num++] = "--socket";
		argv[num] = SOCKET_PATH;
	}
	setenv("ADIT_AGENT_SOCKET", SOCKET_PATH, 1);
	setenv("PATH", PING_PATH, 1);
	dup2(output, STDOUT_FILENO);
	execv(argv[0], (char **)(uintptr_t)argv);
	perror(argv[0]);
	_exit(127);
}

/* Hear a question, and lie. Returns whether there was one. */
static bool answer(int listen_fd, const struct lie *lie)
{
	char request[REQUEST_MAX];
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	bool is_asked = fd >= 0 && read(fd, request, sizeof(request)) > 0;

	if (fd >= 0) {
		(void)!send(fd, lie->reply, strlen(lie->reply), MSG_NOSIGNAL);
		close(fd);
	}
	return is_asked;
}

/* Tell the same lie until the command ends. Returns how many questions there were. */
static unsigned serve(int listen_fd, pid_t pid, const struct lie *lie)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[] = {
		{.fd = pidfd, .events = POLLIN}, {.fd = listen_fd, .events = POLLIN}};
	unsigned num = 0;

	while (num < QUESTIONS_MAX && poll(fds, ARRAY_SIZE(fds), WAIT_MS) > 0 &&
		fds[0].revents == 0)
		num += answer(listen_fd, lie);
	close(pidfd);
	return num;
}

static const char *judge(const struct lie *lie, int status, const char *log)
{
	if (!WIFEXITED(status))
		return "the command was killed";
	if (lie->wanted != MAY_KEEP && !text_is_plain(log, strlen(log)))
		return "the command shows what a terminal obeys";
	if (strstr(log, "\n" FORGED))
		return "the command shows a line that a value makes up";
	if (strstr(log, "Sanitizer") || strstr(log, "runtime error"))
		return "a sanitizer reports";
	if (WEXITSTATUS(status) > 1)
		return "its exit status is strange";
	return (WEXITSTATUS(status) == 0) == (lie->wanted != FAILS)
		       ? NULL
		       : "the command takes a lie for the truth, or the truth for a lie";
}

/* Put what the command wrote to its terminal, where nobody writes any more, into the log. */
static void empty_terminal(int terminal, int log_fd)
{
	char output[4096];
	ssize_t len;

	while ((len = read(terminal, output, sizeof(output))) > 0)
		(void)!write(log_fd, output, (size_t)len);
	close(terminal);
}

const char *client_run(unsigned client, uint64_t number, const char **ret_log)
{
	const struct lie *lie = find(client, number);
	int saved, status, listen_fd = listen_here(), log_fd, terminal, output;
	unsigned num_questions;
	bool has_ended;
	pid_t pid;

	if (openpty(&terminal, &output, NULL, NULL, NULL) < 0)
		return "there is no terminal";
	make_ping();
	fflush(stdout);
	log_fd = log_begin(&saved);
	pid = fork();
	if (pid == 0)
		become(client, lie, lie->wanted == MAY_KEEP ? log_fd : output);
	log_end(saved);
	close(output);
	num_questions = serve(listen_fd, pid, lie);
	close(listen_fd);
	has_ended = tunnel_await_exit(pid, &status);
	empty_terminal(terminal, log_fd);
	*ret_log = log_read(log_fd);
	close(log_fd);
	if (!has_ended || num_questions == QUESTIONS_MAX)
		return "the command does not end";
	return num_questions > 0 ? judge(lie, status, *ret_log) : "the command asks nothing";
}
