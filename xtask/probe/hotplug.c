/* SPDX-License-Identifier: Apache-2.0 */
/* What the host plugs in, and out again, while the guest runs. */
#include "console.h"
#include "disks.h"
#include "files.h"
#include "host.h"
#include "sys.h"

#define PLUG_MS 10000

static int opens(struct text *device)
{
	long fd = sys_open(chars(device), O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		sys_close(fd);
	return fd >= 0;
}

/* A disk shows itself a little before it can be opened. */
static int plugged(struct text *device)
{
	unsigned int waited;

	for (waited = 0; waited < PLUG_MS; waited += 20) {
		if ((device->len || disk_find(device, "plugged")) && opens(device))
			return 1;
		sys_sleep_ms(20);
	}
	return 0;
}

/* convert_to_blk_device of Kuasar's vmm/task/src/device.rs finds a volume by its PCI address. */
static int has_pci_address(struct text *reason, const char *name)
{
	char target[512];
	struct text path = { 0 };
	long size;
	const char *at;

	add(&path, "/sys/class/block/");
	add(&path, name);
	size = sys_readlink(chars(&path), target, sizeof(target) - 1);
	target[size > 0 ? size : 0] = 0;
	for (at = target; *at; at++)
		if (after(at, "/0000:"))
			return 1;
	add(reason, chars(&path));
	add(reason, " leads to no PCI address but to ");
	add(reason, target);
	return 0;
}

enum outcome check_hotplug_block(struct text *reason)
{
	struct text device = { 0 }, gone = { 0 };
	const char *name;
	int used;

	if (!ask_host(reason, "plug-block"))
		return FAIL;
	if (!plugged(&device)) {
		add(reason, "the host plugged a disk in, and none can be opened");
		return FAIL;
	}
	name = after(chars(&device), "/dev/");
	used = has_pci_address(reason, name) && disk_holds(reason, chars(&device));
	if (!ask_host(reason, "unplug-block") || !used)
		return FAIL;
	add(&gone, "/sys/class/block/");
	add(&gone, name);
	if (!file_wait(chars(&gone), 0, PLUG_MS)) {
		add(reason, "the host pulled the disk out, and it stays");
		return FAIL;
	}
	add(reason, chars(&device));
	add(reason, " came, was read and written, and went");
	return PASS;
}

enum outcome check_hotplug_cpu(struct text *reason)
{
	static const char CPU[] = "/sys/devices/system/cpu/cpu1";
	static const char ONLINE[] = "/sys/devices/system/cpu/cpu1/online";
	char online[8];
	long result;

	if (file_exists(CPU)) {
		add(reason, "there is a second CPU already");
		return FAIL;
	}
	if (!ask_host(reason, "plug-cpu"))
		return FAIL;
	if (!file_wait(ONLINE, 1, PLUG_MS)) {
		/* arch/x86/kernel/acpi/boot.c, acpi_is_processor_usable: the kernel can do it. */
		if (klog_says("Unable to map lapic to logical cpu number")) {
			add(reason, "the kernel heard of the CPU; but where it sees no hypervisor that "
				    "it knows, as under emulation, it keeps no place for one");
			return SKIP;
		}
		add(reason, "the host plugged a CPU in, and none shows itself");
		return FAIL;
	}
	if (file_line(ONLINE, online, sizeof(online)) > 0 && same(online, "0")) {
		result = file_write(ONLINE, "1");
		if (result < 0) {
			add_error(reason, ONLINE, result);
			return FAIL;
		}
	}
	if (!file_holds(reason, ONLINE, "1"))
		return FAIL;
	add(reason, "a second CPU came and runs");
	return PASS;
}

static unsigned long long total_kib(void)
{
	char memory[256], *rest = memory, *line;
	unsigned long long total = 0;

	file_read("/proc/meminfo", memory, sizeof(memory));
	line = cut(&rest, '\n');
	for (; line && *line; line++)
		if (*line >= '0' && *line <= '9')
			total = total * 10 + *line - '0';
	return total;
}

enum outcome check_hotplug_memory(struct text *reason)
{
	/* Ready to use as soon as it comes, as udev's rules would have it. */
	static const char AUTO[] = "/sys/devices/system/memory/auto_online_blocks";
	unsigned long long before = total_kib(), now = before;
	long result = file_write(AUTO, "online");
	unsigned int waited;

	if (result < 0) {
		add_error(reason, AUTO, result);
		return FAIL;
	}
	if (!ask_host(reason, "plug-memory"))
		return FAIL;
	for (waited = 0; now <= before && waited < PLUG_MS; waited += 20) {
		sys_sleep_ms(20);
		now = total_kib();
	}
	add(reason, "MemTotal went from ");
	add_number(reason, before);
	add(reason, " to ");
	add_number(reason, now);
	add(reason, " KiB");
	return now > before ? PASS : FAIL;
}
