/* SPDX-License-Identifier: GPL-2.0 */
/* Modules: who keeps one loaded, and getting rid of it. */
#ifndef IOU_MODULE_H
#define IOU_MODULE_H

#include <stdbool.h>

/* How many references there are, or -ENOENT if the code is built in */
int module_refs(const char *name);
/* Wait, for ten seconds at most, until there are no more than @max */
bool module_wait_refs(const char *name, int max);
/* Both without waiting: 0 or -errno, -EWOULDBLOCK if the module is in use */
int module_unload(const char *name);
int module_load(const char *name);

#endif
