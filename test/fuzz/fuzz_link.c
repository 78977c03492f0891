/* SPDX-License-Identifier: MIT
 *
 * Join links, which people paste from anywhere. What is accepted means the same after it was
 * written and read again. The same input also becomes a node's name.
 */
#include <stdlib.h>

#include "overlay/wire/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), written[JOIN_LINK_TEXT_LEN], name[NODE_NAME_MAX + 1];
	struct join_link link, again;
	const char *error = NULL;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (join_link_parse(&link, text, &error) == 0) {
		require(!error && network_name_is_valid(link.network) && link.port != 0);
		join_link_write(written, &link);
		require(join_link_parse(&again, written, &error) == 0);
		require(bytes_equal(&link, &again, sizeof(link)));
	} else {
		require(error != NULL);
	}
	node_name_from_hostname(name, text);
	require(node_name_is_valid(name));
	free(text);
	return 0;
}
