/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pump time: how long a command takes, from its start to its end, without a shell or its like around it. */
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pump.h"

int pump_time(int argc, char **argv)
{
	posix_spawn_file_actions_t files;
	uint64_t start;
	int err, status;
	pid_t pid;

	if (argc < 2)
		die("time wants a command");
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	start = now_ns();
	err = posix_spawnp(&pid, argv[1], &files, NULL, argv + 1, environ);
	if (err)
		die("%s: %s", argv[1], strerror(err));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("%s: %s", argv[1], strerror(errno));
	start = now_ns() - start;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("%s failed", argv[1]);
	printf("{\"ns\": %llu}\n", (unsigned long long)start);
	return 0;
}
