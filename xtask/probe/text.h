/* SPDX-License-Identifier: Apache-2.0 */
/* A line of text that cannot overflow: what does not fit is left out. */
#ifndef PROBE_TEXT_H
#define PROBE_TEXT_H

struct text {
	unsigned int len;
	char chars[480];
};

int same(const char *a, const char *b);
/* What follows `prefix` in `word`, or null. */
const char *after(const char *word, const char *prefix);

void add(struct text *text, const char *words);
/* Adds at most `len` characters, with anything that would break a line turned into a blank. */
void add_some(struct text *text, const char *chars, unsigned long len);
void add_number(struct text *text, unsigned long long number);
/* Microseconds as milliseconds: "12.345". */
void add_ms(struct text *text, unsigned long long us);
/* "`what`: ENOENT", and "`what`: gave 3" for what is no error and should have been one. */
void add_error(struct text *text, const char *what, long result);

#endif
