/* SPDX-License-Identifier: MIT
 *
 * What a process gives up before it sees its first outside byte.
 */
#ifndef ADIT_PRIVSEP_SANDBOX_H
#define ADIT_PRIVSEP_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Says "uid:gid" to the roles: whom they become. */
#define SANDBOX_ENV_USER "ADIT_USER"

/* A system call that is allowed with one value of one argument (counted from 0), which is an int to
 * the kernel. */
struct sandbox_exception {
	int call;
	unsigned argument;
	uint32_t value;
};

/* Where a process that starts programs may write, and they: a file; any files in a folder; or
 * sockets in a folder. */
struct sandbox_place {
	enum { SANDBOX_FILE, SANDBOX_FILES, SANDBOX_SOCKETS } kind;
	const char *path;
};

/* What a process keeps. All zero is the least: memory, what it has open, messages, time. */
struct sandbox {
	bool keeps_user;     /* stays root, in its root directory, when its parent dies too */
	bool has_no_secrets; /* its memory may be swapped */
	/* It starts programs, which inherit all this: its bounding set of capabilities is what it
	 * keeps, as far as it has that; it may start processes (in no new namespace), and execute
	 * memory that cannot be written; it may read files, and its limits stay. */
	bool starts_programs;
	const struct sandbox_place *places; /* where that writes; what is not there is left out */
	size_t num_places;
	uint32_t capabilities; /* a mask: 1 << CAP_… */
	/* Starts threads, when everything but the limit on system calls is in force: they inherit
	 * it, and that limit is for all threads. NULL: none. */
	void (*start_threads)(void);
	const char *removable_dir; /* where files may be removed; NULL: nowhere */
	/* Its working directory, which is the user's, becomes its root directory, and there it may
	 * have files. */
	bool keeps_directory;
	/* Its descriptors must have numbers below: those it has, and room for what it opens or
	 * receives. 0: as it was. */
	unsigned max_descriptors;
	bool may_start_threads; /* later, too */
	const int *calls;	/* system calls besides the least, as libseccomp numbers them */
	size_t num_calls;
	const struct sandbox_exception *exceptions;
	size_t num_exceptions;
};

/* Enter the sandbox: no core dumps and no ptrace, memory locked and hidden, an empty root
 * directory, an unprivileged user, no capabilities, no_new_privs, no files where the kernel has
 * Landlock, no more processes and no longer files, any system call but the given kills, and so does
 * the death of a parent that may kill it; except for what the sandbox keeps. Ends the process when
 * a step fails that must not. */
void sandbox_enter(const struct sandbox *sandbox);

/* The part of it that keeps keys from swap, for a process that cannot enter it: lock memory, that
 * of later, too, where it may be locked without bound. */
void sandbox_lock_memory(void);

/* The last step alone, for one that has given up all else by itself: from now on any system call
 * but the sandbox's kills it. */
void sandbox_limit_calls(const struct sandbox *sandbox);

/* The part of it about limits: at most so much, for good, or what there is if that is less.
 * resource is an RLIMIT_…, name how an error calls it. Ends the process when it fails. */
void sandbox_limit(int resource, uint64_t most, const char *name);

/* The part of it about what programs may give: no capability but those of a mask. */
void sandbox_bound_capabilities(uint32_t mask);

/* The part of it about capabilities: no others than this mask of them. */
void sandbox_keep_capabilities(uint32_t mask);

/* Choose whom the roles become, and put it into SANDBOX_ENV_USER for them, unless whoever started
 * us has: the user "adit" if the machine has it, else "nobody". Asks the name service, so it is for
 * a process that waits for nobody yet. */
void sandbox_choose_user(void);

/* Whom the roles become. */
void sandbox_user(uid_t *ret_uid, gid_t *ret_gid);

/* Make /run/adit/empty, the root directory in the sandbox. Returns 0 or a negative errno. */
int sandbox_prepare(void);

#endif
