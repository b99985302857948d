// SPDX-License-Identifier: GPL-2.0
#include "iou_kmbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int kmbuf_syscall(struct io_uring *ring, unsigned int op,
			 struct io_uring_kmbuf_reg *reg)
{
	int ret = syscall(__NR_io_uring_register, ring->ring_fd, op, reg, 1);

	return ret < 0 ? -errno : ret;
}

/* mmap() offset of the last ring of each group */
static unsigned long long offsets[IORING_KMBUF_MAX_GROUPS];

int kmbuf_register(struct io_uring *ring, struct io_uring_kmbuf_reg *reg)
{
	int ret = kmbuf_syscall(ring, IORING_REGISTER_KMBUF_RING, reg);

	if (!ret)
		offsets[reg->bgid] = reg->mmap_offset;
	return ret;
}

int kmbuf_unregister(struct io_uring *ring, unsigned int bgid)
{
	struct io_uring_kmbuf_reg reg = { .bgid = bgid };

	return kmbuf_syscall(ring, IORING_UNREGISTER_KMBUF_RING, &reg);
}

int kmbuf_setup_bytes(struct io_uring *ring, unsigned int bgid,
		      unsigned int entries, unsigned int bytes,
		      unsigned int flags)
{
	struct io_uring_kmbuf_reg reg = {
		.buf_size = bytes,
		.ring_entries = entries,
		.bgid = bgid,
		.flags = flags,
	};

	return kmbuf_register(ring, &reg);
}

int kmbuf_setup(struct io_uring *ring, unsigned int bgid, unsigned int entries,
		unsigned int pages, unsigned int flags)
{
	return kmbuf_setup_bytes(ring, bgid, entries,
				 pages * sysconf(_SC_PAGESIZE), flags);
}

unsigned long long kmbuf_offset(unsigned int bgid)
{
	return offsets[bgid];
}

void *kmbuf_mmap(struct io_uring *ring, unsigned int bgid, size_t size,
		 int prot)
{
	return mmap(NULL, size, prot, MAP_SHARED, ring->ring_fd,
		    kmbuf_offset(bgid));
}

static int ring_cmd(struct test_ring *tr, int fd, unsigned int op,
		    struct io_uring_mock_kmbuf_ring *arg)
{
	return mock_cmd(tr, fd, op, arg, sizeof(*arg));
}

int kmbuf_pin(struct test_ring *tr, int fd, unsigned int bgid)
{
	struct io_uring_mock_kmbuf_ring arg = { .bgid = bgid };

	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_PIN, &arg);
}

int kmbuf_unpin(struct test_ring *tr, int fd, int pin)
{
	struct io_uring_mock_kmbuf_ring arg = { .handle = pin };

	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_UNPIN, &arg);
}

int kmbuf_is_ring(struct test_ring *tr, int fd, unsigned int bgid)
{
	struct io_uring_mock_kmbuf_ring arg = { .bgid = bgid };

	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_IS, &arg);
}

int kmbuf_on_ring(struct test_ring *tr, int fd, int pin, unsigned int bgid)
{
	struct io_uring_mock_kmbuf_ring arg = { .handle = pin, .bgid = bgid };

	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_ON, &arg);
}

int kmbuf_info(struct test_ring *tr, int fd, int pin,
	       struct io_uring_mock_kmbuf_ring *info)
{
	*info = (struct io_uring_mock_kmbuf_ring) { .handle = pin };
	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_INFO, info);
}

int kmbuf_select(struct test_ring *tr, int fd, int pin)
{
	struct io_uring_mock_kmbuf_ring arg = { .handle = pin };

	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_SELECT, &arg);
}

int kmbuf_recycle(struct test_ring *tr, int fd, int pin, unsigned int bid)
{
	struct io_uring_mock_kmbuf_ring arg = { .handle = pin, .bid = bid };

	return ring_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_RECYCLE, &arg);
}

int kmbuf_stress(struct test_ring *tr, int fd, int pin, unsigned int cycles,
		 struct io_uring_mock_kmbuf_cycles *result)
{
	*result = (struct io_uring_mock_kmbuf_cycles) {
		.handle = pin,
		.cycles = cycles,
	};
	return mock_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_STRESS, result,
			sizeof(*result));
}

int kmbuf_exchange(struct test_ring *tr, int fd, int pin, unsigned int bid,
		   size_t offset, unsigned long long new,
		   unsigned long long *old)
{
	struct io_uring_mock_kmbuf_exchange arg = {
		.handle = pin,
		.bid = bid,
		.offset = offset,
		.new = new,
	};
	int ret;

	ret = mock_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_RING_EXCHANGE, &arg,
		       sizeof(arg));
	*old = arg.old;
	return ret;
}

int kmbuf_fdinfo(struct io_uring *ring, char *buf, size_t size)
{
	unsigned int tries;
	char name[16];

	snprintf(name, sizeof(name), "%d", ring->ring_fd);
	/*
	 * fdinfo is incomplete while a polling thread has the io_uring's lock
	 */
	for (tries = 0; tries < 5000; tries++) {
		if (!test_read_file("/proc/self/fdinfo", name, buf, size))
			return -EIO;
		if (strstr(buf, "KmbufRings:\n"))
			return 0;
		usleep(1000);
	}
	return -EAGAIN;
}

long kmbuf_fdinfo_field(struct io_uring *ring, unsigned int bgid,
			const char *field)
{
	char buf[16384], start[16], name[16], *line, *value;

	if (kmbuf_fdinfo(ring, buf, sizeof(buf)))
		return -EIO;
	snprintf(start, sizeof(start), "\n%5u: id=", bgid);
	snprintf(name, sizeof(name), " %s=", field);
	line = strstr(buf, "KmbufRings:\n");
	line = line ? strstr(line, start) : NULL;
	if (!line)
		return -ENOENT;
	*strchrnul(line + 1, '\n') = 0;
	value = strstr(line, name);
	return value ? atol(value + strlen(name)) : -ENOENT;
}
