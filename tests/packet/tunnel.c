// SPDX-License-Identifier: GPL-2.0-or-later
/* IP in IP, byte for byte, whatever the two families are. */
#include <string.h>

#include "case.h"

static uint32_t begin(bool v6, bool outer_v6)
{
	uint32_t service;

	path_reset(path);
	service = service_add(path, &(struct service_spec){ .v6 = v6 });
	now_playing("IPv%d in IPv%d", v6 ? 6 : 4, outer_v6 ? 6 : 4);
	return dest_add(path, service,
			&(struct dest_spec){ .addr = server_addr(1, outer_v6),
					     .method = CV_TUNNEL });
}

static void check(enum door door, const struct packet *in, bool outer_v6)
{
	struct frame f, want;
	struct outcome o;
	uint8_t mac[6];

	frame_build(&f, in);
	want = f;
	frame_routed(&want, NULL, NULL);
	frame_tunnel(&want, server_addr(0, outer_v6), server_addr(1, outer_v6));
	path_send(path, door, &f, 0, &o);
	expect_equal("sent", o.fate, SENT);
	if (door == XDP_DOOR && !o.handed_on) {
		server_mac(1, mac);
		memcpy(want.data, mac, 6);
		memcpy(want.data + 6, REAL_MAC, 6);
	}
	if (!outer_v6 && in->v6)
		frame_take_id(&want, &o.out);
	if (frame_differs(&want, &o.out, o.handed_on || door == TC_DOOR ? ETH_LEN : 0) >= 0) {
		frame_print("expected", &want);
		frame_print("out", &o.out);
		fault("differs from byte %d on", frame_differs(&want, &o.out, 0));
	}
}

static void every_family(void **state)
{
	for (int i = 0; i < 4 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS % 2, outer_v6 = i / DOORS / 2;
		struct packet p = { .v6 = v6, .df = !v6, .payload = 3 };

		begin(v6, outer_v6);
		check(door, &p, outer_v6);
		p.flags = ACK;
		p.payload = 1200;
		check(door, &p, outer_v6);
		p.ttl = 2;
		p.payload = 0;
		check(door, &p, outer_v6);
		expect_equal("packets", (long)path_counters(path, 0).inpkts, 3);
		expect_audit(path);
	}
}

/* What does not fit with its new header is answered with what would have. */
static void too_big(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		const struct packet_case fits = { .what = "fits",
						  .in = { .df = true, .payload = 1440 },
						  .fate = SENT,
						  .cause = CV_C_SENT,
						  .conns = 1 };
		const struct packet_case over = { .what = "too big",
						  .in = { .df = true, .payload = 1441, .sport = 2 },
						  .fate = SENT,
						  .cause = CV_C_ANSWERED,
						  .conns = 1,
						  .error = { 3, 4, 1480 } };

		begin(false, false);
		check((enum door)door, &fits.in, false);
		assert_int_equal(case_play(path, (enum door)door, &over), 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_family),
	cmocka_unit_test(too_big),
};

PACKET_MAIN("tunnel", NULL, tests)
