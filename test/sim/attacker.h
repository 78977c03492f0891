/* SPDX-License-Identifier: MIT
 *
 * An attacker on the path: it sees all datagrams, keeps them, also over reboots and changes of
 * keys, and sends them again, altered or not.
 */
#ifndef ADIT_SIM_ATTACKER_H
#define ADIT_SIM_ATTACKER_H

void attacker_start(void);
void attacker_end(void);
void attacker_strikes(void);

#endif
