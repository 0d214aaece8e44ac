// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of ipvsadm's command line: the input is a file to restore.
 * Every line is cut into words and parsed; nothing is carried out and no name is
 * looked up. What was parsed must hold to what the library relies on, and a
 * complaint must have words and a status.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvsadm_lines.h"
#include "ipvsadm_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

static void check_request(const struct ipvsadm_request *r)
{
	const struct cv_service_key *key = &r->service.key;

	must(r->command < IPVSADM_COMMANDS);
	must(memchr(r->scheduler, 0, sizeof(r->scheduler)) != NULL);
	must(memchr(r->engine, 0, sizeof(r->engine)) != NULL);
	must(memchr(r->sync.ifname, 0, sizeof(r->sync.ifname)) != NULL);
	if (ipvsadm_has(r, OPTION_SERVICE)) {
		must(key->family == AF_INET || key->family == AF_INET6);
		must(key->fwmark ? !key->proto && !key->port : key->proto);
	}
	if (key->family == AF_INET)
		must(!key->addr.w[1] && !key->addr.q[1]);
	if (r->dest.family == AF_INET)
		must(!r->dest.addr.w[1] && !r->dest.addr.q[1]);
	must(r->dest.weight >= 0 && r->dest.tun_type <= CV_TUN_GRE);
	must(r->timeouts.tcp <= 31 * 86400 && r->timeouts.udp <= 31 * 86400);
}

static void parse_line(struct words *words, char *line)
{
	struct ipvsadm_complaint c;
	struct ipvsadm_request r;

	must(words_split(words, "ipvsadm", line) == 0);
	if (ipvsadm_parse(&r, words->n, words->at, false, &c)) {
		must(memchr(c.text, 0, sizeof(c.text)) != NULL && c.text[0]);
		must(c.status == 2 || c.status == 255);
		return;
	}
	check_request(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines = { .fd = memfd_create("input", MFD_CLOEXEC) };
	struct words words = { 0 };
	char *line;

	must(lines.fd >= 0 && write(lines.fd, data, size) == (ssize_t)size);
	must(lseek(lines.fd, 0, SEEK_SET) == 0);
	while (lines_next(&lines, &line) == 1)
		parse_line(&words, line);
	words_free(&words);
	lines_free(&lines);
	close(lines.fd);
	return 0;
}
