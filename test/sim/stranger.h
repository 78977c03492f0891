/* SPDX-License-Identifier: MIT
 *
 * Strangers who know addresses and public keys, and nothing else: they send all kinds of nonsense,
 * some with the right mac1, and get no more bytes back than they sent.
 */
#ifndef ADIT_SIM_STRANGER_H
#define ADIT_SIM_STRANGER_H

void stranger_strikes(void);

#endif
