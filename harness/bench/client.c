// SPDX-License-Identifier: GPL-2.0
/*
 * The program whose reads or writes are measured. It does little else, and marks the
 * begin and the end of the measured stretch (mark.h).
 */
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define HUGE_PAGE	(2UL << 20)

static const char usage_text[] =
	"usage: client FILE read|write direct|buffered SIZE DEPTH NUMBER\n"
	"              huge|small sequential|random\n"
	"\n"
	"NUMBER operations of SIZE bytes, one after the other in FILE and again\n"
	"from its start, or in an order that only looks like chance and is always\n"
	"the same; DEPTH at a time; from and to memory in huge pages, or in small\n"
	"ones. Prints what time it took by the CPU's counter.\n";

struct client {
	const char	*path;
	bool		write;
	bool		direct;
	bool		huge;
	bool		random;
	size_t		size;
	unsigned int	depth;
	unsigned int	number;

	int		fd;
	off_t		file_size;
	unsigned char	*memory;
	struct io_uring	ring;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(error));
	exit(1);
}

static bool parse(int argc, char **argv, struct client *c)
{
	if (argc != 9)
		return false;
	c->path = argv[1];
	c->write = !strcmp(argv[2], "write");
	c->direct = !strcmp(argv[3], "direct");
	c->size = strtoul(argv[4], NULL, 0);
	c->depth = atoi(argv[5]);
	c->number = atoi(argv[6]);
	c->huge = !strcmp(argv[7], "huge");
	c->random = !strcmp(argv[8], "random");
	return (c->write || !strcmp(argv[2], "read")) &&
	       (c->direct || !strcmp(argv[3], "buffered")) &&
	       (c->huge || !strcmp(argv[7], "small")) &&
	       (c->random || !strcmp(argv[8], "sequential")) &&
	       c->size && c->depth && c->number >= c->depth;
}

static void open_file(struct client *c)
{
	c->fd = open(c->path, (c->write ? O_WRONLY : O_RDONLY) |
		     (c->direct ? O_DIRECT : 0));
	if (c->fd < 0)
		die(c->path, errno);
	/* a disk has no st_size */
	c->file_size = lseek(c->fd, 0, SEEK_END);
	if (c->file_size % c->size || c->file_size < (off_t)c->size)
		die("a file of such pieces", EINVAL);
	/* a second read would come from the page cache */
	if (!c->write && !c->direct &&
	    c->file_size / c->size < c->number)
		die("a file as large as what is to be read", EINVAL);
}

static void make_memory(struct client *c)
{
	size_t size = c->size * c->depth;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (c->huge) {
		size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
		flags |= MAP_HUGETLB;
	}
	c->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (c->memory == MAP_FAILED)
		die("memory", errno);
	if (!c->huge && madvise(c->memory, size, MADV_NOHUGEPAGE))
		die("small pages", errno);
	memset(c->memory, 0x5a, size);
}

static void forget_pages(struct client *c)
{
	int ret;

	if (c->direct || c->write)
		return;
	ret = posix_fadvise(c->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (ret)
		die("posix_fadvise", ret);
}

/*
 * The place in the file. No place repeats before all others were used, as the number
 * of places and the multiplier, a prime, have no common divisor.
 */
static off_t place_in_file(const struct client *c, unsigned int number)
{
	const unsigned long nr_places = c->file_size / c->size;

	if (c->random)
		return number * 1000003UL % nr_places * c->size;
	return number % nr_places * c->size;
}

/* One operation; number selects its place in the file, place that in memory */
static void queue(struct client *c, unsigned int number, unsigned int place)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	const off_t offset = place_in_file(c, number);
	unsigned char *at = c->memory + place * c->size;

	if (c->write)
		io_uring_prep_write(sqe, c->fd, at, c->size, offset);
	else
		io_uring_prep_read(sqe, c->fd, at, c->size, offset);
	sqe->user_data = place;
}

static void run(struct client *c, unsigned int number)
{
	unsigned int queued, done = 0;
	struct io_uring_cqe *cqe;

	for (queued = 0; queued < c->depth; queued++)
		queue(c, queued, queued);
	while (done < number) {
		int ret = io_uring_submit_and_wait(&c->ring, 1);

		if (ret < 0)
			die("io_uring_submit_and_wait", -ret);
		while (!io_uring_peek_cqe(&c->ring, &cqe)) {
			const unsigned int place = cqe->user_data;

			if (cqe->res != (int)c->size)
				die("not all of an operation",
				    cqe->res < 0 ? -cqe->res : EIO);
			io_uring_cqe_seen(&c->ring, cqe);
			done++;
			if (queued < number)
				queue(c, queued++, place);
		}
	}
}

int main(int argc, char **argv)
{
	struct client c = { };
	uint64_t start, end;
	int ret;

	if (!parse(argc, argv, &c)) {
		fputs(usage_text, stderr);
		return 2;
	}
	open_file(&c);
	make_memory(&c);
	ret = io_uring_queue_init(c.depth, &c.ring,
				  IORING_SETUP_SINGLE_ISSUER |
				  IORING_SETUP_DEFER_TASKRUN);
	if (ret)
		die("io_uring_queue_init", -ret);
	/* the first time everything takes longer */
	run(&c, c.depth);
	forget_pages(&c);

	mark(MARK_BEGIN);
	start = __rdtsc();
	run(&c, c.number);
	end = __rdtsc();
	mark(MARK_END);

	printf("%llu\n", (unsigned long long)(end - start));
	return 0;
}
