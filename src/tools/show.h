/* SPDX-License-Identifier: MIT
 *
 * The two long forms of `adit show`.
 */
#ifndef ADIT_TOOLS_SHOW_H
#define ADIT_TOOLS_SHOW_H

#include "config/config.h"

/* Whether secrets are shown to a person who didn't ask for them: WG_HIDE_KEYS is "never". */
bool show_reveals_keys(void);

/* Print a device the way `wg show` does, its peers sorted by their latest handshake. Colours are
 * as WG_COLOR_MODE says ("always", "never"), otherwise for terminals. */
void show_pretty(const struct config *config);

/* Print a device as a JSON object, without a newline. Secrets are there only if revealed. */
void show_json(const struct config *config);

#endif
