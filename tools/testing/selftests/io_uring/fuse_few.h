/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Servers with fewer queues than there are CPUs: the first and the last CPU have a
 * queue, each with a server of its own, or there is one queue.
 */
#ifndef FUSE_FEW_H
#define FUSE_FEW_H

#include "fuse_hold.h"
#include "fuse_uring.h"

/* Far more than any step takes, also on a slow machine */
#define FUSE_FEW_STEP_MS	20000
#define FUSE_FEW_LARGE		65536
/* Asynchronous reads of a client, which are background requests */
#define FUSE_FEW_ASYNC		20
#define FUSE_FEW_ASYNC_SIZE	4096

/* The servers of the tests with a ring for each queue */
enum fuse_few_server {
	FUSE_FEW_FIRST,
	FUSE_FEW_LAST,
	/* starts when it is told to, and also has the last queue */
	FUSE_FEW_SPARE,
	FUSE_FEW_NR_SERVERS,
};

/* By the test and its servers */
struct fuse_few {
	/* bit Q: leave reads over queue Q unanswered */
	unsigned long long held;
	/* requests over io_uring, and over /dev/fuse */
	unsigned int	nr_over_ring;
	unsigned int	nr_over_dev;
	pid_t		pids[FUSE_FEW_NR_SERVERS];
	/* reply to reads from another io_uring as well; and the result of that */
	bool		from_another;
	int		foreign;
	/* those that the last queue has had */
	unsigned int	nr_rings;
	/* files that were closed, by the number of the queue: 0, or another */
	unsigned int	nr_released[2];
};

extern struct fuse_few *fuse_few;
/* starts the spare server */
extern int fuse_few_spare_fd;

/* The reason to skip a test that needs one CPU, or two, or NULL */
const char *fuse_few_unsuitable(bool two_cpus);
/* Are the first and the last CPU on the same node? */
bool fuse_few_one_node(void);
/* Before the mount, and after the end of all servers: 0 or -errno */
int fuse_few_init(struct fuse_test *ft, struct fuse_hold **hold);
void fuse_few_exit(struct fuse_hold *hold);

/* Fill in the rest, and mount with both queues: 0, or -errno and nothing is left */
int fuse_few_mount(struct fuse_test *ft, struct fuse_hold **hold);
/* Also fuse_few_exit(). As fuse_test_umount(). */
int fuse_few_umount(struct fuse_test *ft, struct fuse_hold *hold);
/* For ft->run: the servers, each in a process. Their pids are for @pids, if any. */
int fuse_few_run_all(struct fuse_test *ft, unsigned int nr_servers,
		     int (*run)(struct fuse_test *ft, unsigned int server),
		     pid_t *pids);
/* One of the servers, in this process */
int fuse_few_run_server(struct fuse_test *ft, unsigned int server);
/* The function that the servers call for each request */
int fuse_few_serve(const struct fuse_call *call);
pid_t fuse_few_pid(enum fuse_few_server server);
/* Kill a server, and wait until it has gone */
void fuse_few_kill(enum fuse_few_server server);

unsigned int fuse_few_last_queue(void);
/* Does the queue serve any CPUs? */
bool fuse_few_has_queue(const struct fuse_test *ft, unsigned int qid);
/* Does the queue serve all CPUs? */
bool fuse_few_has_all(const struct fuse_test *ft, unsigned int qid);
/* False if it is not online */
bool fuse_few_use_cpu(unsigned int cpu);

/* Start a client that reads, on a CPU of the last queue, or of the first one */
pid_t fuse_few_read(const struct fuse_test *ft, bool last, size_t len);
/* Open the file so that asynchronous reads need no other requests. -1 if it fails. */
int fuse_few_open(const struct fuse_test *ft);
/* As fuse_few_read(), with @nr asynchronous reads of such a file */
pid_t fuse_few_async(int fd, bool last, unsigned int nr, size_t len);
/* Likewise, and wait for it: 0 or -errno */
int fuse_few_async_do(int fd, bool last, unsigned int nr);
/* The limit counts no request that has ended: else it stops clients for ever */
bool fuse_few_limit_is_free(struct fuse_test *ft, int fd);

#endif
