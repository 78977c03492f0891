/* SPDX-License-Identifier: MIT
 *
 * `adit-hub run` with real processes, in a network namespace of this one, and a stand-in for the
 * server (double.c): argv[1]; argv[2] is the `adit` command. What is on disk after the first start,
 * enrolment by datagrams, who may die, what ends with whom, and what is said when something is
 * wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "crypto/dh.h"
#include "machine.h"
#include "overlay/wire/enrol.h"
#include "overlay/wire/link.h"

enum { PATIENCE_MS = 10000, STEP_MS = 10 };

static const char *program, *tunnel_program;
static char dir[64], state_dir[96], socket_path[96], ifname[IFNAMSIZ];

/* --- a hub ----------------------------------------------------------- */

struct run {
	pid_t pid;
	int output; /* stdout and stderr; nonblocking */
	char text[8192];
	size_t len;
};

/* Read what it has said so far. */
static void listen_to(struct run *run)
{
	ssize_t n;

	while (run->len < sizeof(run->text) - 1 &&
		(n = read(run->output, run->text + run->len, sizeof(run->text) - 1 - run->len)) > 0)
		run->len += (size_t)n;
	run->text[run->len] = '\0';
}

static void await_text(struct run *run, const char *text)
{
	for (int i = 0; i < PATIENCE_MS / STEP_MS; i++) {
		listen_to(run);
		if (strstr(run->text, text))
			return;
		poll(NULL, 0, STEP_MS);
	}
	fail_msg("\"%s\" is not in \"%s\"", text, run->text);
}

static pid_t started[64]; /* to be killed when a test fails */
static unsigned num_started;

static struct run start(const char *option, const char *value)
{
	struct run run = {0};
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	run.pid = fork();
	assert_true(run.pid >= 0);
	if (run.pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execl(program, program, "run", "--state", state_dir, "--interface", ifname,
			"--host", "127.0.0.1", "--socket", socket_path, "--tunnel-program",
			tunnel_program, option, value, NULL);
		_exit(127);
	}
	started[num_started++] = run.pid;
	close(ends[1]);
	run.output = ends[0];
	fcntl(run.output, F_SETFL, O_NONBLOCK);
	return run;
}

/* Its exit status, or minus the signal; the rest of what it said is in text. */
static int await_end(struct run *run)
{
	int status = -1;

	for (int i = 0; i < PATIENCE_MS / STEP_MS; i++) {
		listen_to(run);
		if (waitpid(run->pid, &status, WNOHANG) == run->pid)
			break;
		status = -1;
		poll(NULL, 0, STEP_MS);
	}
	assert_int_not_equal(status, -1);
	listen_to(run);
	close(run->output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The pid of a role, 0 when there is none. */
static pid_t find_role(const char *role)
{
	char command[128];
	FILE *pipe;
	int pid = 0;

	snprintf(command, sizeof(command), "pgrep -n -f '^adit-%s %s$'", role, ifname);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	if (fscanf(pipe, "%d", &pid) != 1)
		pid = 0;
	pclose(pipe);
	return pid;
}

static void await_nothing_left(void)
{
	for (int i = 0; i < PATIENCE_MS / STEP_MS && if_nametoindex(ifname) != 0; i++)
		poll(NULL, 0, STEP_MS);
	assert_int_equal(if_nametoindex(ifname), 0);
	for (int i = 0; i < 100 && (find_role("server") || find_role("door") || find_role("vault"));
		i++)
		poll(NULL, 0, STEP_MS);
	assert_int_equal(find_role("server"), 0);
	assert_int_equal(find_role("door"), 0);
	assert_int_equal(find_role("vault"), 0);
}

static void stop(struct run *run)
{
	kill(run->pid, SIGTERM);
	assert_int_equal(await_end(run), 0);
	assert_int_not_equal(access(socket_path, F_OK), 0);
	await_nothing_left();
}

/* Tell the double something; its answer, or false when there is none. */
static bool tell_once(const char *word, char reply[1024])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n = -1;

	strcpy(addr.sun_path, socket_path);
	memset(reply, 0, 1024);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		write(fd, word, strlen(word)) > 0)
		n = read(fd, reply, 1023);
	close(fd);
	return n > 0;
}

static void await_ready(void)
{
	char reply[1024];

	for (int i = 0; i < PATIENCE_MS / STEP_MS; i++) {
		if (tell_once("host", reply))
			return;
		poll(NULL, 0, STEP_MS);
	}
	fail_msg("the hub does not answer");
}

/* --- a node ---------------------------------------------------------- */

static void read_public_key(const char *name, uint8_t ret_key[KEY_LEN])
{
	char path[128], text[KEY_BASE64_LEN + 1] = "";
	struct stat status;
	int fd;

	snprintf(path, sizeof(path), "%s/keys/%s", state_dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(read(fd, text, KEY_BASE64_LEN), KEY_BASE64_LEN);
	close(fd);
	assert_int_equal(key_from_base64(ret_key, text, KEY_BASE64_LEN), 0);
	dh_public(ret_key, ret_key);
}

/* Enrol at this address; a socket that is connected hears only what comes from there. Gives up
 * after so many tries, a fifth of a second each. */
static int enrol(const char *host, uint8_t first_of_join_key, unsigned tries,
	struct enrol_answer *ret_answer)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(ENROL_PORT)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(ENROL_PORT)};
	bool is_ipv6 = strchr(host, ':') != NULL;
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -EAGAIN;
	struct enrol_request request = {.version = ENROL_VERSION,
		.join_key = {first_of_join_key},
		.network = "robots",
		.hostname = "Robot_1.local"};
	struct enrol_initiator initiator = {0};
	uint8_t node_private[KEY_LEN] = {9}, hub_key[KEY_LEN], random[36], datagram[2048];
	struct message_enrol message;

	read_public_key("enrol.key", hub_key);
	assert_int_equal(is_ipv6 ? inet_pton(AF_INET6, host, &v6.sin6_addr)
				 : inet_pton(AF_INET, host, &v4.sin_addr),
		1);
	assert_int_equal(is_ipv6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
				 : connect(fd, (struct sockaddr *)&v4, sizeof(v4)),
		0);
	for (unsigned i = 0; i < tries && r != 0; i++) {
		struct pollfd answer = {.fd = fd, .events = POLLIN};

		assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
		assert_int_equal(enrol_create_request(&initiator, node_private, hub_key, &request,
					 random, clock_boottime_ns(), &message),
			0);
		assert_true(send(fd, "junk", 4, 0) == 4);
		assert_true(send(fd, &message, sizeof(message), 0) == sizeof(message));
		/* a late answer to an earlier request is none to this one */
		while (r != 0 && poll(&answer, 1, 200) > 0) {
			ssize_t n = recv(fd, datagram, sizeof(datagram), 0);

			r = n < 0 ? -errno
				  : enrol_consume_response(&initiator, datagram, (size_t)n,
					    clock_boottime_ns(), ret_answer);
		}
	}
	close(fd);
	return r;
}

/* --- tests ----------------------------------------------------------- */

static void test_first_start(void **state)
{
	struct run run = start("--port", "51820");
	struct stat status;
	char reply[1024], path[128];

	(void)state;
	await_ready();
	await_text(&run, "    adit-hub network add robots\n");
	await_text(&run, "    adit-hub key create robots\n");
	assert_int_equal(stat(state_dir, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0711);
	snprintf(path, sizeof(path), "%s/keys", state_dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_equal(status.st_uid, 0);
	snprintf(path, sizeof(path), "%s/db", state_dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_not_equal(status.st_uid, 0);
	assert_int_equal(stat(socket_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0666);
	assert_true(tell_once("tunnel", reply));
	assert_non_null(strstr(reply, "listen_port=51820\n"));
	assert_null(strstr(reply, "private_key"));
	assert_true(tell_once("host", reply));
	assert_string_equal(reply, "127.0.0.1");
	stop(&run);
	/* what to do next is said once */
	run = start("--port", "51820");
	await_ready();
	listen_to(&run);
	assert_string_equal(run.text, "");
	stop(&run);
}

static void test_enrolment(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "127.0.0.2", "::1"};
	struct run run = start("--port", "51820");
	struct enrol_answer answer = {0};
	uint8_t tunnel_key[KEY_LEN];
	uint32_t last = 0;

	(void)state;
	await_ready();
	read_public_key("tunnel.key", tunnel_key);
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		assert_int_equal(enrol(hosts[i], 0, 10, &answer), 0);
		assert_true(answer.node_id > last);
		last = answer.node_id;
		assert_string_equal(answer.name, "robot-1");
		assert_int_equal(answer.hub_port, 51820);
		assert_memory_equal(answer.hub_key, tunnel_key, KEY_LEN);
	}
	/* refused, and no verdict: silence in both cases */
	assert_int_not_equal(enrol("127.0.0.1", 0xff, 2, &answer), 0);
	assert_int_not_equal(enrol("127.0.0.1", 0xfe, 2, &answer), 0);
	assert_int_equal(enrol("127.0.0.1", 0, 10, &answer), 0);
	stop(&run);
}

static int connect_api(const char *host)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(API_PORT)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;

	inet_pton(AF_INET, host, &addr.sin_addr);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static bool has_guard(void)
{
	char command[160];

	snprintf(command, sizeof(command),
		"nft -p list table inet adit-%s 2>/dev/null | tr -d '\\n' | "
		"grep -q '0.0.0.0/0 . 6 . %d .*::/0 . 6 . %d '",
		ifname, API_PORT, API_PORT);
	return system(command) == 0;
}

/* Nodes reach the API of this machine and nothing else, from the tunnel's start to its end; who
 * flushes the firewall does not open it. */
static void test_guard(void **state)
{
	struct run run = start("--port", "51820"), second;

	(void)state;
	await_ready();
	assert_true(has_guard());
	second = start("--socket", "/dev/null");
	assert_int_equal(await_end(&second), 1);
	assert_true(has_guard());
	assert_int_equal(system("nft flush ruleset"), 0);
	await_text(&run, "they are back");
	assert_true(has_guard());
	stop(&run);
	assert_false(has_guard());
}

/* The node API is for those in the tunnel (and for us, at the hub's address in it). */
static void test_api_is_inside(void **state)
{
	struct run run = start("--port", "51820");

	(void)state;
	await_ready();
	assert_int_equal(connect_api("127.0.0.1"), -ECONNREFUSED);
	assert_int_equal(connect_api("100.64.0.1"), 0);
	stop(&run);
}

/* However the server dies, it is there again, with what it had stored; the rest goes on. */
static void test_server_dies(void **state)
{
	/* the last two are system calls that are killed, by other means than a sanitizer knows */
	static const char *const words[] = {
		NULL /* SIGKILL */, "crash", "misbehave", "exec", "socket"};
	const size_t num = ARRAY_SIZE(words) - (SANITIZED ? 2 : 0);
	struct run run = start("--port", "51820");
	uint64_t start_ns;
	unsigned ifindex;
	pid_t door, vault;
	struct enrol_answer answer;
	char reply[1024];

	(void)state;
	await_ready();
	ifindex = if_nametoindex(ifname);
	door = find_role("door");
	vault = find_role("vault");
	assert_int_equal(enrol("127.0.0.1", 0, 10, &answer), 0);
	for (size_t i = 0; i < num; i++) {
		uint32_t before = answer.node_id;
		pid_t server = find_role("server");

		assert_int_not_equal(server, 0);
		if (words[i])
			(void)tell_once(words[i], reply);
		else
			kill(server, SIGKILL);
		/* asked while it is away */
		assert_int_equal(enrol("127.0.0.1", 0, 50, &answer), 0);
		assert_true(answer.node_id > before);
		await_ready();
		assert_int_not_equal(find_role("server"), server);
	}
	/* as often as it likes, without more waiting each time */
	start_ns = clock_boottime_ns();
	for (int i = 0; i < 12; i++) {
		kill(find_role("server"), SIGKILL);
		await_ready();
	}
	assert_true(clock_boottime_ns() - start_ns < 15 * SECOND_NS);
	assert_int_equal(if_nametoindex(ifname), ifindex);
	assert_int_equal(find_role("door"), door);
	assert_int_equal(find_role("vault"), vault);
	listen_to(&run);
	assert_non_null(
		strstr(run.text, "the server died (signal 9, Killed): it is started again"));
	assert_true(SANITIZED || strstr(run.text, "a forbidden system call"));
	assert_non_null(strstr(run.text, "misbehaves"));
	stop(&run);
}

static void do_in_state(const char *what)
{
	char command[256];

	snprintf(command, sizeof(command), "cd %s && %s", state_dir, what);
	assert_int_equal(system(command), 0);
}

/* A server that cannot start leaves the rest alone, is tried again and again, and comes back when
 * it can. But at the very start of the hub that is the end. */
static void test_server_cannot_start(void **state)
{
	struct run run = start("--port", "51820");
	unsigned ifindex;

	(void)state;
	await_ready();
	ifindex = if_nametoindex(ifname);
	do_in_state("cp -a db keep && for f in db/hub.db*; do echo garbage >$f; done");
	kill(find_role("server"), SIGKILL);
	await_text(&run, "the server ended (status 1): it is started again");
	assert_int_equal(waitpid(run.pid, NULL, WNOHANG), 0);
	do_in_state("cp -a keep/* db");
	await_ready();
	assert_int_equal(if_nametoindex(ifname), ifindex);
	do_in_state("for f in db/hub.db*; do echo garbage >$f; done");
	stop(&run);
	run = start("--port", "51820");
	assert_int_equal(await_end(&run), 1);
	await_text(&run, "the server ended (status 1): the hub ends");
	await_nothing_left();
	do_in_state("cp -a keep/* db && rm -r keep");
}

/* Nor does a shortage end the rest: here the launcher may have no more descriptors for a while. */
static void test_server_cannot_be_started(void **state)
{
	struct rlimit before, none; /* none beyond those that poll() takes */
	struct run run = start("--port", "51820");
	unsigned ifindex;

	(void)state;
	await_ready();
	ifindex = if_nametoindex(ifname);
	assert_int_equal(prlimit(run.pid, RLIMIT_NOFILE, NULL, &before), 0);
	none = (struct rlimit){4, before.rlim_max};
	assert_int_equal(prlimit(run.pid, RLIMIT_NOFILE, &none, NULL), 0);
	kill(find_role("server"), SIGKILL);
	await_text(&run, "cannot start the server: Too many open files; it is tried again");
	assert_int_equal(waitpid(run.pid, NULL, WNOHANG), 0);
	assert_int_equal(prlimit(run.pid, RLIMIT_NOFILE, &before, NULL), 0);
	await_ready();
	assert_int_equal(if_nametoindex(ifname), ifindex);
	stop(&run);
}

static void test_server_is_confined(void **state)
{
	struct run run = start("--port", "51820");
	char reply[1024];
	uid_t uid;

	(void)state;
	await_ready();
	assert_true(tell_once("files", reply));
	assert_int_equal(sscanf(reply, "-1 -1 1 %u", &uid), 1);
	assert_int_not_equal(uid, 0);
	stop(&run);
}

static void assert_tunnel_hides_key(void)
{
	char reply[1024];

	assert_true(tell_once("tunnel", reply));
	assert_non_null(strstr(reply, "listen_port=51820\n"));
	assert_null(strstr(reply, "private_key"));
}

/* Its connection to the tunnel gives it no key, whatever it says there, nor does its successor's.
 */
static void test_server_sees_no_key(void **state)
{
	struct run run = start("--port", "51820");
	char reply[1024], command[256];

	(void)state;
	await_ready();
	snprintf(command, sizeof(command), "wg show %s private-key | grep -q =", ifname);
	assert_int_equal(system(command), 0); /* there is one */
	assert_tunnel_hides_key();
	assert_true(tell_once("uapi hide_keys=1\n\n", reply));
	assert_string_equal(reply, "errno=0\n\n");
	assert_tunnel_hides_key();
	assert_true(tell_once("uapi hide_keys=0\n\n", reply));
	assert_string_equal(reply, ""); /* hung up */
	kill(find_role("server"), SIGKILL);
	await_text(&run, "started again");
	await_ready();
	assert_tunnel_hides_key();
	stop(&run);
}

static void test_others_die(void **state)
{
	static const char *const roles[] = {"door", "vault", "monitor", "datapath"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		struct run run = start("--port", "51820");
		char word[64];

		await_ready();
		kill(find_role(roles[i]), SIGKILL);
		assert_int_equal(await_end(&run), 1);
		snprintf(word, sizeof(word), "the %s %s", i < 2 ? roles[i] : "tunnel",
			i < 2 ? "died" : "ended");
		/* the newest vault is the hub's; the tunnel's would end the tunnel */
		if (!strstr(run.text, word))
			fail_msg("%s: %s", word, run.text);
		await_nothing_left();
	}
}

static void test_launcher_dies(void **state)
{
	struct run run = start("--port", "51820");

	(void)state;
	await_ready();
	kill(run.pid, SIGKILL);
	assert_int_equal(await_end(&run), -SIGKILL);
	await_nothing_left();
	/* what it left behind is no obstacle */
	run = start("--port", "51820");
	await_ready();
	stop(&run);
}

static void test_complaints(void **state)
{
	struct run run = start("--port", "51820"), second;
	char command[256];

	(void)state;
	await_ready();
	second = start("--port", "51822");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "another hub is running with it"));
	stop(&run);

	second = start("--port", "0");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "port \"0\" is not a port"));
	second = start("--port", "51821");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "two different"));
	second = start("--colour", "red");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "there is no option \"colour\""));
	second = start("--port", NULL);
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "--port: not an option with its value"));
	second = start("--config", "/nonexistent");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "/nonexistent: No such file"));

	snprintf(command, sizeof(command),
		"printf '# a hub\\n\\nhost = a.b\\nprot = 5\\n' >%s/conf", dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/conf", dir);
	second = start("--config", command);
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "conf: line 4: there is no option \"prot\""));

	snprintf(command, sizeof(command), "chmod 644 %s/keys/enrol.key", state_dir);
	assert_int_equal(system(command), 0);
	second = start("--port", "51820");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "nobody else may read"));
	snprintf(command, sizeof(command),
		"cd %s/keys && chmod 600 enrol.key && cp enrol.key keep && echo x > enrol.key",
		state_dir);
	assert_int_equal(system(command), 0);
	second = start("--port", "51820");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "enrol.key is damaged"));
	snprintf(command, sizeof(command), "rm %s/keys/enrol.key", state_dir);
	assert_int_equal(system(command), 0);
	second = start("--port", "51820");
	assert_int_equal(await_end(&second), 1);
	assert_non_null(strstr(second.text, "enrol.key is missing"));
	snprintf(command, sizeof(command), "mv %s/keys/keep %s/keys/enrol.key", state_dir,
		state_dir);
	assert_int_equal(system(command), 0);
	run = start("--port", "51820");
	await_ready();
	stop(&run);
}

/* A file says what the command line does not. */
static void test_config(void **state)
{
	char command[256], path[128], reply[1024];
	struct run run;

	(void)state;
	snprintf(path, sizeof(path), "%s/conf", dir);
	snprintf(command, sizeof(command),
		"printf 'host = hub.example.org\\n\\tport=  6001 \\r\\n' >%s", path);
	assert_int_equal(system(command), 0);
	run = start("--config", path);
	await_ready();
	assert_true(tell_once("tunnel", reply));
	assert_non_null(strstr(reply, "listen_port=6001\n"));
	assert_true(tell_once("host", reply));
	assert_string_equal(reply, "127.0.0.1");
	stop(&run);
}

static void test_ready_is_notified(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd said = {.fd = fd, .events = POLLIN};
	char text[64] = "";
	struct run run;

	(void)state;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	run = start("--port", "51820");
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(poll(&said, 1, PATIENCE_MS), 1);
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "READY=1");
	await_ready();
	assert_int_equal(poll(&said, 1, 100), 0); /* once: not by the tunnel, too */
	stop(&run);
	close(fd);
}

static int kill_all(void **state)
{
	(void)state;
	while (num_started > 0) {
		pid_t pid = started[--num_started];

		if (waitpid(pid, NULL, WNOHANG) == 0) {
			kill(pid, SIGTERM);
			waitpid(pid, NULL, 0);
		}
	}
	return 0;
}

static int make_directory(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/adit-test-run-XXXXXX");
	if (!mkdtemp(dir) || crypto_init() < 0)
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	snprintf(socket_path, sizeof(socket_path), "%s/hub.sock", dir);
	snprintf(ifname, sizeof(ifname), "h4r%d", getpid() % 100000);
	return system("ip link set lo up");
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_first_start, kill_all),
		cmocka_unit_test_teardown(test_enrolment, kill_all),
		cmocka_unit_test_teardown(test_guard, kill_all),
		cmocka_unit_test_teardown(test_api_is_inside, kill_all),
		cmocka_unit_test_teardown(test_server_dies, kill_all),
		cmocka_unit_test_teardown(test_server_cannot_start, kill_all),
		cmocka_unit_test_teardown(test_server_cannot_be_started, kill_all),
		cmocka_unit_test_teardown(test_server_is_confined, kill_all),
		cmocka_unit_test_teardown(test_server_sees_no_key, kill_all),
		cmocka_unit_test_teardown(test_others_die, kill_all),
		cmocka_unit_test_teardown(test_launcher_dies, kill_all),
		cmocka_unit_test_teardown(test_complaints, kill_all),
		cmocka_unit_test_teardown(test_config, kill_all),
		cmocka_unit_test_teardown(test_ready_is_notified, kill_all),
	};

	if (argc != 3 || geteuid() != 0 || access("/dev/net/tun", W_OK) < 0 ||
		unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "needs root, /dev/net/tun and network namespaces\n");
		return 77; /* skipped */
	}
	program = realpath(argv[1], NULL);
	tunnel_program = realpath(argv[2], NULL);
	if (!program || !tunnel_program)
		return 1;
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
