/* SPDX-License-Identifier: MIT
 *
 * For tests that need Linux networking of their own: a fresh network namespace for the test
 * process, gone with it. Without the rights for one, such tests say so and are skipped.
 */
#ifndef ADIT_TEST_NETNS_H
#define ADIT_TEST_NETNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Run one shell command; whether it succeeded. */
static inline bool shell(const char *command)
{
	return system(command) == 0;
}

/* Run a shell command until it succeeds, for two seconds: the kernel finishes addresses and links
 * in the background. */
static inline bool shell_await(const char *command)
{
	for (int i = 0; i < 200; i++) {
		if (shell(command))
			return true;
		usleep(10000);
	}
	return false;
}

static inline bool netns_enter(void)
{
	return unshare(CLONE_NEWNET) == 0 && access("/dev/net/tun", R_OK | W_OK) == 0 &&
	       shell("ip link set lo up");
}

/* First thing in a test: go to a fresh namespace, or skip the test. */
#define NETNS_OR_SKIP()                                                                       \
	do {                                                                                  \
		if (!netns_enter()) {                                                         \
			print_message("SKIPPED %s: needs root and /dev/net/tun\n", __func__); \
			skip();                                                               \
		}                                                                             \
	} while (0)

#endif
