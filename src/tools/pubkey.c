/* SPDX-License-Identifier: MIT
 *
 * `adit pubkey`: the public key of a private key.
 */
#include "tools/tools.h"

#include <stdio.h>

#include "base/encoding.h"
#include "crypto/dh.h"
#include "tools/input.h"

int pubkey_main(int argc, char *argv[])
{
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	char base64[KEY_BASE64_LEN + 1];
	const char *reason;

	(void)argv;
	if (argc != 1)
		return USAGE;
	if (input_read_key(stdin, private_key, &reason) != 0) {
		complain("stdin: %s", reason);
		return 1;
	}
	dh_public(public_key, private_key);
	wipe(private_key, sizeof(private_key));
	key_to_base64(base64, public_key);
	puts(base64);
	return finish_output();
}
