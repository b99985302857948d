// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts the instructions of a guest with one CPU, between two
 * marks (mark.h) that a program in the guest executes. It counts the instructions that
 * copy or clear memory separately:
 *
 *  - each round of a "rep movs" or "rep stos" is an execution of it
 *  - every instruction in the kernel routines that are listed for it
 *
 * Arguments, both needed:
 *
 *   ranges=FILE  "text|copy|clear START END" lines: the kernel's code, and the listed
 *                routines, as hexadecimal addresses
 *   out=FILE     gets a line at each end of a stretch:
 *
 *   NUMBER OTHER COPYING CLEARING COPIED CLEARED USER
 *
 * the number of the stretch, from 1; instructions that neither copy nor clear,
 * that copy, that clear; bytes copied and cleared; and the part of OTHER that was
 * outside the kernel. FILE.NUMBER is a profile: "ADDRESS COUNT" lines for the kernel's
 * instructions in OTHER.
 */
#define _GNU_SOURCE
#include "qemu-plugin.h"
#include "../mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_RANGES	64
#define KERNEL_SPACE	(1ULL << 63)

enum kind {
	KIND_OTHER,
	KIND_COPY,
	KIND_CLEAR,
	NR_KINDS,
};

struct range {
	uint64_t	start;
	uint64_t	end;
	enum kind	kind;
};

int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct range ranges[MAX_RANGES];
static unsigned int nr_ranges;
/* an execution count for each address of the kernel's code */
static struct range text;
static uint64_t *text_counts;
static size_t text_size;
/* kernel code outside its text range, and user code */
static uint64_t elsewhere, user;
/* executions and bytes; of the first kind neither is used */
static uint64_t counts[NR_KINDS], bytes[NR_KINDS];
/* string instructions, bytes read and bytes written: a copy counts twice */
static uint64_t string_bytes[NR_KINDS];
static const char *out_name;
static unsigned int stretch;
static bool inside;

static void begin(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	/* sparse: most code never runs, and its pages stay zero */
	madvise(text_counts, text_size, MADV_DONTNEED);
	memset(counts, 0, sizeof(counts));
	memset(bytes, 0, sizeof(bytes));
	memset(string_bytes, 0, sizeof(string_bytes));
	elsewhere = 0;
	user = 0;
	inside = true;
}

static FILE *open_out(const char *name, const char *mode)
{
	FILE *file = fopen(name, mode);

	if (file)
		return file;
	perror(name);
	exit(1);
}

/* Also detects a failed write */
static void close_out(FILE *file, const char *name)
{
	if (!ferror(file) && !fclose(file))
		return;
	perror(name);
	exit(1);
}

/* Returns the sum of all */
static uint64_t write_profile(void)
{
	uint64_t address, sum = 0;
	char name[4096];
	FILE *file;

	snprintf(name, sizeof(name), "%s.%u", out_name, stretch);
	file = open_out(name, "w");
	for (address = text.start; address < text.end; address++) {
		const uint64_t count = text_counts[address - text.start];

		if (!count)
			continue;
		fprintf(file, "%" PRIx64 " %" PRIu64 "\n", address, count);
		sum += count;
	}
	close_out(file, name);
	return sum;
}

static void end(unsigned int vcpu, void *data)
{
	uint64_t other;
	FILE *file;

	(void)vcpu;
	(void)data;
	if (!inside)
		return;
	inside = false;
	stretch++;
	other = write_profile() + elsewhere + user;
	file = open_out(out_name, "a");
	fprintf(file, "%u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		" %" PRIu64 " %" PRIu64 "\n", stretch, other,
		counts[KIND_COPY], counts[KIND_CLEAR],
		bytes[KIND_COPY] + string_bytes[KIND_COPY] / 2,
		bytes[KIND_CLEAR] + string_bytes[KIND_CLEAR], user);
	close_out(file, out_name);
}

/* The kind of the kernel range that has the instruction */
static enum kind routine_kind(uint64_t vaddr)
{
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		if (vaddr >= ranges[i].start && vaddr < ranges[i].end)
			return ranges[i].kind;
	return KIND_OTHER;
}

/* Is it a repeated string instruction? Sets *size to the bytes per round */
static enum kind string_kind(const uint8_t *code, size_t len,
			     unsigned int *size)
{
	bool rep = false, wide = false, narrow = false;

	for (; len; code++, len--) {
		if (*code == 0xf2 || *code == 0xf3)
			rep = true;
		else if (*code == 0x66)
			narrow = true;
		else if ((*code & 0xf0) == 0x40)
			wide = *code & 8;
		else if (*code != 0x67)
			break;
	}
	if (!rep || !len)
		return KIND_OTHER;
	if ((*code & 0xfe) != 0xa4 && (*code & 0xfe) != 0xaa)
		return KIND_OTHER;
	*size = !(*code & 1) ? 1 : wide ? 8 : narrow ? 2 : 4;
	return (*code & 0xfe) == 0xa4 ? KIND_COPY : KIND_CLEAR;
}

static void accessed(unsigned int vcpu, qemu_plugin_meminfo_t info,
		     uint64_t vaddr, void *data)
{
	(void)vcpu;
	(void)vaddr;
	if (qemu_plugin_mem_is_store(info))
		*(uint64_t *)data += 1ULL << qemu_plugin_mem_size_shift(info);
}

static uint64_t *other_count(uint64_t vaddr)
{
	if (vaddr >= text.start && vaddr < text.end)
		return &text_counts[vaddr - text.start];
	return vaddr & KERNEL_SPACE ? &elsewhere : &user;
}

static bool is_mark(const uint8_t *code, size_t len, uint32_t address)
{
	static const uint8_t nop[] = { MARK_NOP };

	return len == MARK_NOP_LEN && !memcmp(code, nop, sizeof(nop)) &&
	       !memcmp(code + sizeof(nop), &address, sizeof(address));
}

/* QEMU 7.2 mistakes a request for only stores or only loads: ask for both */
static void count_bytes(struct qemu_plugin_insn *insn, enum kind kind,
			unsigned int size)
{
	if (size)
		qemu_plugin_register_vcpu_mem_inline(insn, QEMU_PLUGIN_MEM_RW,
						     QEMU_PLUGIN_INLINE_ADD_U64,
						     &string_bytes[kind], size);
	else
		qemu_plugin_register_vcpu_mem_cb(insn, accessed,
						 QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW,
						 &bytes[kind]);
}

static void translate_insn(struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	const size_t len = qemu_plugin_insn_size(insn);
	const uint64_t vaddr = qemu_plugin_insn_vaddr(insn);
	unsigned int size = 0;
	enum kind kind;

	if (is_mark(code, len, MARK_BEGIN))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, begin,
						       QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
	if (is_mark(code, len, MARK_END))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, end,
						       QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
	kind = string_kind(code, len, &size);
	if (kind == KIND_OTHER)
		kind = routine_kind(vaddr);
	if (kind != KIND_OTHER)
		count_bytes(insn, kind, size);
	qemu_plugin_register_vcpu_insn_exec_inline(insn,
						   QEMU_PLUGIN_INLINE_ADD_U64,
						   kind == KIND_OTHER ?
						   other_count(vaddr) :
						   &counts[kind], 1);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	const size_t n = qemu_plugin_tb_n_insns(tb);
	size_t i;

	(void)id;
	for (i = 0; i < n; i++)
		translate_insn(qemu_plugin_tb_get_insn(tb, i));
}

static bool add_range(const char *kind, struct range range)
{
	if (range.end <= range.start)
		return false;
	if (!strcmp(kind, "text")) {
		text = range;
		return true;
	}
	if (nr_ranges == MAX_RANGES)
		return false;
	if (!strcmp(kind, "copy"))
		range.kind = KIND_COPY;
	else if (!strcmp(kind, "clear"))
		range.kind = KIND_CLEAR;
	else
		return false;
	ranges[nr_ranges++] = range;
	return true;
}

static bool read_ranges(const char *name)
{
	FILE *file = fopen(name, "r");
	char line[256], kind[8];
	struct range range = { };
	bool good = true;

	if (!file) {
		perror(name);
		return false;
	}
	while (good && fgets(line, sizeof(line), file)) {
		good = sscanf(line, "%7s %" SCNx64 " %" SCNx64, kind,
			      &range.start, &range.end) == 3 &&
		       add_range(kind, range);
		if (!good)
			fprintf(stderr, "%s: bad range: %s", name, line);
	}
	fclose(file);
	if (good && !text.end)
		fprintf(stderr, "%s: no range named text\n", name);
	return good && text.end;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			int argc, char **argv)
{
	const char *ranges_name = NULL;
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "ranges=", 7))
			ranges_name = argv[i] + 7;
		else if (!strncmp(argv[i], "out=", 4))
			out_name = argv[i] + 4;
	}
	if (!ranges_name || !out_name) {
		fputs("count: ranges=FILE and out=FILE are needed\n", stderr);
		return -1;
	}
	if (!info->system_emulation || strcmp(info->target_name, "x86_64") ||
	    info->system.smp_vcpus != 1) {
		fputs("count: for an x86_64 machine with one CPU\n", stderr);
		return -1;
	}
	if (!read_ranges(ranges_name))
		return -1;
	text_size = (text.end - text.start) * sizeof(*text_counts);
	text_counts = mmap(NULL, text_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (text_counts == MAP_FAILED) {
		perror("count");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
