/* SPDX-License-Identifier: MIT
 *
 * A store in a directory of its own, and what tests of it say most often.
 */
#ifndef ADIT_TEST_STORE_FIXTURE_H
#define ADIT_TEST_STORE_FIXTURE_H

#include "overlay/store/store.h"

enum { NOW_S = 1800000000 };

struct fixture {
	char folder[64], path[96];
	struct store *store;
};

/* cmocka's setup and teardown: *state is a struct fixture with an open store. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Close and open the store again. */
void fixture_reopen(struct fixture *f);

/* Fails the test with store_error() unless r is expected. */
void expect(const struct store *store, int r, int expected);
/* Run SQL on the file by another connection, without any of our settings. */
void raw_sql(const struct fixture *f, const char *sql);
/* The same, and return SQLite's result. */
int raw_try(const struct fixture *f, const char *sql);
/* The first column of its first row. */
int64_t raw_int(const struct fixture *f, const char *sql);
void raw_text(const struct fixture *f, const char *sql, char *ret_text, size_t size);

void fill_key(uint8_t ret_key[KEY_LEN], unsigned number);
struct network add_network(struct store *store, const char *name);
/* Unlimited and pre-approved, its bytes fill_key(number). */
struct join_key_info add_key(struct store *store, const struct network *network, unsigned number);
struct enrol_request enrol_request(const char *network, const char *hostname, unsigned join_key);
/* Enrol the node with key fill_key(number), by join key 1. */
struct node enrol(
	struct store *store, const struct network *network, const char *hostname, unsigned number);

#endif
