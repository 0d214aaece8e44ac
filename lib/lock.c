// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "culvert.h"
#include "lock.h"
#include "tick.h"
#include "why.h"

#define HOLDER_SIZE 80

/* After so long a wait is worth a word. */
#define LOCK_TELL_NS 1500000000ULL

/* The pid that holds a flock() on this file by /proc/locks (see proc_locks(5)), or 0. */
static int holder_of(int fd)
{
	char line[256], type[16];
	unsigned int major_, minor_;
	unsigned long inode;
	int pid, found = 0;
	struct stat st;
	FILE *f;

	if (fstat(fd, &st) < 0)
		return 0;
	f = fopen("/proc/locks", "re");
	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d: %15s %*s %*s %d %x:%x:%lu", type, &pid, &major_, &minor_,
			   &inode) == 5 &&
		    strcmp(type, "FLOCK") == 0 && inode == st.st_ino &&
		    major_ == major(st.st_dev) && minor_ == minor(st.st_dev))
			found = pid;
	}
	fclose(f);
	return found;
}

/* The name and the state letter (proc_pid_stat(5)) of a process. */
static void describe(int pid, char comm[32], char *state)
{
	char path[64], line[256];
	FILE *f;

	strcpy(comm, "?");
	*state = '?';
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		sscanf(line, "%*d (%31[^)]) %c", comm, state);
	fclose(f);
}

/* "process 123 (culvert, stopped)" */
static void name_holder(int pid, char out[HOLDER_SIZE])
{
	char comm[32], state;

	snprintf(out, HOLDER_SIZE, "another command");
	if (pid <= 0)
		return;
	describe(pid, comm, &state);
	snprintf(out, HOLDER_SIZE, "process %d (%s%s)", pid, comm,
		 state == 'T' || state == 't' ? ", stopped" : "");
}

/* `first`: who had it when the wait began. Where many come and go, none of them is to blame. */
static int busy(int dir, int first, unsigned int seconds)
{
	char holder[HOLDER_SIZE];
	int pid = holder_of(dir);

	name_holder(pid, holder);
	if (pid == first)
		return cv_fail(-EBUSY, "%s has held the lock for %u s", holder, seconds);
	return cv_fail(-EBUSY, "one command after another has held the lock for %u s, %s by now",
		       seconds, holder);
}

static void (*on_wait)(const char *holder);

void cv_on_wait(void (*say)(const char *holder))
{
	on_wait = say;
}

static void tell(int dir)
{
	char holder[HOLDER_SIZE];

	if (!on_wait)
		return;
	name_holder(holder_of(dir), holder);
	on_wait(holder);
}

/* How long a command waits unless it says otherwise. */
static unsigned int patience(void)
{
	const char *text = getenv("CULVERT_LOCK_SECONDS");
	unsigned long seconds = text ? strtoul(text, NULL, 10) : 0;

	return seconds && seconds <= LOCK_SECONDS_MOST ? (unsigned int)seconds : LOCK_SECONDS;
}

/* Does the directory still stand where it was? */
static int linked(int dir)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return -errno;
	return st.st_nlink ? 0 : -ENOENT;
}

int lock_try(int dir)
{
	int err;

	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	err = linked(dir);
	if (err)
		lock_drop(dir);
	return err;
}

/*
 * How long to look away, by how long the wait has lasted: less and less often at first, then more
 * and more. Who has waited longest asks most often, and so comes before those who come later.
 */
static void look_away(uint64_t waited)
{
	const uint64_t ms = 1000000, late = 50 * ms, least = 2 * ms;
	uint64_t ns = waited < late ? ms + waited / 2 : 25 * ms * late / waited;
	struct timespec pause = { .tv_nsec = (long)(ns < least ? least : ns) };

	nanosleep(&pause, NULL);
}

int lock_take(int dir, unsigned int seconds)
{
	uint64_t begin = tick_ns(), end;
	bool told = false;
	int err, first = -1;

	if (!seconds)
		seconds = patience();
	end = begin + seconds * 1000000000ULL;
	/* flock() has no timeout; a library that sets timers or signals meddles with its caller. */
	while ((err = lock_try(dir)) == -EBUSY) {
		if (first < 0)
			first = holder_of(dir);
		if (tick_ns() >= end)
			return busy(dir, first, seconds);
		if (!told && tick_ns() - begin >= LOCK_TELL_NS) {
			tell(dir);
			told = true;
		}
		look_away(tick_ns() - begin);
	}
	return err ? cv_fail(err, "cannot lock the instance: %s", strerror(-err)) : 0;
}

void lock_drop(int dir)
{
	flock(dir, LOCK_UN);
}
