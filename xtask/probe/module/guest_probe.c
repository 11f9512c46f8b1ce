// SPDX-License-Identifier: GPL-2.0
/* The module that `module-load` loads: it answers its question as soon as it runs. */
#include <linux/module.h>

static int question;
module_param(question, int, 0444);

static int answer;
module_param(answer, int, 0444);

static int __init guest_probe_init(void)
{
	answer = 7 * question;
	return 0;
}

static void __exit guest_probe_exit(void)
{
}

module_init(guest_probe_init);
module_exit(guest_probe_exit);
MODULE_DESCRIPTION("Shows that a guest kernel loads and unloads modules");
MODULE_LICENSE("GPL");
