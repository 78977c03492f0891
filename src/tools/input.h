/* SPDX-License-Identifier: MIT
 *
 * What the config grammars ask of the world: host names, the files of keys, a place for warnings.
 */
#ifndef ADIT_TOOLS_INPUT_H
#define ADIT_TOOLS_INPUT_H

#include <stdio.h>

#include "base/text.h"
#include "config/settings.h"

/* The callbacks of the grammars: names are resolved by getaddrinfo, tried again as often as
 * WG_ENDPOINT_RESOLUTION_RETRIES says, warnings go to stderr. */
extern const struct config_callbacks input_callbacks;

/* Read a stream that holds a base64 key and then at most white space. Returns 0, or a negative
 * errno with ret_key untouched and *ret_reason set; -ENODATA when the stream is empty. */
MUST_CHECK int input_read_key(FILE *stream, uint8_t ret_key[KEY_LEN], const char **ret_reason);

/* Append the whole of a file to text. Returns 0 or a negative errno. */
MUST_CHECK int input_read_file(const char *path, struct text *text);

#endif
