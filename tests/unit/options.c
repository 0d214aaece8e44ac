// SPDX-License-Identifier: GPL-2.0-or-later
/* The command lines of culvert's own commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cmd.h"
#include "options.h"

/* Linked in the place of main.c's: what would be printed. */
static char said[256];

int cmd_error(const char *name, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(said, sizeof(said), format, ap);
	va_end(ap);
	return CMD_FAILED;
}

struct parsed {
	bool all;
	uint32_t n;
	const char *args[2];
	int rc, status;
};

/* Parses the words of `text`: a command with a flag, a number and up to two arguments. */
static struct parsed parse(const char *text)
{
	static char words[128];
	struct parsed p = {};
	const struct option_spec options[] = {
		{ 'a', "all", NULL, "", option_flag, &p.all, NULL },
		{ 'n', "number", "N", "", option_number, &p.n, "a number" },
		{},
	};
	const struct command_line line = { .name = "test",
					   .usage = "A [B]",
					   .about = "",
					   .options = options,
					   .least = 1,
					   .most = 2 };
	char *argv[16] = { "test" };
	int argc = 1;

	said[0] = '\0';
	snprintf(words, sizeof(words), "%s", text);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	p.rc = options_parse(&line, argc, argv, p.args, &p.status);
	return p;
}

static void good(void **state)
{
	static const char *const lines[] = {
		"x --all --number 5", "--all x --number=5",    "-a -n 5 x",
		"-n 5 x -a",	      "--number 5 --all -- x",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed p = parse(lines[i]);

		assert_int_equal(p.rc, 0);
		assert_true(p.all);
		assert_int_equal(p.n, 5);
		assert_string_equal(p.args[0], "x");
		assert_null(p.args[1]);
		assert_string_equal(said, "");
	}
	assert_string_equal(parse("x y").args[1], "y");
	assert_string_equal(parse("-- --all").args[0], "--all");
	assert_string_equal(parse("-").args[0], "-");
	assert_false(parse("-- --all").all);
}

static void bad(void **state)
{
	static const struct {
		const char *line, *says;
	} lines[] = {
		{ "", "missing" },
		{ "--all", "missing" },
		{ "x y z", "too many: z" },
		{ "x --nosuch", "unknown option --nosuch" },
		{ "x --al", "unknown option --al" },
		{ "x -an", "unknown option -an" },
		{ "x --all=1", "unknown option" },
		{ "x --number", "--number needs" },
		{ "x -n", "-n needs" },
		{ "x --number=", "takes a number, not" },
		{ "x -n 0", "takes a number, not 0" },
		{ "x -n -1", "takes a number, not -1" },
		{ "x -n 5x", "takes a number, not 5x" },
		{ "x -n 4294967296", "takes a number" },
		{ "x -n 99999999999999999999999", "takes a number" },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed p = parse(lines[i].line);

		assert_int_equal(p.rc, -1);
		assert_int_equal(p.status, CMD_USAGE);
		if (!strstr(said, lines[i].says))
			fail_msg("\"%s\" says \"%s\", not \"%s\"", lines[i].line, said,
				 lines[i].says);
	}
	assert_int_equal(parse("x -n 4294967295").n, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
