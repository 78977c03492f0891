/* SPDX-License-Identifier: MIT
 *
 * The config-file grammar of wg(8): sections [Interface] and [Peer], one "Key = Value" a line,
 * keys in any case, white space anywhere, comments from '#' to the end of the line.
 */
#ifndef ADIT_CONFIG_FILE_H
#define ADIT_CONFIG_FILE_H

#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"

enum config_file_mode {
	CONFIG_FILE_REPLACE, /* the file is all there is: what it doesn't say is cleared */
	CONFIG_FILE_APPEND,  /* the file adds to what is there */
};

/* Parse the text of a file; name is for messages. Returns 0; or a negative errno, with ret_config
 * empty and a message that names file, line, key and what was expected (never a secret). */
MUST_CHECK int config_file_parse(const char *data, size_t len, const char *name,
	enum config_file_mode mode, const struct config_callbacks *callbacks,
	struct config *ret_config, char ret_message[CONFIG_MESSAGE_LEN]);

/* Write config as a file, byte for byte as `wg showconf`. */
void config_file_write(struct text *text, const struct config *config);

#endif
