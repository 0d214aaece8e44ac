// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvsadm_names.h"
#include "out.h"

struct host {
	struct host *next;
	uint8_t family;
	union cv_addr addr;
	char name[]; /* "": it has none */
};

#define HOST_BUCKETS 16384

struct names {
	struct host *hosts[HOST_BUCKETS];
	char **ports[3]; /* by protocol, then port: NULL not asked yet, "" nameless */
};

int names_new(struct names **out)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	*out = names;
	return 0;
}

void names_free(struct names **p)
{
	struct names *names = *p;

	if (!names)
		return;
	for (unsigned int i = 0; i < HOST_BUCKETS; i++) {
		while (names->hosts[i]) {
			struct host *h = names->hosts[i];

			names->hosts[i] = h->next;
			free(h);
		}
	}
	for (unsigned int t = 0; t < 3; t++) {
		for (unsigned int i = 0; names->ports[t] && i < 65536; i++)
			free(names->ports[t][i]);
		free(names->ports[t]);
	}
	free(names);
	*p = NULL;
}

/* Files of names may hold anything; what would not be one word of a listing, or of JSON, is no name. */
static bool usable(const char *name)
{
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || *name == '"' || *name == '\\')
			return false;
	}
	return true;
}

static void ask_host(uint8_t family, const union cv_addr *addr, char *name, size_t size)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = addr->v4 };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	bool v6 = family == AF_INET6;

	memcpy(&in6.sin6_addr, addr->b, 16);
	if (getnameinfo(v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
			v6 ? sizeof(in6) : sizeof(in), name, (socklen_t)size, NULL, 0,
			NI_NAMEREQD) ||
	    !usable(name))
		name[0] = '\0';
}

/* NULL: it has no name, or memory ran out. */
static const char *host_name(struct names *names, uint8_t family, const union cv_addr *addr)
{
	uint64_t hash = (addr->q[0] ^ addr->q[1] * 31 ^ family) * 0x9e3779b97f4a7c15ULL;
	struct host **bucket = &names->hosts[hash >> 32 & (HOST_BUCKETS - 1)];
	char name[NI_MAXHOST];
	struct host *h;

	for (h = *bucket; h; h = h->next) {
		if (h->family == family && memcmp(&h->addr, addr, sizeof(*addr)) == 0)
			return h->name[0] ? h->name : NULL;
	}
	ask_host(family, addr, name, sizeof(name));
	h = malloc(sizeof(*h) + strlen(name) + 1);
	if (!h)
		return NULL;
	h->family = family;
	h->addr = *addr;
	strcpy(h->name, name);
	h->next = *bucket;
	*bucket = h;
	return h->name[0] ? h->name : NULL;
}

static const char *port_name(struct names *names, uint8_t proto, __be16 port)
{
	static const char *const tables[] = { "tcp", "udp", "sctp" };
	unsigned int t = proto == IPPROTO_TCP ? 0 : proto == IPPROTO_UDP ? 1 : 2;
	struct servent *found;
	char **slot;

	if (t == 2 && proto != IPPROTO_SCTP)
		return NULL;
	if (!names->ports[t])
		names->ports[t] = calloc(65536, sizeof(char *));
	if (!names->ports[t])
		return NULL;
	slot = &names->ports[t][ntohs(port)];
	if (!*slot) {
		found = getservbyport(port, tables[t]);
		*slot = strdup(found && usable(found->s_name) ? found->s_name : "");
	}
	return *slot && **slot ? *slot : NULL;
}

static void append(struct label *l, const char *bytes, size_t len)
{
	if (len > sizeof(l->text) - 1 - l->len)
		len = sizeof(l->text) - 1 - l->len;
	memcpy(l->text + l->len, bytes, len);
	l->len += (unsigned int)len;
	l->text[l->len] = '\0';
}

static void append_text(struct label *l, const char *text)
{
	append(l, text, strlen(text));
}

static void append_number(struct label *l, uint64_t n)
{
	struct digits d;

	digits_of(&d, n);
	append(l, d.first, d.len);
}

static void append_address(struct label *l, uint8_t family, const union cv_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	if (family == AF_INET6) {
		inet_ntop(AF_INET6, addr, text, sizeof(text));
		append_text(l, text);
		return;
	}
	for (int i = 0; i < 4; i++) {
		if (i)
			append(l, ".", 1);
		append_number(l, addr->b[i]);
	}
}

void label_address(struct label *l, uint8_t family, const union cv_addr *addr)
{
	l->len = 0;
	append_address(l, family, addr);
}

static void append_endpoint(struct label *l, struct names *names, uint8_t family,
			    const union cv_addr *addr, __be16 port, uint8_t proto)
{
	const char *host = names ? host_name(names, family, addr) : NULL;
	const char *service = names ? port_name(names, proto, port) : NULL;
	unsigned int end = l->len + ENDPOINT_MAX;

	append_text(l, family == AF_INET6 ? "[" : "");
	if (host)
		append_text(l, host);
	else
		append_address(l, family, addr);
	append_text(l, family == AF_INET6 ? "]:" : ":");
	if (service)
		append_text(l, service);
	else
		append_number(l, ntohs(port));
	if (l->len > end)
		l->len = end;
	l->text[l->len] = '\0';
}

void label_endpoint(struct label *l, struct names *names, uint8_t family, const union cv_addr *addr,
		    __be16 port, uint8_t proto)
{
	l->len = 0;
	append_endpoint(l, names, family, addr, port, proto);
}

static const char *service_prefix(const struct cv_service_key *key, bool rule)
{
	if (key->fwmark)
		return rule ? "-f " : "FWM  ";
	switch (key->proto) {
	case IPPROTO_TCP:
		return rule ? "-t " : "TCP  ";
	case IPPROTO_UDP:
		return rule ? "-u " : "UDP  ";
	default:
		return rule ? "--sctp-service " : "SCTP ";
	}
}

void label_service(struct label *l, struct names *names, const struct cv_service_key *key,
		   bool rule)
{
	l->len = 0;
	append_text(l, service_prefix(key, rule));
	if (key->fwmark) {
		append_number(l, key->fwmark);
		if (key->family == AF_INET6)
			append_text(l, rule ? " -6" : " IPv6");
		return;
	}
	append_endpoint(l, names, key->family, &key->addr, key->port, key->proto);
}
