/* SPDX-License-Identifier: MIT
 *
 * No hub.
 */
#include "hub.h"
#include "launcher.h"

const struct pair hub_pairs[1];
const size_t num_hub_pairs = 0;

const struct role *hub_role(unsigned survivor)
{
	(void)survivor;
	return NULL;
}

bool hub_make_fds(struct subject *subject, int *fds, unsigned *num)
{
	(void)subject, (void)fds, (void)num;
	return false;
}

bool hub_set_up(struct session *session)
{
	(void)session;
	return false;
}

bool hub_may_say(const struct session *session, enum end end, size_t len)
{
	(void)session, (void)end, (void)len;
	return false;
}

void hub_listen(struct session *session, enum end end, const void *message, size_t len)
{
	(void)session, (void)end, (void)message, (void)len;
}

void hub_knock(struct session *session)
{
	(void)session;
}

bool hub_answers(struct session *session)
{
	(void)session;
	return false;
}

bool hub_begin(void)
{
	return true;
}

void hub_roles_main(int argc, char *argv[])
{
	(void)argc, (void)argv;
}

const struct launcher_liar launcher_liars[1];
const size_t num_launcher_liars = 0;

bool launcher_has(unsigned liar, uint64_t number)
{
	(void)liar, (void)number;
	return false;
}

const char *launcher_run(unsigned liar, uint64_t number, const char **ret_log)
{
	(void)liar, (void)number, (void)ret_log;
	return NULL;
}
