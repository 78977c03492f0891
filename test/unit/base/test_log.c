/* SPDX-License-Identifier: MIT
 *
 * Log lines: levels, prefix, one whole line whatever is in it.
 */
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static char caught[4096];

/* Run log calls with stderr caught; a datagram socket keeps every write apart. Returns the
 * number of writes; `caught` holds the last. */
static int catch_stderr(void (*run)(void))
{
	int saved = dup(STDERR_FILENO), fds[2], num = 0;
	ssize_t len;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_true(saved >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
	run();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	while ((len = recv(fds[0], caught, sizeof(caught) - 1, 0)) >= 0) {
		caught[len] = '\0';
		num++;
	}
	close(saved);
	close(fds[0]);
	close(fds[1]);
	return num;
}

static void run_error(void)
{
	log_error("port %d: %s", 51820, "in use");
}

static void run_debug(void)
{
	log_debug("shown");
}

static void run_control(void)
{
	log_error("%s", "a\nadit: forged\x1b[31m\x7f\xc3\xa4");
}

static void run_long(void)
{
	log_error("%02000d", 1);
}

static void test_lines(void **state)
{
	(void)state;
	assert_int_equal(catch_stderr(run_error), 1);
	assert_string_equal(caught, "adit: port 51820: in use\n");
	log_set_prefix("adit: wg0: engine");
	assert_int_equal(catch_stderr(run_error), 1);
	assert_string_equal(caught, "adit: wg0: engine: port 51820: in use\n");
	assert_int_equal(catch_stderr(run_control), 1);
	assert_string_equal(caught, "adit: wg0: engine: a?adit: forged?[31m?\xc3\xa4\n");
	assert_int_equal(catch_stderr(run_long), 1);
	assert_int_equal(strlen(caught), 1025);
	assert_int_equal(caught[1024], '\n');
	log_set_prefix("0123456789012345678901234567890123456789012345678901234567890123456789");
	assert_int_equal(catch_stderr(run_error), 1);
	assert_string_equal(caught,
		"012345678901234567890123456789012345678901234567890123456789012"
		": port 51820: in use\n");
}

/* A caller may log between a failure and its look at errno, even when the write fails. */
static void test_errno_is_kept(void **state)
{
	int saved = dup(STDERR_FILENO), kept;

	(void)state;
	close(STDERR_FILENO);
	errno = EBADMSG;
	log_error("nowhere");
	kept = errno;
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	assert_int_equal(kept, EBADMSG);
}

static void test_levels(void **state)
{
	(void)state;
	assert_int_equal(catch_stderr(run_debug), 0);
	log_set_level(LOG_LEVEL_DEBUG);
	assert_int_equal(catch_stderr(run_debug), 1);
	assert_int_equal(catch_stderr(run_error), 1);
	log_set_level(LOG_LEVEL_SILENT);
	assert_int_equal(catch_stderr(run_debug), 0);
	assert_int_equal(catch_stderr(run_error), 0);
	log_set_level(LOG_LEVEL_ERROR);
}

static void test_level_from_text(void **state)
{
	(void)state;
	assert_int_equal(log_level_from_text("verbose"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_from_text("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_from_text("silent"), LOG_LEVEL_SILENT);
	assert_int_equal(log_level_from_text("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from_text("Debug"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from_text(""), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from_text(NULL), LOG_LEVEL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_errno_is_kept),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_level_from_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
