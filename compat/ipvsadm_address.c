// SPDX-License-Identifier: GPL-2.0-or-later
/* HOST[:PORT] and netmasks, as ipvsadm reads them, numbers or names. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvsadm_internal.h"

/* The longest host name (255, RFC 1035) with brackets and a port's name. */
#define LONGEST_ENDPOINT 320

/* The first address of that family, but none of one link (fe80::1%eth0): a service has no link. */
static int host_by_name(const char *name, int family, union cv_addr *addr)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	const struct sockaddr_in6 *in6;
	struct addrinfo *found;
	int err = 0;

	if (getaddrinfo(name, NULL, &hints, &found))
		return -1;
	memset(addr, 0, sizeof(*addr));
	in6 = (const struct sockaddr_in6 *)found->ai_addr;
	if (family == AF_INET)
		addr->v4 = ((const struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr;
	else if (in6->sin6_scope_id)
		err = -1;
	else
		memcpy(addr->b, &in6->sin6_addr, 16);
	freeaddrinfo(found);
	return err;
}

static int port_by_name(const char *name, uint8_t proto)
{
	const char *table = proto == IPPROTO_TCP  ? "tcp" :
			    proto == IPPROTO_UDP  ? "udp" :
			    proto == IPPROTO_SCTP ? "sctp" :
						    NULL;
	struct servent *found = table ? getservbyname(name, table) : NULL;

	return found ? ntohs((uint16_t)found->s_port) : -1;
}

static bool all_digits(const char *s)
{
	while (isdigit((unsigned char)*s))
		s++;
	return *s == '\0';
}

/* inet_aton() takes the short forms that inet_pton() does not, as ipvsadm does. */
static int ipv4_host(const char *text, bool names, union cv_addr *addr)
{
	struct in_addr in;

	if (!inet_aton(text, &in))
		return names ? host_by_name(text, AF_INET, addr) : -1;
	memset(addr, 0, sizeof(*addr));
	addr->v4 = in.s_addr;
	return 0;
}

static int parse_host(struct endpoint *e, char *host, char **port, bool bracketed, bool names)
{
	if (inet_pton(AF_INET6, host, &e->addr) == 1) {
		e->family = AF_INET6;
		return 0;
	}
	if (bracketed && names && host_by_name(host, AF_INET6, &e->addr) == 0) {
		e->family = AF_INET6;
		return 0;
	}
	/* An IPv4 host in brackets loses its port: ipvsadm looks for it inside of them. */
	*port = strrchr(host, ':');
	if (*port)
		*(*port)++ = '\0';
	e->family = AF_INET;
	if (ipv4_host(host, names, &e->addr) == 0)
		return 0;
	e->family = AF_INET6;
	return !bracketed && names ? host_by_name(host, AF_INET6, &e->addr) : -1;
}

int parse_endpoint(struct endpoint *e, const char *text, uint8_t proto, bool names)
{
	char copy[LONGEST_ENDPOINT], *host = copy, *port = NULL;
	bool bracketed = text[0] == '[';
	int number;

	if (all_digits(text) || strlen(text) >= sizeof(copy))
		return ADDRESS_NONE;
	strcpy(copy, text);
	if (bracketed) {
		host++;
		port = strchr(host, ']');
		if (!port || port[1] != ':')
			return ADDRESS_NONE;
		*port = '\0';
		port += 2;
	}
	if (parse_host(e, host, &port, bracketed, names))
		return ADDRESS_NONE;
	if (!port)
		return ADDRESS_HOST;

	number = number_between(port, 0, 65535);
	if (number < 0 && names)
		number = port_by_name(port, proto);
	if (number < 0)
		return ADDRESS_NONE;
	e->port = htons((uint16_t)number);
	return ADDRESS_HOST | ADDRESS_PORT;
}

int parse_ipv4_mask(const char *text, bool names, uint32_t *mask)
{
	union cv_addr addr;

	if (ipv4_host(text, names, &addr))
		return -1;
	*mask = addr.v4;
	return 0;
}
