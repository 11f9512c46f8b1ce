/* SPDX-License-Identifier: Apache-2.0 */
/* A line of text that cannot overflow: what does not fit is left out. */
#ifndef PROBE_TEXT_H
#define PROBE_TEXT_H

struct text {
	unsigned int len;
	char chars[480];
};

unsigned long length(const char *word);
int same(const char *a, const char *b);
/* Cuts the next field, ended by `end`, out of `*rest`; null at the end of the text. */
char *cut(char **rest, char end);
/* What follows `prefix` in `word`, or null. */
const char *after(const char *word, const char *prefix);

/* What `text` holds, ended by a zero, which takes the place of its last character if it is full. */
const char *chars(struct text *text);
void add(struct text *text, const char *words);
/* Adds at most `len` characters, with anything that would break a line turned into a blank. */
void add_some(struct text *text, const char *chars, unsigned long len);
void add_number(struct text *text, unsigned long long number);
/* Microseconds as milliseconds: "12.345". */
void add_ms(struct text *text, unsigned long long us);
/* "`what`: ENOENT", and "`what`: gave 3" for what is no error and should have been one. */
void add_error(struct text *text, const char *what, long result);

#endif
