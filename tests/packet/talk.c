// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "talk.h"

static const struct {
	const char *name;
	uint8_t flags;
} names[] = {
	{ "x", 0 },
	{ "NONE", 0 },
	{ "SYN", SYN },
	{ "SYNACK", SYN | ACK },
	{ "SYNFIN", SYN | FIN },
	{ "SYNRST", SYN | RST },
	{ "ACK", ACK },
	{ "DATA", PSH | ACK },
	{ "PSH", PSH },
	{ "FIN", FIN | ACK },
	{ "PLAINFIN", FIN },
	{ "RST", RST },
	{ "RSTACK", RST | ACK },
	{ "RSTFIN", RST | FIN },
};

static uint8_t flags_of(const char *name)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, name) == 0)
			return names[i].flags;
	}
	fault("no such packet: %s", name);
	return 0;
}

void talk_begin(struct talk *t)
{
	if (!t->servers)
		t->servers = 1;
	t->service = service_add(
		path, &(struct service_spec){ .v6 = t->v6, .proto = t->proto, .port = 8001 });
	t->first_dest = path->num_dests;
	for (unsigned int n = 1; n <= t->servers; n++)
		dest_add(path, t->service,
			 &(struct dest_spec){ .number = n,
					      .port = t->method == 'm' ? 8080 : 0,
					      .masq = t->method == 'm',
					      .method = t->method == 'i' ? CV_TUNNEL : CV_DROUTE });
	t->client = (struct packet){ .v6 = t->v6, .proto = t->proto, .dport = 8001, .df = true };
	t->server = 1;
}

static struct packet packet_of(const struct talk *t, const char *step)
{
	struct packet p = t->client;

	if (*step == 's') {
		p.src = server_addr(t->server, t->v6);
		p.dst = t->v6 ? CLIENT6 : CLIENT;
		p.sport = 8080;
		p.dport = 40000;
	}
	if (t->proto == IPPROTO_SCTP) {
		p.chunks = step + 2;
		return p;
	}
	p.flags = flags_of(step + 2);
	p.no_flags = !p.flags;
	return p;
}

enum fate talk_say(struct talk *t, const char *step)
{
	struct packet p = packet_of(t, step);
	struct cv_conn_common *c;
	struct outcome o;
	struct frame f;

	frame_build(&f, &p);
	path_send(path, t->door, &f, 0, &o);
	c = table_find(path, &t->client);
	if (c)
		t->server = c->dest - t->first_dest + 1;
	return o.fate;
}

void talk_say_all(struct talk *t, const char *steps)
{
	char step[32];
	int used;

	while (sscanf(steps, "%31s%n", step, &used) == 1) {
		talk_say(t, step);
		steps += used;
	}
}
