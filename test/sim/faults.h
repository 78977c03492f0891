/* SPDX-License-Identifier: MIT
 *
 * What befalls hosts and their network. A fault that does not pass by itself is mended when its
 * time has come, or by faults_mend.
 */
#ifndef ADIT_SIM_FAULTS_H
#define ADIT_SIM_FAULTS_H

#include "life.h"

/* The scenario begins: some faults are in how hosts are made. */
void faults_make_host(struct host *host, unsigned faults);

/* One of these happens, if it can. */
void faults_strike(unsigned faults);

/* Nothing of it is left. */
void faults_mend(void);

#endif
