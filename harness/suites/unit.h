/* SPDX-License-Identifier: GPL-2.0 */
/* For test programs that run the case whose name is the argument. */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(cond) do {						\
	if (!(cond)) {							\
		printf("line %d: check failed: %s\n", __LINE__, #cond);	\
		fflush(stdout);						\
		_exit(1);						\
	}								\
} while (0)

struct unit_case {
	const char *name;
	void (*run)(void);
};

/* Run the case that is the only argument */
static inline int unit_main(int argc, char *argv[],
			    const struct unit_case *cases, size_t nr)
{
	for (size_t i = 0; argc == 2 && i < nr; i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		cases[i].run();
		return 0;
	}
	return 2;
}

#endif /* UNIT_H */
