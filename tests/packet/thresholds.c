// SPDX-License-Identifier: GPL-2.0-or-later
/* When a full server gets connections again: below -y, or without it below three quarters of -x. */
#include "case.h"

static struct packet client(uint16_t n)
{
	return (struct packet){ .proto = IPPROTO_UDP, .sport = (uint16_t)(1000 + n) };
}

/* Fills a server of -x 8, ends its connections one by one; with how many it takes a new one. */
static unsigned int recovers_at(enum door door, uint32_t l_threshold)
{
	uint32_t dest, service;
	struct packet p;

	path_reset(path);
	service = service_add(path, &(struct service_spec){ .proto = IPPROTO_UDP });
	dest = dest_add(path, service,
			&(struct dest_spec){ .u_threshold = 8, .l_threshold = l_threshold });
	for (uint16_t n = 0; n < 8; n++) {
		p = client(n);
		expect_equal("server", server_of(path, door, &p), 1);
		path_advance(path, 100);
	}
	path_advance(path, 300 * CV_HZ - 850); /* the first has 50 ticks left, each next 100 more */
	for (unsigned int keep = 8; keep > 0; keep--) {
		expect_counts(path, dest, 0, keep);
		p = client((uint16_t)(100 + keep));
		if (server_of(path, door, &p))
			return keep;
		path_advance(path, 100);
		path_sweep(path);
	}
	return 0;
}

static void recovery(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		now_playing("%s", door_names[door]);
		expect_equal("-x 8", recovers_at((enum door)door, 0), 5);
		expect_equal("-x 8 -y 2", recovers_at((enum door)door, 2), 1);
		expect_equal("-x 8 -y 8", recovers_at((enum door)door, 8), 7);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(recovery),
};

PACKET_MAIN("thresholds", NULL, tests)
