/* SPDX-License-Identifier: GPL-2.0 */
/* Modules: their references, and how to unload them. */
#ifndef IOU_MODULE_H
#define IOU_MODULE_H

#include <stdbool.h>

/* Number of references, or -ENOENT if the code is built in */
int module_refs(const char *name);
/* Wait up to ten seconds until there are at most @max */
bool module_wait_refs(const char *name, int max);
/* Load or unload without waiting: 0 or -errno, -EWOULDBLOCK if in use */
int module_unload(const char *name);
int module_load(const char *name);

#endif
