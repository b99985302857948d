/* SPDX-License-Identifier: GPL-2.0 */
/* What the io_uring tests share: rings of every kind, and the mock consumer. */
#ifndef IOU_TEST_H
#define IOU_TEST_H

/* the kernel's own headers first: liburing brings older ones, same guards */
#include <linux/io_uring.h>
#include <linux/io_uring/query.h>
#include <linux/io_uring/mock_file.h>
#include <linux/io_uring/mock_kmbuf.h>
#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* Directions of a kernel buffer, as in the kernel's enum */
#define BUF_DEST	1
#define BUF_SOURCE	2

#define NR_SLOTS	8

/* A ring and the flags for its requests */
struct test_ring {
	struct io_uring	ring;
	unsigned int	sqe_flags;
};

/* A ring with an empty table of NR_SLOTS buffers. 0 or -errno. */
int test_ring_init(struct test_ring *tr, unsigned int setup_flags,
		   unsigned int sqe_flags);
/* Likewise, with @entries and a table of @slots, or none */
int test_ring_init_sized(struct test_ring *tr, unsigned int entries,
			 unsigned int slots, unsigned int setup_flags,
			 unsigned int sqe_flags);
void test_ring_exit(struct test_ring *tr);

/*
 * Issue one request: test_sqe() returns a cleared entry, test_submit() submits
 * it after it was filled in, test_wait() waits for one completion. Failures of
 * the ring itself, which no test expects, end the program.
 */
struct io_uring_sqe *test_sqe(struct test_ring *tr);
void test_submit(struct test_ring *tr);
int test_wait(struct test_ring *tr);
/* Does a completion arrive within @ms milliseconds? It is not consumed. */
bool test_wait_for(struct test_ring *tr, unsigned int ms);
/* Submit a prepared request, wait for it, and return its result */
int test_submit_wait(struct test_ring *tr);

/* A fixed read or write of a registered buffer: its result or -errno */
int test_rw_fixed(struct test_ring *tr, bool write, int fd, unsigned int index,
		  unsigned long addr, unsigned int len, long long offset);

/*
 * The mock consumer. Needs root and CONFIG_IO_URING_MOCK_FILE; mock_create()
 * returns an fd or -errno, -ENOENT or -EPERM if one of them is missing.
 */
int mock_create(unsigned int nr_folios, unsigned int order);
/* Likewise, with IORING_MOCK_KMBUF_KMALLOC */
int mock_create_flags(unsigned int nr_folios, unsigned int order,
		      unsigned int flags);
/* The reason to skip a test if mock_create() returned @fd, or NULL */
const char *mock_missing(int fd);
void mock_prep(struct test_ring *tr, int fd, unsigned int op, void *arg,
	       size_t size);
int mock_cmd(struct test_ring *tr, int fd, unsigned int op, void *arg,
	     size_t size);

/* Fill @bvs with @nr whole pages in order, from page 0 on */
void mock_bvecs_linear(struct io_uring_mock_bvec *bvs, unsigned int nr);
int mock_register(struct test_ring *tr, int fd,
		  const struct io_uring_mock_bvec *bvs, unsigned int nr,
		  unsigned int index, unsigned int dir);
/* Likewise, to be granted and revoked: the consumer's @nr-th buffer, from 0 */
int mock_lend(struct test_ring *tr, int fd,
	      const struct io_uring_mock_bvec *bvs, unsigned int nr,
	      unsigned int index, unsigned int dir);
int mock_grant(struct test_ring *tr, int fd, unsigned int nr);
int mock_revoke(struct test_ring *tr, int fd, unsigned int nr);
int mock_unregister(struct test_ring *tr, int fd, unsigned int index);
int mock_copy_in(struct test_ring *tr, int fd, const void *from,
		 size_t offset, size_t len);
int mock_copy_out(struct test_ring *tr, int fd, void *to, size_t offset,
		  size_t len);

/* The consumer's counters, read through a ring of their own */
struct io_uring_mock_kmbuf_stats mock_stats(int fd);
/* Wait up to ten seconds for @nr releases: a ring's exit is asynchronous */
bool mock_wait_released(int fd, unsigned int nr);

/*
 * Write a string to a file of a kernel file system, in one call; and read from
 * one as much as it has, or as fits
 */
bool test_write_file(const char *dir, const char *name, const char *value);
bool test_read_file(const char *dir, const char *name, char *buf, size_t size);

/* Wait until a process has this state, the letter in /proc/PID/stat */
bool test_wait_state(pid_t pid, char state, unsigned int ms);
/* Stop a process, and wait until it has stopped: it may do something before */
bool test_stop(pid_t pid, unsigned int ms);

/* A consumer with one page to lend, and a pipe to fill it from */
struct mock_page {
	struct io_uring_mock_bvec	bv;
	unsigned int			len;
	int				pipe[2];
	int				fd;
};

/* 0, or as mock_create() */
int mock_page_create(struct mock_page *page);
void mock_page_destroy(struct mock_page *page);
int mock_page_lend(struct mock_page *page, struct test_ring *tr,
		   unsigned int slot);

/* Zeroed memory shared with child processes, or NULL; free with munmap() */
void *shared_alloc(size_t size);

/* Time since some point in the past */
long long test_now_ns(void);
long long test_now_ms(void);

/* Wait until the condition is true; false if it is not within @ms milliseconds */
#define WAIT_FOR(cond, ms) ({						\
	const long long __end = test_now_ms() + (ms);			\
	bool __true;							\
									\
	while (!(__true = (cond)) && test_now_ms() < __end)		\
		usleep(1000);						\
	__true;								\
})

/* Bytes that differ at every offset and for every @seed */
void fill_pattern(unsigned char *buf, size_t len, unsigned int seed);
bool check_pattern(const unsigned char *buf, size_t len, unsigned int seed,
		   size_t offset);
unsigned char pattern_at(unsigned int seed, size_t offset);

#endif
