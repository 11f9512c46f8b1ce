/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <asm/errno.h>

unsigned long length(const char *word)
{
	unsigned long len = 0;

	while (word[len])
		len++;
	return len;
}

int same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const char *after(const char *word, const char *prefix)
{
	while (*prefix)
		if (*word++ != *prefix++)
			return 0;
	return word;
}

char *cut(char **rest, char end)
{
	char *start = *rest, *at = start;

	if (!*start)
		return 0;
	while (*at && *at != end)
		at++;
	*rest = *at ? at + 1 : at;
	*at = 0;
	return start;
}

const char *chars(struct text *text)
{
	if (text->len == sizeof(text->chars))
		text->len--;
	text->chars[text->len] = 0;
	return text->chars;
}

void add_some(struct text *text, const char *chars, unsigned long len)
{
	for (; len && *chars && text->len < sizeof(text->chars); len--, chars++)
		text->chars[text->len++] = *chars < ' ' || *chars > '~' ? ' ' : *chars;
}

void add(struct text *text, const char *words)
{
	add_some(text, words, sizeof(text->chars));
}

void add_number(struct text *text, unsigned long long number)
{
	char digits[21];
	unsigned int at = sizeof(digits) - 1;

	digits[at] = 0;
	do
		digits[--at] = '0' + number % 10;
	while (number /= 10);
	add(text, digits + at);
}

void add_ms(struct text *text, unsigned long long us)
{
	char fraction[] = { '.', '0' + us / 100 % 10, '0' + us / 10 % 10, '0' + us % 10, 0 };

	add_number(text, us / 1000);
	add(text, fraction);
}

static const struct {
	int number;
	const char *name;
} ERRORS[] = {
	{ EPERM, "EPERM" },
	{ ENOENT, "ENOENT" },
	{ ESRCH, "ESRCH" },
	{ EINTR, "EINTR" },
	{ EIO, "EIO" },
	{ ENXIO, "ENXIO" },
	{ EBADF, "EBADF" },
	{ ECHILD, "ECHILD" },
	{ EAGAIN, "EAGAIN" },
	{ ENOMEM, "ENOMEM" },
	{ EACCES, "EACCES" },
	{ EFAULT, "EFAULT" },
	{ EBUSY, "EBUSY" },
	{ EEXIST, "EEXIST" },
	{ EXDEV, "EXDEV" },
	{ ENODEV, "ENODEV" },
	{ ENOTDIR, "ENOTDIR" },
	{ EINVAL, "EINVAL" },
	{ ENFILE, "ENFILE" },
	{ EMFILE, "EMFILE" },
	{ ENOTTY, "ENOTTY" },
	{ ENOSPC, "ENOSPC" },
	{ EROFS, "EROFS" },
	{ ENOSYS, "ENOSYS" },
	{ ENOPROTOOPT, "ENOPROTOOPT" },
	{ EPROTONOSUPPORT, "EPROTONOSUPPORT" },
	{ ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT" },
	{ EOPNOTSUPP, "EOPNOTSUPP" },
	{ EAFNOSUPPORT, "EAFNOSUPPORT" },
	{ EADDRINUSE, "EADDRINUSE" },
	{ EADDRNOTAVAIL, "EADDRNOTAVAIL" },
	{ ENETDOWN, "ENETDOWN" },
	{ ENETUNREACH, "ENETUNREACH" },
	{ ECONNREFUSED, "ECONNREFUSED" },
	{ EHOSTUNREACH, "EHOSTUNREACH" },
	{ ETIMEDOUT, "ETIMEDOUT" },
	{ ENOKEY, "ENOKEY" },
	{ EDQUOT, "EDQUOT" },
	{ EMSGSIZE, "EMSGSIZE" },
};

void add_error(struct text *text, const char *what, long result)
{
	unsigned int i;

	add(text, what);
	add(text, ": ");
	for (i = 0; i < sizeof(ERRORS) / sizeof(*ERRORS); i++) {
		if (ERRORS[i].number == -result) {
			add(text, ERRORS[i].name);
			return;
		}
	}
	add(text, result < 0 ? "errno " : "gave ");
	add_number(text, result < 0 ? -result : result);
}
