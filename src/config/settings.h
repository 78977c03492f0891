/* SPDX-License-Identifier: MIT
 *
 * The settings a person writes, in a config file or as words of `adit set`: their names, what
 * their values may be, and how they get into the model. Both grammars share this one table.
 */
#ifndef ADIT_CONFIG_SETTINGS_H
#define ADIT_CONFIG_SETTINGS_H

#include "config/config.h"

enum { CONFIG_MESSAGE_LEN = 512 };

/* What the grammars ask of the world around them. Any of the functions may be NULL: names are then
 * not resolved, files not read, warnings dropped. */
struct config_callbacks {
	/* Resolve a host name, with a port number or service name. Returns 0, or a negative errno
	 * and *ret_reason, a text that need not be freed. */
	int (*resolve)(void *data, const char *host, const char *port,
		struct endpoint *ret_endpoint, const char **ret_reason);
	/* Read the file of a key; an empty one is the all-zero key. Returns the same way. */
	int (*read_key_file)(
		void *data, const char *path, uint8_t ret_key[KEY_LEN], const char **ret_reason);
	/* Show a warning about something that was accepted. */
	void (*warn)(void *data, const char *message);
	void *data;
};

/* Where a setting's value goes, and what was wrong with it. */
struct setting_target {
	const struct config_callbacks *callbacks;
	struct config *config;
	struct config_peer *peer; /* of peer settings */
	const char *where;	  /* what messages begin with */
	const char *bad;	  /* the wrong part of the value; NULL: all of it */
	const char *reason;	  /* what is wrong, if not that it isn't as expected */
};

struct setting {
	const char *key;      /* in a file, any case */
	const char *word;     /* in arguments */
	const char *expected; /* "a port number…" */
	bool is_peer;
	bool is_secret; /* its value is never shown; in arguments it is a file's path */
	/* Read a value, which it may cut to pieces. Returns 0, -EINVAL, or -ENOMEM. */
	int (*read)(struct setting_target *target, char *value);
	/* Of secrets: where the key goes, and the flag that says so. */
	void (*put_key)(struct setting_target *target, const uint8_t key[KEY_LEN]);
};

/* Find a setting by its key in a file, or by its word. NULL if there is none. */
const struct setting *setting_by_key(bool is_peer, const char *key, size_t key_len);
const struct setting *setting_by_word(bool is_peer, const char *word);

/* Write why a value was refused, after "where: name: ", where error is what read returned. */
void setting_explain(char ret_message[CONFIG_MESSAGE_LEN], const char *where, const char *name,
	const struct setting *setting, const struct setting_target *target, const char *value,
	int error);

/* Copy text without its white space. ret_text has room for len + 1 bytes and may be text. */
void setting_strip(char *ret_text, const char *text, size_t len);

/* Write an endpoint as `wg` shows it: the scope of a link-local address by its name. */
void setting_endpoint_to_text(char ret_text[ENDPOINT_TEXT_LEN], const struct endpoint *endpoint);

#endif
