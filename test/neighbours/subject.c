/* SPDX-License-Identifier: MIT
 *
 * Starting a role among scripted neighbours, and watching how it ends.
 */
#include "subject.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub.h"

struct devices devices = {-1, -1, -1};

enum { READY_TIMEOUT_S = 20, LOG_MAX = 1 << 16 };

int log_begin(int *ret_saved)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	*ret_saved = dup(STDERR_FILENO);
	if (fd < 0 || *ret_saved < 0 || dup2(fd, STDERR_FILENO) < 0)
		return -1;
	return fd;
}

void log_end(int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
}

const char *log_read(int log_fd)
{
	static char text[LOG_MAX];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

bool subject_add_pair(struct subject *s, enum end end, int *fds, unsigned *num)
{
	int pair[2];

	if (ipc_pair(pair) < 0)
		return false;
	s->ends[end] = pair[0];
	fds[(*num)++] = pair[1];
	return true;
}

/* Its descriptors, in the order of roles.h. */
static bool make_fds(struct subject *s, int *fds, unsigned *num)
{
	int page_fd;

	if (!subject_add_pair(s, END_MONITOR, fds, num) ||
		!subject_add_pair(s, END_FIRST, fds, num))
		return false;
	if (s->role == ROLE_VAULT)
		return true;
	if (s->role == ROLE_ENGINE && !subject_add_pair(s, END_SECOND, fds, num))
		return false;
	page_fd = status_create();
	s->page = page_fd < 0 ? NULL : status_map(dup(page_fd));
	if (!s->page)
		return false;
	fds[(*num)++] = page_fd;
	if (s->role == ROLE_DATAPATH) {
		if (!subject_add_pair(s, END_WANTED, fds, num))
			return false;
		fds[(*num)++] = dup(devices.tun);
	}
	return true;
}

bool subject_await_ready(const struct subject *s)
{
	struct ack ack = {0};
	int fd = s->ends[END_MONITOR];

	return ipc_limit_waiting(fd, READY_TIMEOUT_S) == 0 &&
	       ipc_receive(fd, &ack, sizeof(ack)) == 0 && ack.type == ACK_READY;
}

bool subject_start(struct subject *s, unsigned role)
{
	const struct role *started = role < ROLE_NUM ? &tunnel_roles[role] : hub_role(role);
	int fds[ROLE_MAX_FDS], saved;
	unsigned num = 0;

	*s = (struct subject){.role = role, .ends = {-1, -1, -1, -1}};
	if (!(role < ROLE_NUM ? make_fds(s, fds, &num) : hub_make_fds(s, fds, &num))) {
		perror("descriptors");
		return false;
	}
	s->log_fd = log_begin(&saved);
	s->pid = role_start(started, "fuzz0", fds, num);
	log_end(saved);
	for (unsigned i = 0; i < num; i++)
		close(fds[i]);
	if (s->pid <= 0)
		fprintf(stderr, "the %s does not start\n", started->name);
	return s->pid > 0;
}

bool subject_has_ended(struct subject *s)
{
	if (!s->is_reaped)
		s->is_reaped = waitpid(s->pid, &s->status, WNOHANG) == s->pid;
	return s->is_reaped;
}

const char *subject_log(const struct subject *s)
{
	return log_read(s->log_fd);
}

unsigned subject_count_fds(const struct subject *s)
{
	char path[32];
	unsigned num = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)s->pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		num++;
	if (dir)
		closedir(dir);
	return num;
}

void subject_close(struct subject *s, enum end end)
{
	if (s->ends[end] >= 0)
		close(s->ends[end]);
	s->ends[end] = -1;
}

void subject_stop(struct subject *s)
{
	for (int end = 0; end < NUM_ENDS; end++)
		subject_close(s, (enum end)end);
	if (s->pid > 0 && !s->is_reaped) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->page)
		munmap(s->page, sizeof(*s->page));
	close(s->log_fd);
}
