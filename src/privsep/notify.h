/* SPDX-License-Identifier: MIT
 *
 * Word to the service manager.
 */
#ifndef ADIT_PRIVSEP_NOTIFY_H
#define ADIT_PRIVSEP_NOTIFY_H

/* Tell systemd, if it started us and wants to know, that we are ready. */
void notify_ready(void);

#endif
