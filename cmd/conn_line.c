// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cmd.h"
#include "conn_line.h"
#include "ipvsadm_names.h"
#include "ipvsadm_parse.h"

static const struct {
	const char *name;
	uint8_t proto;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
	{ "ip", IPPROTO_IP }, /* of templates of services by mark */
};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

/* ---- writing ---------------------------------------------------------------- */

static const char *protocol_name(uint8_t proto)
{
	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (protocols[i].proto == proto)
			return protocols[i].name;
	}
	return "?";
}

static void write_endpoint(struct out *out, uint8_t family, const union cv_addr *addr, __be16 port)
{
	struct label l;

	label_endpoint(&l, NULL, family, addr, port, 0);
	out_char(out, ' ');
	out_bytes(out, l.text, l.len);
}

static void write_number(struct out *out, const char *name, uint32_t n)
{
	out_char(out, ' ');
	out_text(out, name);
	out_char(out, ' ');
	out_number(out, n);
}

void conn_line_write(struct out *out, const struct cv_conn_info *c)
{
	struct label l;

	out_text(out, "conn ");
	out_text(out, protocol_name(c->proto));
	write_endpoint(out, c->family, &c->caddr, c->cport);
	write_endpoint(out, c->family, &c->vaddr, c->vport);
	out_char(out, ' ');
	out_number(out, ntohs(c->dport));
	out_char(out, ' ');
	out_text(out, cv_state_name(c->proto, c->state, c->template));
	write_number(out, "left", c->seconds_left);
	write_number(out, "timeout", c->timeout);
	if (c->in_pkts)
		write_number(out, "packets", c->in_pkts);
	if (c->fwmark)
		write_number(out, "fwmark", c->fwmark);
	out_text(out, c->inactive ? " inactive" : "");
	out_text(out, c->no_output ? " no-output" : "");
	out_text(out, c->template ? " template" : "");
	label_service(&l, NULL, &c->service, true);
	out_text(out, " -- ");
	out_bytes(out, l.text, l.len);
	out_text(out, " -r");
	write_endpoint(out, c->dest_family, &c->daddr, c->server_port);
	out_char(out, '\n');
}

/* ---- reading ---------------------------------------------------------------- */

static int bad(const char *what, const char *word)
{
	cmd_error("conn", "\"%s\" is no %s", word, what);
	return -EINVAL;
}

static int read_number(const char *word, uint32_t most, uint32_t *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(word, &end, 10);
	if (*word < '0' || *word > '9' || *end || errno || n > most)
		return bad("number that fits", word);
	*out = (uint32_t)n;
	return 0;
}

/* "1.2.3.4:80", "[fd00::1]:80" */
static int read_endpoint(const char *word, uint8_t *family, union cv_addr *addr, __be16 *port)
{
	const char *colon = strrchr(word, ':');
	char text[INET6_ADDRSTRLEN + 2];
	uint32_t n;
	size_t len;

	if (!colon || (size_t)(colon - word) >= sizeof(text))
		return bad("ADDRESS:PORT", word);
	len = (size_t)(colon - word);
	memcpy(text, word, len);
	text[len] = '\0';
	memset(addr, 0, sizeof(*addr));
	if (text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		*family = AF_INET6;
		len = 1;
	} else {
		*family = AF_INET;
		len = 0;
	}
	if (inet_pton(*family, text + len, addr) != 1)
		return bad("ADDRESS:PORT", word);
	if (read_number(colon + 1, UINT16_MAX, &n))
		return -EINVAL;
	*port = htons((uint16_t)n);
	return 0;
}

static int read_protocol(const char *word, uint8_t *out)
{
	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (strcmp(protocols[i].name, word) == 0) {
			*out = protocols[i].proto;
			return 0;
		}
	}
	return bad("protocol", word);
}

static int read_state(const char *word, struct cv_conn_info *c)
{
	for (unsigned int state = 0; state < CV_SCTP_LAST; state++) {
		if (strcmp(cv_state_name(c->proto, (uint8_t)state, c->template), word) == 0) {
			c->state = (uint8_t)state;
			return 0;
		}
	}
	return bad("state of this protocol", word);
}

static int read_word(char **argv, int *i, struct cv_conn_info *c)
{
	const struct {
		const char *name;
		uint32_t *into;
	} numbers[] = {
		{ "left", &c->seconds_left },
		{ "timeout", &c->timeout },
		{ "packets", &c->in_pkts },
		{ "fwmark", &c->fwmark },
	};
	const struct {
		const char *name;
		bool *into;
	} flags[] = {
		{ "inactive", &c->inactive },
		{ "no-output", &c->no_output },
		{ "template", &c->template },
	};

	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
		if (strcmp(numbers[k].name, argv[*i]) != 0)
			continue;
		if (!argv[++*i])
			return bad("word of a connection without a number", numbers[k].name);
		return read_number(argv[*i], UINT32_MAX, numbers[k].into);
	}
	for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
		if (strcmp(flags[k].name, argv[*i]) == 0) {
			*flags[k].into = true;
			return 0;
		}
	}
	return bad("word of a connection", argv[*i]);
}

/* SERVICE -r SERVER, by ipvsadm's own parser. argv[0] is "--". */
static int read_server(int argc, char **argv, struct cv_conn_info *c)
{
	char *words[16] = { "ipvsadm", "-d" };
	struct ipvsadm_complaint complaint;
	struct ipvsadm_request r;
	int n = 2;

	for (int i = 1; i < argc; i++) {
		if (n == 15)
			return bad("end of a connection", argv[i]);
		words[n++] = argv[i];
	}
	if (ipvsadm_parse(&r, n, words, false, &complaint)) {
		complaint.text[strcspn(complaint.text, "\n")] = '\0';
		cmd_error("conn", "%s", complaint.text);
		return -EINVAL;
	}
	c->service = r.service.key;
	c->dest_family = r.dest.family;
	c->daddr = r.dest.addr;
	c->server_port = r.dest.port;
	return 0;
}

int conn_line_read(int argc, char **argv, struct cv_conn_info *c)
{
	uint8_t family;
	uint32_t port;
	int i, err;

	*c = (struct cv_conn_info){ 0 };
	if (argc < 7) {
		cmd_error("conn", "words are missing");
		return -EINVAL;
	}
	err = read_protocol(argv[1], &c->proto);
	if (!err)
		err = read_endpoint(argv[2], &c->family, &c->caddr, &c->cport);
	if (!err)
		err = read_endpoint(argv[3], &family, &c->vaddr, &c->vport);
	if (!err && family != c->family)
		err = bad("address of the client's family", argv[3]);
	if (!err)
		err = read_number(argv[4], UINT16_MAX, &port);
	if (err)
		return err;
	c->dport = htons((uint16_t)port);
	for (i = 6; i < argc && strcmp(argv[i], "--") != 0 && !err; i++)
		err = read_word(argv, &i, c);
	if (!err)
		err = read_state(argv[5], c);
	return err ? err : read_server(argc - i, argv + i, c);
}
