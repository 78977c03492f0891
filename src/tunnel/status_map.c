/* SPDX-License-Identifier: MIT
 *
 * Creating and mapping the status page.
 */
#include "tunnel/status_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int status_create(void)
{
	int fd = memfd_create("adit-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct status_page)) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

struct status_page *status_map(int fd)
{
	void *page = mmap(NULL, sizeof(struct status_page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_NORESERVE, fd, 0);

	close(fd);
	return page == MAP_FAILED ? NULL : page;
}
