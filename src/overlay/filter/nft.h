/* SPDX-License-Identifier: MIT
 *
 * libnftables, as the filter needs it: a script in, what it printed or complained about out, and
 * news of changes to a table.
 */
#ifndef ADIT_OVERLAY_FILTER_NFT_H
#define ADIT_OVERLAY_FILTER_NFT_H

#include "base/bytes.h"

/* Run a script; all of it or nothing takes effect. *ret_text, to be freed by the caller: what it
 * printed or, after an error, what nftables said (NULL: no memory for it). Returns 0, -EPERM,
 * -EOPNOTSUPP, -ENOMEM or -EIO. Nothing is kept from one run to the next: the library's cache of a
 * host's rules can be large. */
MUST_CHECK int nft_run(const char *script, char **ret_text);

/* A non-blocking socket that hears of every change to the host's tables, or a negative errno. */
MUST_CHECK int nft_watch(void);

/* Read all that is waiting there. Returns whether something of this table may be gone. */
bool nft_is_changed(int fd, const char *table);

#endif
