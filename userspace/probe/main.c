// SPDX-License-Identifier: GPL-2.0
/* Command line and report. */
#include "probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool json;
static unsigned int lines;
static unsigned int missing;

static const char *const words[] = {
	[PROBE_YES] = "yes",
	[PROBE_NO] = "no",
	[PROBE_UNKNOWN] = "unknown",
	[PROBE_NO_MATTER] = "(no)",
};

static void say_string(const char *name, const char *text)
{
	printf("\"%s\": \"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void say_json(enum probe_answer answer, const char *what,
		     const char *remedy, const char *detail)
{
	printf("%s  {", lines ? ",\n" : "[\n");
	say_string("what", what);
	printf(", ");
	say_string("answer", words[answer]);
	printf(", \"needed\": %s, ",
	       answer == PROBE_NO_MATTER ? "false" : "true");
	say_string("detail", detail);
	if (remedy) {
		printf(", ");
		say_string("remedy", remedy);
	}
	putchar('}');
}

static void say_text(enum probe_answer answer, const char *what,
		     const char *remedy, const char *detail)
{
	printf("%-8s %-30s %s\n", words[answer], what, detail);
	if (remedy)
		printf("%8s -> %s\n", "", remedy);
}

void probe_say(enum probe_answer answer, const char *what, const char *remedy,
	       const char *detail, ...)
{
	char text[256];
	va_list args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	if (json)
		say_json(answer, what, remedy, text);
	else
		say_text(answer, what, remedy, text);
	fflush(stdout);
	lines++;
	if (answer == PROBE_NO || answer == PROBE_UNKNOWN)
		missing++;
}

bool probe_read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found;

	if (!file)
		return false;
	found = fgets(line, size, file);
	fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

/* Without libcap, which might be missing. */
bool probe_has_cap(unsigned int cap)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long effective = 0;
	char line[256];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	fclose(file);
	return effective >> cap & 1;
}

static int usage(FILE *to)
{
	fputs("usage: kmbuf-probe [--json]\n"
	      "Checks whether the kernel and the libraries support kernel-managed buffers\n"
	      "for io_uring, and FUSE and ublk over io_uring, and says how to enable missing\n"
	      "features. Exit status: 0 if none is missing, else 1. See kmbuf-probe(8).\n", to);
	return to == stdout ? 0 : 2;
}

int main(int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (!strcmp(argv[i], "--help"))
			return usage(stdout);
		else
			return usage(stderr);
	}
	probe_uring();
	probe_memlock();
	probe_fuse();
	probe_ublk();
	probe_libraries();
	if (json)
		printf("\n]\n");
	return missing ? 1 : 0;
}
