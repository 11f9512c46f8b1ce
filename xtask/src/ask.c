// SPDX-License-Identifier: Apache-2.0
// Asks the tree's own Kconfig parser about symbols: linked with the objects of its scripts/kconfig
// and run by its own rule for `config`, it sees the environment that `conf` sees. Prints what
// menuconfig's search would, for each name in the file that $ASK_SYMBOLS names.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lkc.h"

int main(int argc, char **argv)
{
	const char *names = getenv("ASK_SYMBOLS");
	FILE *in = names ? fopen(names, "r") : NULL;
	char name[256];

	if (!in || argc < 2)
		return 1;
	conf_parse(argv[argc - 1]);
	conf_read(NULL);
	while (fgets(name, sizeof(name), in)) {
		struct symbol *found[2] = { NULL, NULL };
		struct gstr text;

		name[strcspn(name, "\n")] = 0;
		found[0] = sym_find(name);
		printf("@ %s\n", name);
		if (!found[0] || found[0]->type == S_UNKNOWN)
			continue;
		text = get_relations_str(found, NULL);
		fputs(str_get(&text), stdout);
	}
	return 0;
}
