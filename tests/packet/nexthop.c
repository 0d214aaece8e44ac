// SPDX-License-Identifier: GPL-2.0-or-later
/* The way to a real server: from the kernel's routes and neighbours, cached, and followed when they change. */
#include <bpf/bpf.h>
#include <string.h>

#include "case.h"

static uint32_t server_at(bool v6, const char *addr)
{
	uint32_t s;

	path_reset(path);
	s = service_add(path, &(struct service_spec){ .v6 = v6 });
	return dest_add(path, s, &(struct dest_spec){ .addr = addr });
}

static const struct cv_nexthop *hop_of(uint32_t dest)
{
	const struct cv_dest *d = &path->dests[dest];

	return &d->nh[d->nh_cur & 1];
}

/* A packet of a connection of its own, through XDP if it can. */
static void send_one(enum door door, bool v6, uint16_t sport, struct outcome *o)
{
	struct frame f;

	frame_build(&f, &(struct packet){ .v6 = v6, .sport = sport });
	path_send(path, door, &f, 0, o);
}

/* ---- what the kernel knows -------------------------------------------------------------- */

static void found(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t dest = server_at(v6, server_addr(3, v6));
		struct outcome o;
		uint8_t mac[6];

		send_one(XDP_DOOR, v6, 1, &o);
		server_mac(3, mac);
		assert_int_equal(o.fate, SENT);
		assert_false(o.handed_on);
		assert_int_equal(hop_of(dest)->ifindex, world.real);
		assert_int_equal(hop_of(dest)->mtu, 1500);
		assert_int_equal(hop_of(dest)->flags, CV_NH_XDP);
		assert_memory_equal(hop_of(dest)->dmac, mac, 6);
		assert_memory_equal(hop_of(dest)->smac, REAL_MAC, 6);
	}
}

/* Behind a router: its MAC, and its address for the neighbour table. */
static void by_gateway(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const char *far = v6 ? "fd55::9" : "10.55.0.9";
		union cv_addr gw = addr_of(server_addr(2, v6), NULL);
		struct outcome o;
		uint8_t mac[6];
		uint32_t dest;

		world_ip("route add %s via %s", far, server_addr(2, v6));
		dest = server_at(v6, far);
		send_one(XDP_DOOR, v6, 1, &o);
		server_mac(2, mac);
		assert_int_equal(o.fate, SENT);
		assert_memory_equal(o.out.data, mac, 6);
		assert_memory_equal(&path->dests[dest].gw[path->dests[dest].nh_cur & 1], &gw,
				    sizeof(gw));
		world_ip("route del %s", far);
	}
}

/* ---- it changes ---------------------------------------------------------------------------- */

static void expect_mac(struct outcome *o, unsigned int server, bool same)
{
	uint8_t mac[6];

	server_mac(server, mac);
	assert_int_equal(o->fate, SENT);
	assert_int_equal(memcmp(o->out.data, mac, 6) == 0, same);
}

/* A real server whose MAC changes is followed within a second. */
static void mac_changes(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const char *addr = server_addr(4, v6);
		struct outcome o;

		server_at(v6, addr);
		send_one(XDP_DOOR, v6, 1, &o);
		expect_mac(&o, 4, true);
		world_ip("neigh replace %s lladdr 02:00:00:00:07:15 dev real0 nud permanent", addr);
		path_advance(path, CV_HZ - 1);
		send_one(XDP_DOOR, v6, 2, &o); /* the cache, still */
		expect_mac(&o, 4, true);
		path_advance(path, 1);
		path->dests[0].neigh_seen = path->clock->now;
		send_one(XDP_DOOR, v6, 3, &o);
		expect_mac(&o, 5, true);
		world_ip("neigh replace %s lladdr 02:00:00:00:07:14 dev real0 nud permanent", addr);
	}
}

/* A route that changes, too: from one device to another. */
static void route_changes(void **state)
{
	uint32_t dest;
	struct outcome o;

	world_ip("route add 10.55.0.9 via %s", server_addr(1, 0));
	dest = server_at(false, "10.55.0.9");
	send_one(XDP_DOOR, false, 1, &o);
	assert_int_equal(hop_of(dest)->ifindex, world.real);
	world_ip("route replace 10.55.0.9 via " CLIENT);
	path_advance(path, CV_HZ);
	send_one(XDP_DOOR, false, 2, &o);
	assert_int_equal(hop_of(dest)->ifindex, world.up);
	assert_memory_equal(hop_of(dest)->dmac, CLIENT_MAC, 6);
	world_ip("route del 10.55.0.9");
}

/* ---- not resolved --------------------------------------------------------------------------- */

/* tc sends it through the kernel's own resolution, and asks again at the next tick. */
static void unresolved(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const char *addr = v6 ? "fd07::99" : "192.168.7.99";
		uint32_t dest = server_at(v6, addr);
		struct outcome o;

		send_one(XDP_DOOR, v6, 1, &o);
		assert_int_equal(o.fate, SENT);
		assert_true(o.handed_on);
		assert_int_equal(path_cause(path, CV_C_RESOLVING), 1);
		assert_int_equal(hop_of(dest)->ifindex, world.real);
		assert_int_equal(hop_of(dest)->flags, CV_NH_UNRESOLVED);
		world_ip("neigh add %s lladdr 02:00:00:00:07:19 dev real0 nud permanent", addr);
		path_advance(path, 1);
		send_one(XDP_DOOR, v6, 2, &o);
		expect_mac(&o, 9, true);
		assert_false(o.handed_on);
		world_ip("neigh del %s dev real0", addr);
	}
}

/* However large the packet: its MTU is not known yet, or is more than any packet's. */
static void unresolved_large(void **state)
{
	for (int huge = 0; huge < 2; huge++) {
		uint32_t dest;
		struct outcome o;
		struct frame f;

		world_ip("link set real0 mtu %d", huge ? 65535 : 1500);
		dest = server_at(false, "192.168.7.99");
		frame_build(&f, &(struct packet){ .payload = 1460, .df = true });
		path_send(path, XDP_DOOR, &f, 0, &o);
		assert_int_equal(o.fate, SENT);
		assert_int_equal(o.out.len, f.len);
		assert_int_equal(path_cause(path, CV_C_RESOLVING), 1);
		assert_int_equal(hop_of(dest)->mtu, huge ? 0 : 1500);
	}
	world_ip("link set real0 mtu 1500");
}

/* ---- nowhere to go ----------------------------------------------------------------------------- */

/* "Host unreachable", "address unreachable". */
static struct icmp_error unreachable(bool v6)
{
	return v6 ? (struct icmp_error){ 1, 3, 0 } : (struct icmp_error){ 3, 1, 0 };
}

static void expect_no_route(bool v6, const char *addr, const char *what)
{
	for (int door = 0; door < DOORS; door++) {
		const struct packet_case c = { .what = what,
					       .in = { .v6 = v6 },
					       .fate = SENT,
					       .cause = CV_C_ANSWERED,
					       .error = unreachable(v6),
					       .conns = 1 };

		server_at(v6, addr);
		assert_int_equal(case_play(path, (enum door)door, &c), 0);
	}
}

static void no_route(void **state)
{
	world_ip("route del default");
	expect_no_route(false, "10.55.0.9", "never any");
	world_ip("route add default via " CLIENT);
	static const char *const types[] = { "unreachable", "prohibit", "blackhole" };

	for (unsigned int i = 0; i < 2 * 3; i++) {
		bool v6 = i / 3;
		const char *far = v6 ? "fd55::9" : "10.55.0.9";

		world_ip("route add %s %s", types[i % 3], far);
		expect_no_route(v6, far, types[i % 3]);
		world_ip("route del %s %s", types[i % 3], far);
	}
}

/*
 * A route that goes, and comes back. Meanwhile the stack must not get the packets:
 * it would reset connections that are the real server's.
 */
static void route_lost(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		bool v6 = i / DOORS;
		const char *all = v6 ? "::/0" : "default";
		const struct packet_case lost = { .what = "lost",
						  .in = { .v6 = v6 },
						  .fate = SENT,
						  .cause = CV_C_ANSWERED,
						  .error = unreachable(v6) };
		struct outcome o;

		server_at(v6, v6 ? "fd55::9" : "10.55.0.9");
		send_one((enum door)(i % DOORS), v6, 40000, &o);
		assert_int_equal(o.fate, SENT);
		world_ip("route del %s", all);
		path_advance(path, CV_HZ);
		for (int k = 0; k < 3; k++) {
			assert_int_equal(case_play(path, (enum door)(i % DOORS), &lost), 0);
			path_advance(path, k);
		}
		world_ip("route add %s via %s", all, v6 ? CLIENT6 : CLIENT);
		path_advance(path, 1);
		send_one((enum door)(i % DOORS), v6, 40000, &o);
		assert_int_equal(o.fate, SENT);
	}
}

/* A route that comes back is found by the next packet. */
static void route_comes_back(void **state)
{
	struct outcome o;

	world_ip("route add unreachable 10.55.0.9");
	server_at(false, "10.55.0.9");
	send_one(TC_DOOR, false, 1, &o);
	assert_int_equal(path_cause(path, CV_C_ANSWERED), 1);
	world_ip("route del unreachable 10.55.0.9");
	path_advance(path, 1);
	send_one(TC_DOOR, false, 1, &o);
	assert_int_equal(o.fate, SENT);
	assert_int_equal(path_cause(path, CV_C_SENT), 1);
}

/* ---- the director itself -------------------------------------------------------------------------- */

static void local(void **state)
{
	static const char *const addrs[] = { "192.168.7.1", "10.0.0.1", "127.0.0.1", "fd07::1",
					     "::1" };

	for (unsigned int i = 0; i < 5 * DOORS; i++) {
		bool v6 = i / DOORS > 2;
		const struct packet_case c = { .what = addrs[i / DOORS],
					       .in = { .v6 = v6, .ttl = 1 },
					       .fate = PASSED,
					       .cause = CV_C_PASS_LOCAL,
					       .conns = 1 };
		uint32_t dest = server_at(v6, addrs[i / DOORS]);

		path->dests[dest].flags |= CV_DEST_LOCAL;
		assert_int_equal(case_play(path, (enum door)(i % DOORS), &c), 0);
	}
}

/* ---- devices that take no XDP frames, and uplinks that are not known -------------------------------- */

static void no_xdp_xmit(void **state)
{
	struct cv_device dev = { .flags = CV_DEV_ATTACHED };
	struct outcome o;

	server_at(false, NULL);
	bpf_map_update_elem(path->devices, &world.real, &dev, 0);
	send_one(XDP_DOOR, false, 1, &o);
	assert_int_equal(o.fate, SENT);
	assert_true(o.handed_on);
	bpf_map_delete_elem(path->devices, &world.real);
	path_advance(path, CV_HZ);
	send_one(XDP_DOOR, false, 2, &o);
	assert_int_equal(o.fate, SENT);
	assert_true(o.handed_on);
}

/* XDP leaves everything to tc until tc has seen the device's own address; then it does not. */
static void uplink_learnt(void **state)
{
	struct outcome o;

	server_at(false, NULL);
	memset(path->uplinks, 0, CV_UPLINKS * sizeof(*path->uplinks));
	send_one(XDP_DOOR, false, 1, &o);
	assert_true(o.handed_on);
	assert_int_equal(o.fate, SENT);
	send_one(XDP_DOOR, false, 2, &o);
	assert_false(o.handed_on);
	assert_int_equal(o.fate, SENT);
}

/* ---- neighbours stay known ---------------------------------------------------------------------------- */

/* Once a second, a new connection's first packet goes through the kernel's neighbour output. */
static void neighbour_is_shown_packets(void **state)
{
	uint32_t dest = server_at(false, NULL);
	unsigned int handed_on = 0;
	struct outcome o;

	for (uint16_t i = 0; i < 64; i++) {
		send_one(XDP_DOOR, false, 1000 + i, &o);
		assert_int_equal(o.fate, SENT);
		handed_on += o.handed_on;
		path_advance(path, CV_HZ / 16);
	}
	assert_in_range(handed_on, 3, 4);
	/* Without new connections, one of an open one after sixteen seconds. */
	path_advance(path,
		     16 * CV_HZ - CV_HZ / 16 - (path->clock->now - path->dests[dest].neigh_seen));
	send_one(XDP_DOOR, false, 1063, &o);
	assert_false(o.handed_on);
	path_advance(path, CV_HZ / 16);
	send_one(XDP_DOOR, false, 1063, &o);
	assert_true(o.handed_on);
	send_one(XDP_DOOR, false, 1063, &o);
	assert_false(o.handed_on);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(found),
	cmocka_unit_test(by_gateway),
	cmocka_unit_test(mac_changes),
	cmocka_unit_test(route_changes),
	cmocka_unit_test(unresolved),
	cmocka_unit_test(unresolved_large),
	cmocka_unit_test(no_route),
	cmocka_unit_test(route_lost),
	cmocka_unit_test(route_comes_back),
	cmocka_unit_test(local),
	cmocka_unit_test(no_xdp_xmit),
	cmocka_unit_test(uplink_learnt),
	cmocka_unit_test(neighbour_is_shown_packets),
};

PACKET_MAIN("nexthop", NULL, tests)
