/* SPDX-License-Identifier: MIT
 *
 * Asking the vault, as engine and door do.
 */
#ifndef ADIT_TUNNEL_VAULT_CLIENT_H
#define ADIT_TUNNEL_VAULT_CLIENT_H

#include "core/noise.h"

/* Have the vault at fd mix a secret into chaining keys, as struct noise_keys has it. Ends this
 * process when the vault is gone, or answers something else than it was asked. */
void vault_mix(int fd, enum noise_secret secret, struct noise_mix *mixes, unsigned num);

#endif
