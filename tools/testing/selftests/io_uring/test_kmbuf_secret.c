// SPDX-License-Identifier: GPL-2.0
/*
 * Userspace gets the number of a buffer and never its kernel address: not from
 * the buffers, a completion, fdinfo or a trace.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BGID		6
#define ENTRIES		16
#define INSTANCES	"/sys/kernel/tracing/instances"
#define TRACE_SIZE	(256 * 1024)

FIXTURE(kmbuf_secret)
{
	struct test_ring tr;
	char trace[64];
	size_t size;
	char *text;
	void *mem;
	int fd;
	int pin;
};

FIXTURE_SETUP(kmbuf_secret)
{
	if (sizeof(long) != 8)
		SKIP(return, "cannot tell kernel addresses on 32-bit");
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	self->text = malloc(TRACE_SIZE);
	self->size = ENTRIES * sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
	ASSERT_EQ(0, kmbuf_setup(&self->tr.ring, BGID, ENTRIES, 1, 0));
	self->mem = kmbuf_mmap(&self->tr.ring, BGID, self->size,
			       PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->pin = kmbuf_pin(&self->tr, self->fd, BGID);
	ASSERT_EQ(0, self->pin);
}

FIXTURE_TEARDOWN(kmbuf_secret)
{
	munmap(self->mem, self->size);
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, self->pin));
	test_ring_exit(&self->tr);
	close(self->fd);
	free(self->text);
	if (self->trace[0])
		EXPECT_EQ(0, rmdir(self->trace));
}

/* The upper bits of kernel addresses are all set */
static bool is_kernel_address(unsigned long long value)
{
	return value >> 47 == (1ULL << 17) - 1;
}

static bool has_address(const void *mem, size_t size)
{
	unsigned long long word;
	size_t i;

	for (i = 0; i + sizeof(word) <= size; i++) {
		memcpy(&word, mem + i, sizeof(word));
		/* small negative numbers are not addresses */
		if (is_kernel_address(word) && word < -4096ULL)
			return true;
	}
	return false;
}

/* Numbers in text, with 0x in front or without */
static bool text_has_address(const char *text)
{
	char *end;

	for (; *text; text++) {
		unsigned long long value;

		if (!strncmp(text, "0x", 2))
			text += 2;
		if (!isxdigit((unsigned char)*text))
			continue;
		value = strtoull(text, &end, 16);
		if (end - text == 16 && is_kernel_address(value))
			return true;
		text = end - 1;
	}
	return false;
}

static void use_all(struct __test_metadata *_metadata,
		    FIXTURE_DATA(kmbuf_secret) *self)
{
	int bid;

	for (bid = 0; bid < ENTRIES; bid++)
		ASSERT_EQ(bid, kmbuf_select(&self->tr, self->fd, self->pin));
	EXPECT_GT(0, kmbuf_select(&self->tr, self->fd, self->pin));
	for (bid = 0; bid < ENTRIES; bid++)
		ASSERT_EQ(0, kmbuf_recycle(&self->tr, self->fd, self->pin, bid));
}

/* The checks themselves detect an address */
TEST_F(kmbuf_secret, checks_work)
{
	unsigned long long word = 0xffff888012345678ULL;
	char buf[24] = { };

	memcpy(buf + 3, &word, sizeof(word));
	EXPECT_TRUE(has_address(buf, sizeof(buf)));
	EXPECT_TRUE(text_has_address("at 0xffffc90001234000, bid 3"));
	EXPECT_FALSE(text_has_address("ring 00000000a1b2c3d4, bid 3"));
}

TEST_F(kmbuf_secret, buffers)
{
	use_all(_metadata, self);
	EXPECT_FALSE(has_address(self->mem, self->size));
}

TEST_F(kmbuf_secret, completion)
{
	struct io_uring_mock_kmbuf_done arg = { .bid = 3, .res = 5 };
	struct io_uring_cqe *cqe;

	mock_prep(&self->tr, self->fd, IORING_MOCK_KMBUF_CMD_RING_DONE, &arg,
		  sizeof(arg));
	test_submit(&self->tr);
	ASSERT_EQ(0, io_uring_wait_cqe(&self->tr.ring, &cqe));
	EXPECT_FALSE(has_address(cqe, sizeof(*cqe)));
	io_uring_cqe_seen(&self->tr.ring, cqe);
}

TEST_F(kmbuf_secret, fdinfo)
{
	char *line;

	ASSERT_EQ(0, kmbuf_select(&self->tr, self->fd, self->pin));
	ASSERT_EQ(0, kmbuf_fdinfo(&self->tr.ring, self->text, TRACE_SIZE));
	EXPECT_FALSE(text_has_address(self->text));

	line = strstr(self->text, "KmbufRings:\n");
	ASSERT_NE(NULL, line);
	line += strlen("KmbufRings:\n");
	*strchrnul(line, '\n') = 0;
	EXPECT_EQ(0, strncmp(line, "    6: id=", 10)) {
		TH_LOG("%s", line);
	}
	EXPECT_NE(NULL, strstr(line, " entries=16 size=4096 flags=0 free=15 pins=1 whole=16")) {
		TH_LOG("%s", line);
	}
	EXPECT_EQ(0, kmbuf_recycle(&self->tr, self->fd, self->pin, 0));
}

/* The number of the ring of buffers in traces */
static bool ring_id(FIXTURE_DATA(kmbuf_secret) *self, unsigned int *id)
{
	const char *at;

	if (kmbuf_fdinfo(&self->tr.ring, self->text, TRACE_SIZE))
		return false;
	at = strstr(self->text, " 6: id=");
	return at && sscanf(at, " 6: id=%u", id) == 1;
}

/*
 * A private trace instance, of this process and its buffers only: other buffers
 * are recycled in interrupts, in which any process can be the current one.
 */
static bool trace_start(FIXTURE_DATA(kmbuf_secret) *self)
{
	static const char *const events[] = { "select", "recycle", "exhausted" };
	char dir[sizeof(self->trace)], name[80], filter[32];
	unsigned int i, id;
	int pid = getpid();

	snprintf(dir, sizeof(dir), INSTANCES "/kmbuf_secret.%d", pid);
	if (!ring_id(self, &id) || mkdir(dir, 0700))
		return false;
	strcpy(self->trace, dir);

	snprintf(filter, sizeof(filter), "common_pid == %d", pid);
	if (!test_write_file(dir, "events/io_uring/filter", filter))
		return false;
	snprintf(filter, sizeof(filter), "ring == %u", id);
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(name, sizeof(name),
			 "events/io_uring/io_uring_kmbuf_%s/filter", events[i]);
		if (!test_write_file(dir, name, filter))
			return false;
	}
	return test_write_file(dir, "events/io_uring/enable", "1");
}

static unsigned int count(const char *text, const char *word)
{
	unsigned int nr = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		nr++;
	}
	return nr;
}

TEST_F(kmbuf_secret, trace)
{
	if (access(INSTANCES, W_OK))
		SKIP(return, "needs tracefs");
	ASSERT_TRUE(trace_start(self));
	use_all(_metadata, self);
	ASSERT_TRUE(test_read_file(self->trace, "trace", self->text,
				   TRACE_SIZE));
	EXPECT_FALSE(text_has_address(self->text));
	EXPECT_EQ(ENTRIES, count(self->text, "io_uring_kmbuf_select: kmbuf_ring "));
	EXPECT_EQ(ENTRIES, count(self->text, "io_uring_kmbuf_recycle: kmbuf_ring "));
	EXPECT_EQ(1, count(self->text, "io_uring_kmbuf_exhausted: kmbuf_ring "));
	/* the last buffer, selected and recycled */
	EXPECT_EQ(2, count(self->text, ", bgid 6, bid 15\n"));
}

TEST_HARNESS_MAIN
