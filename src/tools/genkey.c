/* SPDX-License-Identifier: MIT
 *
 * `adit genkey` and `adit genpsk`: new keys.
 */
#include "tools/tools.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "crypto/dh.h"

static int generate(bool is_private)
{
	uint8_t key[KEY_LEN];
	char base64[KEY_BASE64_LEN + 1];
	struct stat stat;
	int r;

	if (fstat(STDOUT_FILENO, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_mode & S_IRWXO)
		complain("warning: others can open the file the key is written to; "
			 "consider umask 077");
	if (getentropy(key, sizeof(key)) != 0) {
		complain("no random bytes: %m");
		return 1;
	}
	if (is_private)
		dh_clamp(key);
	key_to_base64(base64, key);
	puts(base64);
	r = finish_output();
	wipe(key, sizeof(key));
	wipe(base64, sizeof(base64));
	return r;
}

int genkey_main(int argc, char *argv[])
{
	(void)argv;
	return argc == 1 ? generate(true) : USAGE;
}

int genpsk_main(int argc, char *argv[])
{
	(void)argv;
	return argc == 1 ? generate(false) : USAGE;
}
