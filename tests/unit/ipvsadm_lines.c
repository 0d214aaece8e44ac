// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines and words of a file to restore, as they come from a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipvsadm_lines.h"

static void send_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_line(struct lines *l, const char *expected)
{
	char *line;

	assert_int_equal(lines_next(l, &line), 1);
	assert_string_equal(line, expected);
}

static void test_pieces(void **state)
{
	struct lines l = { 0 };
	int ends[2];
	char *line;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	l.fd = ends[0];
	assert_true(lines_would_wait(&l));
	send_text(ends[1], "one\n\ntw");
	assert_false(lines_would_wait(&l));
	expect_line(&l, "one");
	assert_false(lines_would_wait(&l));
	expect_line(&l, "");
	assert_true(lines_would_wait(&l)); /* half a line is none */
	send_text(ends[1], "o\nlast");
	expect_line(&l, "two");
	close(ends[1]);
	expect_line(&l, "last");
	assert_int_equal(lines_next(&l, &line), 0);
	assert_int_equal(lines_next(&l, &line), 0);
	lines_free(&l);
	close(ends[0]);
}

static void test_long_line(void **state)
{
	enum { LENGTH = 300000 };
	FILE *file = tmpfile();
	struct lines l = { 0 };
	char *line;

	assert_non_null(file);
	for (int i = 0; i < LENGTH; i++)
		fputc('a' + i % 26, file);
	fputs("\nnext", file);
	rewind(file);
	l.fd = fileno(file);
	assert_int_equal(lseek(l.fd, 0, SEEK_SET), 0);
	assert_int_equal(lines_next(&l, &line), 1);
	assert_int_equal(strlen(line), LENGTH);
	assert_int_equal(line[LENGTH - 1], 'a' + (LENGTH - 1) % 26);
	expect_line(&l, "next");
	assert_int_equal(lines_next(&l, &line), 0);
	lines_free(&l);
	fclose(file);
}

/* A line that does not end takes little memory, and is refused. */
static void test_endless_line(void **state)
{
	struct lines l = { .fd = open("/dev/zero", O_RDONLY | O_CLOEXEC) };
	char *line;

	assert_int_equal(lines_next(&l, &line), -EMSGSIZE);
	assert_in_range(l.room, 1 << 20, 4 << 20);
	lines_free(&l);
	close(l.fd);
}

static void test_read_error(void **state)
{
	struct lines l = { .fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	char *line;

	assert_true(lines_next(&l, &line) < 0);
	lines_free(&l);
	close(l.fd);
}

static void test_words(void **state)
{
	struct words w = { 0 };
	char many[1000] = "", line[] = "  ipvsadm -A\t-t 10.0.0.1:80 \r";

	assert_int_equal(words_split(&w, "name", line), 0);
	assert_int_equal(w.n, 4);
	assert_string_equal(w.at[0], "name");
	assert_string_equal(w.at[1], "-A");
	assert_string_equal(w.at[3], "10.0.0.1:80");
	assert_null(w.at[4]);

	for (int i = 0; i < 200; i++)
		strcat(many, "w ");
	assert_int_equal(words_split(&w, "name", many), 0);
	assert_int_equal(w.n, 201);
	assert_string_equal(w.at[200], "w");
	assert_null(w.at[201]);
	words_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	     cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_endless_line), cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
