/* SPDX-License-Identifier: Apache-2.0 */
/* Small files as text, and the names in a folder. */
#ifndef PROBE_FILES_H
#define PROBE_FILES_H

/* Reads at most `size - 1` bytes, without the line's end, and closes the text. Its length or -errno. */
long read_text(const char *path, char *text, unsigned long size);
/* Writes a word to a file that is there. */
long write_text(const char *path, const char *text);
/* Writes a file anew. */
long make_file(const char *path, const char *text);

/* Puts the parts of a path, the last of them null, into `path`. */
void join(char *path, unsigned long size, const char *const *parts);
#define JOIN(path, ...) join(path, sizeof(path), (const char *const[]){ __VA_ARGS__, 0 })

/* Calls `take` for every name in a folder until it gives other than 0, which is the result. */
long each_name(const char *folder, long (*take)(const char *name, void *argument), void *argument);

unsigned long length(const char *text);

#endif
