/* SPDX-License-Identifier: MIT
 *
 * The agent's process: what it reads as root, then its networks on one loop.
 */
#include "overlay/agent/agent.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "overlay/agent/settings_file.h"
#include "overlay/agent/state.h"
#include "privsep/memory.h"

#define QUIET_NS (2 * SECOND_NS)
#define REST_NS (10 * SECOND_NS)
enum { TIMERS_MAX = AGENT_NETWORKS_MAX + 16, SETTINGS_FILE_MAX = 16 * 1024 };

/* A file of settings, read as root, to be understood afterwards. */
struct settings_file {
	char name[64];
	char text[SETTINGS_FILE_MAX];
	size_t len;
};

struct settings_files {
	struct settings_file *files; /* owned; to be wiped */
	size_t num;
};

static struct agent agent; /* one a process */

static void must(bool ok, const char *what, int error)
{
	if (!ok)
		role_fail(what, error);
}

/* --- settings --------------------------------------------------------- */

static bool is_settings_name(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && *name != '.' && len < sizeof(((struct settings_file *)0)->name) &&
	       strcmp(name + len - 5, ".conf") == 0;
}

static void read_settings_file(struct settings_files *files, int dir_fd, const char *name)
{
	struct settings_file *all = reallocarray(files->files, files->num + 1, sizeof(*all)), *file;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : 0;

	if (all) {
		files->files = all;
		file = &all[files->num];
		*file = (struct settings_file){0};
		memcpy(file->name, name, strlen(name)); /* is_settings_name has measured it */
		len = fd < 0 ? -1 : read(fd, file->text, sizeof(file->text));
		if (len == sizeof(file->text))
			log_error("%s: is too long", name);
		else if (len >= 0)
			file->len = (size_t)len;
		if (len >= 0 && len < (ssize_t)sizeof(file->text))
			files->num++;
	}
	if (len < 0)
		log_error("%s: %m", name);
	if (fd >= 0)
		close(fd);
}

static int filter_name(const struct dirent *entry)
{
	return is_settings_name(entry->d_name);
}

/* In the order of their names: of two about one network the first counts. */
static struct settings_files read_settings(const char *path)
{
	struct settings_files files = {0};
	struct dirent **entries = NULL;
	int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int num = dir_fd < 0 ? -1 : scandirat(dir_fd, ".", &entries, filter_name, alphasort);

	if (num < 0 && errno != ENOENT)
		log_error("%s: %m", path);
	for (int i = 0; i < num; i++) {
		if (files.num < AGENT_NETWORKS_MAX)
			read_settings_file(&files, dir_fd, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (dir_fd >= 0)
		close(dir_fd);
	return files;
}

static void complete(struct member_settings *settings)
{
	if (*settings->name == '\0')
		memcpy(settings->name, agent.hostname, sizeof(settings->name));
	if (*settings->ifname == '\0')
		memcpy(settings->ifname, settings->link.network, sizeof(settings->link.network));
}

static void add(const struct member_settings *settings)
{
	int r = agent_add(&agent, settings);

	must(r != -ENOMEM, settings->link.network, r); /* to be started again with all of them */
	if (r < 0)
		log_error("%s: %s", settings->link.network, strerror(-r));
}

static void add_configured(struct settings_files *files)
{
	for (size_t i = 0; i < files->num; i++) {
		const struct settings_file *file = &files->files[i];
		struct member_settings settings;
		const char *error;
		unsigned line;

		if (settings_file_parse(&settings, file->text, file->len, &line, &error) < 0) {
			log_error("%s:%u: %s", file->name, line, error);
			continue;
		}
		complete(&settings);
		if (agent_find(&agent, settings.link.network))
			log_error("%s: another file is for network %s already", file->name,
				settings.link.network);
		else
			add(&settings);
		wipe(&settings, sizeof(settings));
	}
	if (files->files)
		wipe(files->files, files->num * sizeof(*files->files));
	free(files->files);
}

/* Those that a person has joined. */
static void add_joined(void)
{
	char names[AGENT_NETWORKS_MAX][NETWORK_NAME_MAX + 1];
	int num = state_list(AGENT_FD_STATE, names, AGENT_NETWORKS_MAX);

	if (num < 0)
		log_error("the state folder cannot be read: %s", strerror(-num));
	for (int i = 0; i < num; i++) {
		struct member_settings settings;
		json_t *json;
		int r;

		if (agent_find(&agent, names[i]))
			continue;
		r = state_read(AGENT_FD_STATE, names[i], STATE_JOIN, &json);
		must(r != -ENOMEM, names[i], r);
		if (r < 0) {
			log_error("%s: what was joined cannot be read: %s", names[i], strerror(-r));
			continue;
		}
		if (member_settings_load(&settings, json) == 0 &&
			strcmp(settings.link.network, names[i]) == 0)
			add(&settings);
		else
			state_put_aside(AGENT_FD_STATE, names[i], STATE_JOIN,
				"it makes no sense; join again");
		json_decref(json);
	}
}

/* --- networks --------------------------------------------------------- */

struct network *agent_find(const struct agent *a, const char *name)
{
	for (unsigned i = 0; i < a->num_networks; i++) {
		if (strcmp(network_name(a->networks[i]), name) == 0)
			return a->networks[i];
	}
	return NULL;
}

int agent_add(struct agent *a, const struct member_settings *settings)
{
	struct member_settings completed = *settings;
	struct network *network;
	int r;

	if (a->num_networks == AGENT_NETWORKS_MAX)
		return -ENOSPC;
	complete(&completed);
	r = network_new(a, &completed, &network);
	wipe(&completed, sizeof(completed));
	if (r < 0)
		return r;
	a->networks[a->num_networks++] = network;
	network_start(network, clock_boottime_ns());
	return 0;
}

void agent_remove(struct agent *a, struct network *network)
{
	for (unsigned i = 0; i < a->num_networks; i++) {
		if (a->networks[i] == network) {
			a->networks[i] = a->networks[--a->num_networks];
			break;
		}
	}
	network_free(network);
}

static void remove_left(void)
{
	for (unsigned i = agent.num_networks; i-- > 0;) {
		struct network *network = agent.networks[i];
		uint64_t control_id;
		int r;

		if (!network_has_left(network, &control_id))
			continue;
		r = state_remove(AGENT_FD_STATE, network_name(network));
		if (r < 0)
			control_reply_words(agent.control, control_id, 1,
				"%s was left, but its files stay: %s\n", network_name(network),
				strerror(-r));
		else
			control_reply_words(agent.control, control_id, 0, "%s was left\n",
				network_name(network));
		agent_remove(&agent, network);
	}
}

/* --- events ----------------------------------------------------------- */

/* Of its content nothing matters: it is read until there is no more. */
static void addresses_changed(void *ctx, uint32_t events)
{
	char buffer[8192];

	(void)ctx;
	(void)events;
	while (recv(agent.netlink_fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		;
	for (unsigned i = 0; i < agent.num_networks; i++)
		member_addresses_changed(network_member(agent.networks[i]), clock_boottime_ns());
}

static void launcher_ready(void *ctx, uint32_t events)
{
	(void)ctx;
	(void)events;
	agent.ends = true; /* it says nothing by itself: it ends */
}

static int open_netlink(void)
{
	const struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -errno;
	}
	return fd < 0 ? -errno : fd;
}

/* --- life ------------------------------------------------------------- */

static void read_hostname(void)
{
	char hostname[256] = "";

	(void)gethostname(hostname, sizeof(hostname) - 1);
	node_name_from_hostname(agent.hostname, hostname);
}

static gid_t group_of_admins(void)
{
	const struct group *group = getgrnam("adit");

	return group ? group->gr_gid : (gid_t)-1;
}

static void watch(void)
{
	agent.netlink_fd = open_netlink();
	if (agent.netlink_fd < 0 ||
		loop_watch(agent.loop, agent.netlink_fd, EPOLLIN, addresses_changed, NULL) < 0)
		log_error("changes of addresses are not noticed: %s",
			strerror(agent.netlink_fd < 0 ? -agent.netlink_fd : EIO));
	must(loop_watch(agent.loop, AGENT_FD_LAUNCHER, EPOLLIN, launcher_ready, NULL) == 0,
		"launcher", -EIO);
}

/* When nothing has happened for a while, and nothing is to come soon, code is given back. */
static void turn(void)
{
	uint64_t now_ns = clock_boottime_ns(), next_ns = loop_next_timer(agent.loop);
	bool may_rest = !agent.rests && (next_ns == 0 || next_ns > now_ns + REST_NS);

	if (loop_run_once(agent.loop, may_rest ? now_ns + QUIET_NS : 0)) {
		agent.rests = false;
	} else if (may_rest) {
		memory_rest();
		agent.rests = true;
	}
}

void agent_main(const char *subject)
{
	const char *config_dir = getenv(AGENT_ENV_CONFIG);
	struct settings_files files;
	gid_t gid = group_of_admins();
	int r;

	(void)subject;
	log_set_prefix("adit-agent");
	must(config_dir, "environment", -EINVAL);
	files = read_settings(config_dir);
	r = crypto_init();
	must(r == 0, "libcrypto lacks an algorithm", r);
	must(curl_global_init(CURL_GLOBAL_NOTHING) == 0, "libcurl", -EIO);
	agent_confine();

	read_hostname();
	agent.loop = loop_new(TIMERS_MAX);
	must(agent.loop, "epoll", -ENOMEM);
	agent.http = http_new(agent.loop);
	must(agent.http, "libcurl", -ENOMEM);
	agent.control = control_new(agent.loop, AGENT_FD_CONTROL, gid, agent_request, &agent);
	must(agent.control, "control socket", -ENOMEM);
	watch();
	add_configured(&files);
	add_joined();
	while (!agent.ends) {
		turn();
		remove_left();
	}
	for (unsigned i = 0; i < agent.num_networks; i++)
		network_end(agent.networks[i]);
	_exit(0);
}
