/* SPDX-License-Identifier: MIT
 *
 * Word to the service manager.
 */
#ifndef ADIT_PRIVSEP_NOTIFY_H
#define ADIT_PRIVSEP_NOTIFY_H

/* Tell systemd, if it started us and wants to know, that we are ready. */
void notify_ready(void);

/* The same in two steps, the first before a sandbox: the socket to tell it by, which the second
 * closes. -1: nobody wants to know. */
int notify_open(void);
void notify_ready_on(int fd);

#endif
