/* SPDX-License-Identifier: MIT
 *
 * The words of `adit set IFNAME …`, as wg(8) has them. Secrets are never words: private-key and
 * preshared-key take the path of a file.
 */
#ifndef ADIT_CONFIG_ARGUMENTS_H
#define ADIT_CONFIG_ARGUMENTS_H

#include "config/config.h"
#include "config/settings.h"

/* Parse the words behind the interface's name. Returns 0; or a negative errno, with ret_config
 * empty and a message that names the word and what was expected. */
MUST_CHECK int config_arguments_parse(char *const words[], size_t num_words,
	const struct config_callbacks *callbacks, struct config *ret_config,
	char ret_message[CONFIG_MESSAGE_LEN]);

#endif
