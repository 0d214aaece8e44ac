// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of single values: addresses with and without ports, masks,
 * prefixes, numbers, settings. The first byte says which, the rest is the text.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "culvert.h"
#include "ipvlan.h"
#include "ipvsadm_internal.h"
#include "options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void endpoint(const char *text, uint8_t proto)
{
	struct endpoint e = {};
	int found = parse_endpoint(&e, text, proto, false);

	must(!(found & ~(ADDRESS_HOST | ADDRESS_PORT)));
	if (found & ADDRESS_HOST)
		must(e.family == AF_INET6 || (e.family == AF_INET && !e.addr.w[1] && !e.addr.q[1]));
	if (!(found & ADDRESS_PORT) && found)
		must(!e.port);
}

static void prefix(const char *text)
{
	struct cv_ipv_prefix p;

	if (!cv_ipv_parse_prefix(text, &p))
		must(p.plen <= (p.family == AF_INET6 ? 128 : 32));
}

/* NAME=VALUE, as `culvert sysctl` cuts it. */
static void setting(char *text)
{
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	if (cv_setting_check(text, value ? value : ""))
		must(*cv_why());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t n = 0;
	char *text;

	if (!size)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	switch (data[0] % 6) {
	case 0:
		endpoint(text, IPPROTO_TCP);
		break;
	case 1:
		parse_ipv4_mask(text, false, &n);
		break;
	case 2:
		prefix(text);
		break;
	case 3:
		if (option_number(text, &n))
			must(n > 0);
		break;
	case 4:
		setting(text);
		break;
	default:
		must(number_between(text, 0, 65535) <= 65535);
	}
	free(text);
	return 0;
}
