/* SPDX-License-Identifier: MIT
 *
 * A tunnel that has no more than an interface and a UAPI socket, at which it lies to who started
 * it: a hub's launcher, or an agent.
 */
#ifndef ADIT_TEST_UAPI_DOUBLE_H
#define ADIT_TEST_UAPI_DOUBLE_H

#include <net/if.h>

#include "base/bytes.h"

enum uapi_client { UAPI_OF_LAUNCHER, UAPI_OF_AGENT };

/* Whether there is a lie of this number, from 0 on. */
bool uapi_double_has(enum uapi_client client, uint64_t number);

/* A tunnel of this name tells it. */
void uapi_double_name(char ret_ifname[IFNAMSIZ], enum uapi_client client, uint64_t number);

/* Remove its socket: it has no starter who would. */
void uapi_double_remove(const char *ifname);

/* If this process was started as such a tunnel (`run NAME`): be it; does not return then. */
void uapi_double_main(int argc, char *argv[]);

#endif
