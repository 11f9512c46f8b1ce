/* Stands in for QEMU: says what the guest of a boot or of a measurement would say, and takes down
   each start in the file that STARTS names. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *argument(int count, char **arguments, const char *name)
{
	for (int i = 1; i + 1 < count; i++)
		if (!strcmp(arguments[i], name))
			return arguments[i + 1];
	return NULL;
}

static void take_down(const char *what)
{
	FILE *starts = fopen(getenv("STARTS"), "a");
	fprintf(starts, "%s\n", what);
	fclose(starts);
}

static int is_told_to(const char *what)
{
	const char *told = getenv("MACHINE");
	return told && !strcmp(told, what);
}

/* What the guest is given is a mapping by this name, of which four pages are touched. */
static void give_memory(void)
{
	int file = memfd_create("memory-backend-memfd", 0);
	size_t size = 1 << 20;
	if (file < 0 || ftruncate(file, size))
		exit(3);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		exit(3);
	for (int page = 0; page < 4; page++)
		memory[page * 4096] = 1;
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "--version")) {
		puts("QEMU emulator version 7.2.22");
		return 0;
	}
	const char *nonce = strstr(argument(count, arguments, "-append"), "probe_nonce=") + 12;
	int length = strcspn(nonce, " ");
	const char *pid_file = argument(count, arguments, "-pidfile");
	take_down(pid_file ? "measurement" : "boot");
	if (!pid_file) {
		printf("@probe %.*s start 6.12.0 12.0\n", length, nonce);
		if (is_told_to("panic"))
			puts("Kernel panic - not syncing: told to");
		else
			printf("@probe %.*s verdict pass 0 checks\n", length, nonce);
		return 0;
	}
	if (is_told_to("hang"))
		pause();
	if (is_told_to("slow"))
		return sleep(2);
	give_memory();
	FILE *pid = fopen(pid_file, "w");
	fprintf(pid, "%d\n", getpid());
	fclose(pid);
	printf("@probe %.*s release 6.12.0\n", length, nonce);
	printf("@probe %.*s measure counter=5000000 lines=0 total_kb=200000 available_kb=190000 init_kb=16\n",
	       length, nonce);
	fflush(stdout);
	pause();
}
