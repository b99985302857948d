/* SPDX-License-Identifier: GPL-2.0 */
/* For test programs in which the commit of a reply is a write to a pipe. */
#ifndef URING_ANSWER_H
#define URING_ANSWER_H

#include "unit.h"

#include <poll.h>
#include <stdint.h>

static int answers[2];

/* The number of the next reply that has been committed; -1 if there is none in time */
static inline int answer(int ms)
{
	struct pollfd poll_fd = { .fd = answers[0], .events = POLLIN };
	uint64_t id;

	if (poll(&poll_fd, 1, ms) != 1)
		return -1;
	CHECK(read(answers[0], &id, 8) == 8);
	return id;
}

#endif /* URING_ANSWER_H */
