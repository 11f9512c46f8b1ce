/* SPDX-License-Identifier: Apache-2.0 */
/* Small files, read and written whole. Results are sizes, or -errno. */
#ifndef PROBE_FILES_H
#define PROBE_FILES_H

#include "text.h"

/* Reads what fits into `size` bytes, the last of which ends the text with a zero. */
long file_read(const char *path, char *buf, unsigned long size);
/* Without its last newline. */
long file_line(const char *path, char *buf, unsigned long size);
/* Writes to a file that is there, as sysfs and cgroup files are. */
long file_write(const char *path, const char *words);
/* Makes or empties the file, writes, and has it on its disk when it returns. */
long file_make(const char *path, const char *words);
/* The file holds `words` and nothing else; says in `reason` what it holds instead. */
int file_holds(struct text *reason, const char *path, const char *words);
/* The file that the host put below `folder` holds `words`, and one with the same is made at `path`. */
int file_exchange(struct text *reason, const char *folder, const char *path, const char *words);
int file_exists(const char *path);
/* Asks every 10 ms until the file is there (or gone, if not `there`), at most that long. */
int file_wait(const char *path, int there, unsigned int milliseconds);

/* Puts the parts of a path, the last of them null, into `path`. */
void join(char *path, unsigned long size, const char *const *parts);
#define JOIN(path, ...) join(path, sizeof(path), (const char *const[]){ __VA_ARGS__, 0 })

/* Calls `take` for every name in a folder until it gives other than 0, which is the result. */
long each_name(const char *folder, long (*take)(const char *name, void *argument), void *argument);

#endif
