// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring and its rings of kernel-managed buffers. This uses system calls
 * only: liburing is one of the things to probe.
 */
#include "probe.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers are older. Layouts: linux/io_uring/{query,kmbuf}.h */
#define REGISTER_QUERY		35
#define REGISTER_KMBUF_RING	38
#define UNREGISTER_KMBUF_RING	39
#define QUERY_KMBUF		4

#define CAP_IPC_LOCK		14

struct query_header {
	uint64_t next_entry, query_data;
	uint32_t query_op, size;
	int32_t result;
	uint32_t resv[3];
};

struct query_kmbuf {
	uint32_t register_flags, max_entries, max_bgid, buf_alignment;
	uint64_t resv[2];
};

struct kmbuf_reg {
	uint32_t buf_size, resv0, ring_entries;
	uint16_t bgid, flags;
	uint32_t fixed_index, resv1;
	uint64_t mmap_offset, resv2;
};

#define KMBUF_KERNEL \
	"boot a kernel with this series: linux-image-*-kmbuf, made by \"make deb\""

static long do_register(int fd, unsigned int op, void *arg, unsigned int nr)
{
	return syscall(__NR_io_uring_register, fd, op, arg, nr) ? -errno : 0;
}

int probe_ring_open(struct probe_ring *ring)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	size_t size;

	ring->fd = syscall(__NR_io_uring_setup, 1, &p);
	if (ring->fd < 0)
		return -errno;
	/* one mapping for both queues: IORING_FEAT_SINGLE_MMAP is older */
	size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	if (size < p.sq_off.array + p.sq_entries * sizeof(unsigned int))
		size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	ring->rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, p.sq_entries * 128, PROT_READ | PROT_WRITE,
			  MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->rings == MAP_FAILED || ring->sqes == MAP_FAILED) {
		close(ring->fd);
		return -ENOMEM;
	}
	ring->sq_tail = p.sq_off.tail;
	ring->sq_array = p.sq_off.array;
	ring->cqes = p.cq_off.cqes;
	return ring->fd;
}

/* The mappings go with the process. */
void probe_ring_close(struct probe_ring *ring)
{
	close(ring->fd);
}

int probe_ring_command(struct probe_ring *ring, int fd, uint32_t op,
		       const void *cmd, size_t size)
{
	unsigned int *tail = (unsigned int *)(ring->rings + ring->sq_tail);
	unsigned int *array = (unsigned int *)(ring->rings + ring->sq_array);
	struct io_uring_cqe *cqe =
		(struct io_uring_cqe *)(ring->rings + ring->cqes);
	struct io_uring_sqe *sqe = ring->sqes;

	memset(sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	/* cmd_op is in a union with off */
	sqe->off = op;
	/* in an entry of 128 bytes, the command has 80, from addr3 on */
	memcpy(&sqe->addr3, cmd, size);
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) < 0)
		return -errno;
	return __atomic_load_n(&cqe->res, __ATOMIC_ACQUIRE);
}

static void say_no_ring(int error)
{
	char disabled[16] = "?";

	probe_read_line("/proc/sys/kernel/io_uring_disabled", disabled,
			sizeof(disabled));
	if (error == -EPERM)
		probe_say(PROBE_NO, "io_uring",
			  "sysctl -w kernel.io_uring_disabled=0; in a container, allow io_uring in its seccomp profile",
			  "not allowed: kernel.io_uring_disabled is %s",
			  disabled);
	else if (error == -ENOSYS)
		probe_say(PROBE_NO, "io_uring",
			  "boot a kernel with CONFIG_IO_URING=y; in a container, allow io_uring in its seccomp profile",
			  "the kernel has no io_uring");
	else
		probe_say(PROBE_NO, "io_uring",
			  "boot Linux 5.19 or newer; if memory is the reason, raise \"ulimit -l\"",
			  "cannot be set up: %s", strerror(-error));
}

static bool query(void)
{
	struct query_kmbuf limits = { };
	struct query_header header = {
		.query_op = QUERY_KMBUF,
		.query_data = (uintptr_t)&limits,
		.size = sizeof(limits),
	};
	long ret = do_register(-1, REGISTER_QUERY, &header, 0);

	if (ret || header.result < 0) {
		probe_say(PROBE_NO, "kernel-managed buffers", KMBUF_KERNEL,
			  "the kernel does not support them");
		return false;
	}
	probe_say(PROBE_YES, "kernel-managed buffers", NULL,
		  "up to %u buffers per ring, group ids up to %u", limits.max_entries,
		  limits.max_bgid);
	return true;
}

/* Map the buffers, write to all of them, and read the last byte back. */
static bool works(int fd, const struct kmbuf_reg *reg)
{
	size_t size = (size_t)reg->buf_size * reg->ring_entries;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    reg->mmap_offset);
	bool same;

	if (memory == MAP_FAILED)
		return false;
	memset(memory, 0x5a, size);
	same = memory[size - 1] == 0x5a;
	munmap(memory, size);
	return same;
}

static void try_ring(int fd)
{
	struct kmbuf_reg reg = { .buf_size = 65536, .ring_entries = 4 };
	struct kmbuf_reg unreg = { };
	long ret = do_register(fd, REGISTER_KMBUF_RING, &reg, 1);

	if (ret == -ENOMEM) {
		probe_say(PROBE_NO, "kernel-managed buffer ring",
			  "raise RLIMIT_MEMLOCK, see \"locked memory\" below",
			  "cannot lock 256 KiB: out of memory, or over RLIMIT_MEMLOCK");
		return;
	}
	if (ret) {
		probe_say(PROBE_NO, "kernel-managed buffer ring", KMBUF_KERNEL,
			  "registration refused: %s", strerror(-ret));
		return;
	}
	if (works(fd, &reg) &&
	    !do_register(fd, UNREGISTER_KMBUF_RING, &unreg, 1))
		probe_say(PROBE_YES, "kernel-managed buffer ring", NULL,
			  "256 KiB registered, mapped, written, unregistered");
	else
		probe_say(PROBE_NO, "kernel-managed buffer ring", KMBUF_KERNEL,
			  "cannot be mapped, written or unregistered");
}

void probe_uring(void)
{
	struct probe_ring ring;
	int ret = probe_ring_open(&ring);

	if (ret < 0) {
		say_no_ring(ret);
		return;
	}
	probe_say(PROBE_YES, "io_uring", NULL, "entries of 128 bytes");
	if (query())
		try_ring(ring.fd);
	probe_ring_close(&ring);
}

/*
 * libfuse has a queue per CPU, each with 3 MiB of buffers and some memory for
 * headers. With a lower limit it goes down to one buffer of 128 KiB a queue.
 */
void probe_memlock(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	unsigned long long most = (3072 + 256) * (unsigned long long)cpus;
	unsigned long long least = (128 + 256) * (unsigned long long)cpus;
	const char *remedy =
		"raise LimitMEMLOCK= of the service, or memlock in /etc/security/limits.conf";
	struct rlimit limit;
	unsigned long long kib;

	if (probe_has_cap(CAP_IPC_LOCK)) {
		probe_say(PROBE_YES, "locked memory", NULL,
			  "no limit (CAP_IPC_LOCK); libfuse locks up to %llu KiB",
			  most);
		return;
	}
	if (getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY) {
		probe_say(PROBE_YES, "locked memory", NULL, "no limit");
		return;
	}
	kib = limit.rlim_cur / 1024;
	probe_say(kib >= least ? kib >= most ? PROBE_YES : PROBE_NO_MATTER :
				 PROBE_NO,
		  "locked memory", kib >= most ? NULL : remedy,
		  "RLIMIT_MEMLOCK is %llu KiB; libfuse on %ld CPUs locks %llu KiB, at least %llu",
		  kib, cpus, most, least);
}
