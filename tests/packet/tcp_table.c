// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every cell of IPVS's TCP tables that packets can reach: the state and timer
 * after one more packet, as the kernel had them (ipvs_tcp_table), for both
 * directions, masq and direct routing, with and without secure_tcp and
 * sloppy_tcp, through both doors. A null state: no connection.
 */
#include <stdio.h>

#include "cells.h"

static const char *settings(const json_t *fact, struct talk *t)
{
	static char text[64];
	int secure = fact_number(fact, "secure_tcp"), sloppy = fact_number(fact, "sloppy_tcp");

	path->settings->secure_tcp = (uint32_t)secure;
	path->settings->sloppy_tcp = (uint32_t)sloppy;
	snprintf(text, sizeof(text), "secure_tcp %d, sloppy_tcp %d", secure, sloppy);
	return text;
}

static void ipv4(void **state)
{
	cells_play("ipvs_tcp_table", "tcp_table", 598, settings, false);
}

static void ipv6(void **state)
{
	cells_play("ipvs_tcp_table", "tcp_table", 598, settings, true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ipv4),
	cmocka_unit_test(ipv6),
};

PACKET_MAIN("tcp_table", NULL, tests)
