/* SPDX-License-Identifier: MIT
 *
 * A hostile peer: it has valid keys of its own, and with them sends anything to those it knows. Its
 * own core runs beside, and gives it sessions to abuse.
 */
#ifndef ADIT_SIM_INSIDER_H
#define ADIT_SIM_INSIDER_H

#include "network.h"

void insider_start(void);
void insider_strikes(struct host *insider);

/* It receives a cookie reply. */
void insider_receives(struct host *insider, const struct datagram *datagram);

#endif
