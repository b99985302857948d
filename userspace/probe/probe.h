/* SPDX-License-Identifier: GPL-2.0 */
/* kmbuf-probe: checks features of kernel and libraries by trying them. */
#ifndef KMBUF_PROBE_H
#define KMBUF_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum probe_answer {
	PROBE_YES,
	PROBE_NO,
	/* could not be tried */
	PROBE_UNKNOWN,
	/* missing, but not needed */
	PROBE_NO_MATTER,
};

/* One line of the report; @remedy is NULL for PROBE_YES. */
void probe_say(enum probe_answer answer, const char *what, const char *remedy,
	       const char *detail, ...)
	__attribute__((format(printf, 4, 5)));

/* Each reports its lines, independently of the others. */
void probe_uring(void);
void probe_memlock(void);
void probe_fuse(void);
void probe_ublk(void);
void probe_libraries(void);

/* The first line of a file, without its newline; false if there is none. */
bool probe_read_line(const char *path, char *line, size_t size);
bool probe_has_cap(unsigned int cap);

/* An io_uring with one entry of 128 bytes. Returns its file, or -errno. */
struct probe_ring {
	int fd;
	void *sqes;
	char *rings;
	unsigned int sq_tail, sq_array, cqes;
};
int probe_ring_open(struct probe_ring *ring);
void probe_ring_close(struct probe_ring *ring);
/* Runs the command in the one entry; returns its result, or -errno. */
int probe_ring_command(struct probe_ring *ring, int fd, uint32_t op,
		       const void *cmd, size_t size);

#endif
