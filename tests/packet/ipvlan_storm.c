// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged packets (mutate.h; ARP and neighbour discovery beside them) against the four programs of ipvlan, with every
 * mode, flag and hostreach. What holds for each packet:
 *
 *   out of a slave    it is counted once, as sent or by the cause of its drop; what is sent has a source that the slave
 *                     owns or is allowed, and names the master's MAC address; no router's message; nothing else changed
 *   into a slave      by one of the two hooks, once, and only what is for its address; with private, and with vepa, none
 *                     of another slave's
 *   at the master     nothing is lost, and nothing changed, whatever it is
 *
 * CULVERT_SEED=N plays one round; CULVERT_STORM=N is how many packets are sent in all.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <net/if.h>

#include <culvert/ipvlan.h>

#include "case.h"
#include "ipvlan.skel.h"
#include "mutate.h"

#define SLAVES 3
#define ROUND 1000

static const struct {
	const char *v4, *v6;
} addresses[SLAVES] = { { CLIENT, CLIENT6 }, { VIP, VIP6 }, { "172.16.0.9", "2001:db8::9" } };

/* A prefix that the first slave may send from as well. */
static const char *const allowed[2] = { "198.51.100.7", "2001:db8:9::1" };

static const uint8_t master_mac[6] = { 2, 0, 0, 0, 0, 1 };

enum hook { SLAVE_OUT, SLAVE_IN, MASTER_IN, MASTER_OUT, HOOKS };
static const char *const hook_names[] = { "out of a slave", "into a slave", "into the master",
					  "out of the master" };

static struct ipvlan_bpf *skel;
static uint32_t master_ifindex, slave_ifindex[SLAVES], policy, cpu;
static uint64_t sent_in;

/* ---- the world ----------------------------------------------------------------------------- */

static void shell(const char *command)
{
	if (system(command) != 0) {
		fprintf(stderr, "failed: %s\n", command);
		exit(1);
	}
}

static void make_devices(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		exit(1);
	/* The host ends stay down: copies end there. The host has a way to everywhere. */
	shell("ip link add m0 address 02:00:00:00:00:01 type veth peer name wire && ip link set m0 up && "
	      "ip link set wire up && ip addr add 10.9.0.1/24 dev m0 && ip route add default dev m0 && "
	      "ip -6 route add default dev m0 && sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 && "
	      "for i in 0 1 2; do ip link add host$i type veth peer name end$i; done");
	master_ifindex = if_nametoindex("m0");
	for (int i = 0; i < SLAVES; i++)
		slave_ifindex[i] = if_nametoindex((const char *[]){ "host0", "host1", "host2" }[i]);
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) < 0) {
		perror("map");
		exit(1);
	}
}

static void put_address(const char *text, uint32_t slave)
{
	bool v6;
	struct cv_ipv_addr_key key = { .addr = addr_of(text, &v6) };
	struct cv_ipv_addr value = { .slave = slave };

	key.family = v6 ? AF_INET6 : AF_INET;
	put(skel->maps.addrs, &key, &value);
}

/* All but the counters as it begins; also without link-local addresses that slaves have claimed. */
static void begin(uint64_t *r)
{
	static const uint32_t flags[] = { 0, CV_IPV_PRIVATE, CV_IPV_VEPA };
	struct cv_ipv_master m = { .state = CV_IPV_LIVE,
				   .ifindex = master_ifindex,
				   .slots = SLAVES };
	struct cv_ipv_port port = { .kind = CV_IPV_IS_MASTER };
	uint32_t zero = 0, one = 1;
	struct cv_ipv_addr_key key;

	while (bpf_map_get_next_key(bpf_map__fd(skel->maps.addrs), NULL, &key) == 0)
		bpf_map_delete_elem(bpf_map__fd(skel->maps.addrs), &key);
	policy = mutate_random(r) % CV_IPV_MODES | flags[mutate_random(r) % 3] |
		 (mutate_random(r) % 2 ? CV_IPV_HOSTREACH : 0);
	m.policy = policy;
	m.probe = slave_ifindex[0];
	memcpy(&m.mac, master_mac, 6);
	put(skel->maps.masters, &zero, &m);
	put(skel->maps.ports, &master_ifindex, &port);
	for (uint32_t i = 0; i < SLAVES; i++) {
		struct cv_ipv_slave s = { .state = CV_IPV_LIVE,
					  .ifindex = slave_ifindex[i],
					  .has_allow = i == 0 };

		port = (struct cv_ipv_port){ .kind = CV_IPV_IS_SLAVE, .index = i };
		put(skel->maps.slaves, &i, &s);
		put(skel->maps.ports, &slave_ifindex[i], &port);
		put_address(addresses[i].v4, i);
		put_address(addresses[i].v6, i);
	}
	for (int v6 = 0; v6 < 2; v6++) {
		struct cv_ipv_allow_key allow = { .prefixlen = CV_IPV_ALLOW_FIXED + (v6 ? 48 : 24),
						  .family = v6 ? AF_INET6 : AF_INET,
						  .addr = addr_of(allowed[v6], NULL) };

		put(skel->maps.allows, &allow, &one);
	}
}

/* ---- packets ------------------------------------------------------------------------------- */

static void any_mac(uint64_t *r, uint8_t *mac)
{
	static const uint8_t macs[][6] = { { 2, 0, 0, 0, 0, 1 },
					   { 2, 0, 0, 0, 0, 1 },
					   { 2, 0, 0, 0, 0, 9 },
					   { 255, 255, 255, 255, 255, 255 },
					   { 0x33, 0x33, 0, 0, 0, 1 } };

	memcpy(mac, macs[mutate_random(r) % 5], 6);
}

static const char *any_address(uint64_t *r, bool v6)
{
	static const char *const v4s[] = { CLIENT,     VIP,	  "172.16.0.9",
					   "10.0.0.7", "0.0.0.0", "198.51.100.7" };
	static const char *const v6s[] = { CLIENT6,   "fd00::7", "::",		"2001:db8:9::1",
					   "ff02::1", VIP6,	 "2001:db8::9", "fe80::1",
					   "fe80::2", "fe80::3", "fe80::4",	"fe80::5",
					   "fe80::6", "fe80::7", "fe80::8",	"fe80::9" };

	return v6 ? v6s[mutate_random(r) % 16] : v4s[mutate_random(r) % 6];
}

static void arp(uint64_t *r, struct frame *f)
{
	static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	union cv_addr from = addr_of(any_address(r, false), NULL),
		      to = addr_of(any_address(r, false), NULL);

	memcpy(f->data + 12, head, sizeof(head));
	f->data[21] = 1 + mutate_random(r) % 2;
	any_mac(r, f->data + 22);
	memcpy(f->data + 28, &from, 4);
	any_mac(r, f->data + 32);
	memcpy(f->data + 38, &to, 4);
	f->len = 42;
}

static void neighbour(uint64_t *r, struct frame *f)
{
	static const uint8_t head[] = { 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255 };
	union cv_addr from = addr_of(any_address(r, true), NULL),
		      to = addr_of(any_address(r, true), NULL);
	union cv_addr target = addr_of(any_address(r, true), NULL);
	uint32_t at = 54;

	memset(f->data + 12, 0, 100);
	memcpy(f->data + 12, head, sizeof(head));
	memcpy(f->data + 22, &from, 16);
	memcpy(f->data + 38, &to, 16);
	if (mutate_random(r) % 4 == 0) { /* behind an extension header */
		f->data[20] = (uint8_t[]){ 0, 43, 60, 44 }[mutate_random(r) % 4];
		f->data[54] = 58;
		f->data[19] = 40;
		at += 8;
	}
	f->data[at] = (uint8_t)(133 + mutate_random(r) % 5);
	memcpy(f->data + at + 8, &target, 16);
	f->data[at + 24] = (uint8_t)(1 + mutate_random(r) % 2);
	f->data[at + 25] = 1;
	any_mac(r, f->data + at + 26);
	f->len = at + 32;
}

static void make_packet(uint64_t seed, struct frame *f)
{
	uint64_t r = seed * 0x9e3779b97f4a7c15ULL + 1;
	uint32_t kind = mutate_random(&r) % 8, mark;

	memset(f->data, 0, 128);
	mutate_packet(seed, f, &mark);
	if (kind < 2) {
		(kind ? neighbour : arp)(&r, f);
		for (uint32_t hurt = mutate_random(&r) % 4; hurt > 1; hurt--)
			mutate_damage(&r, f);
	}
	any_mac(&r, f->data);
	any_mac(&r, f->data + 6);
	f->data[6] &= 0xfe;
}

/* BPF_PROG_TEST_RUN gives no beginnings of IP headers to tc (6.18). */
static bool stump(const struct frame *f)
{
	uint32_t type = (uint32_t)(f->data[12] << 8 | f->data[13]);

	return f->len <= ETH_LEN || (type == ETH_P_IP && f->len < ETH_LEN + 20) ||
	       (type == ETH_P_IPV6 && f->len < ETH_LEN + 40);
}

/* ---- what a packet is, read without the data path's help ---------------------------------------- */

struct view {
	enum { IS_OTHER, IS_IPV4, IS_IPV6, IS_ARP } kind;
	const uint8_t *src, *dst;
	uint8_t icmp6; /* type of an ICMPv6 message, at once or behind one extension header; 0: it is none */
	bool behind;
};

static void look_for_icmp6(const struct frame *f, struct view *v)
{
	uint8_t proto = f->data[20];
	uint32_t at = 54;

	if (proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	    proto == IPPROTO_DSTOPTS) {
		if (at + 8 > f->len)
			return;
		at += proto == IPPROTO_FRAGMENT ? 8 : (f->data[55] + 1) * 8U;
		proto = f->data[54];
		v->behind = true;
	}
	if (proto == IPPROTO_ICMPV6 && at + 8 <= f->len)
		v->icmp6 = f->data[at];
}

static struct view view_of(const struct frame *f)
{
	uint32_t type = (uint32_t)(f->data[12] << 8 | f->data[13]);
	struct view v = { .kind = IS_OTHER };

	if (type == ETH_P_IP && f->len >= 34 && f->data[14] >> 4 == 4 && (f->data[14] & 15) >= 5)
		v = (struct view){ .kind = IS_IPV4, .src = f->data + 26, .dst = f->data + 30 };
	else if (type == ETH_P_IPV6 && f->len >= 54 && f->data[14] >> 4 == 6)
		v = (struct view){ .kind = IS_IPV6, .src = f->data + 22, .dst = f->data + 38 };
	else if (type == ETH_P_ARP && f->len >= 42 && memcmp(f->data + 14, "\0\1\10\0\6\4", 6) == 0)
		v = (struct view){ .kind = IS_ARP, .src = f->data + 28, .dst = f->data + 38 };
	if (v.kind == IS_IPV6)
		look_for_icmp6(f, &v);
	return v;
}

static bool is_nd(uint8_t type)
{
	return type >= 133 && type <= 137;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	static const uint8_t zero[16];

	return memcmp(bytes, zero, n) == 0;
}

/* The slave that has it; SLAVES: none. Link-local addresses are whose the data path says. */
static uint32_t owner_of(const uint8_t *addr, bool v6)
{
	struct cv_ipv_addr_key key = { .family = AF_INET6 };
	struct cv_ipv_addr value;

	for (uint32_t i = 0; i < SLAVES; i++) {
		union cv_addr a = addr_of(v6 ? addresses[i].v6 : addresses[i].v4, NULL);

		if (memcmp(addr, &a, v6 ? 16 : 4) == 0)
			return i;
	}
	if (!v6 || addr[0] != 0xfe || (addr[1] & 0xc0) != 0x80)
		return SLAVES;
	memcpy(&key.addr, addr, 16);
	return bpf_map_lookup_elem(bpf_map__fd(skel->maps.addrs), &key, &value) ? SLAVES :
										  value.slave;
}

static bool may_send_from(uint32_t slave, const uint8_t *addr, bool v6)
{
	union cv_addr prefix = addr_of(allowed[v6], NULL);

	return owner_of(addr, v6) == slave ||
	       (slave == 0 && memcmp(addr, &prefix, v6 ? 6 : 3) == 0);
}

/* Without a source: DHCP, duplicate address detection, an ARP probe. */
static bool source_is_right(const struct frame *f, const struct view *v, uint32_t slave)
{
	bool v6 = v->kind == IS_IPV6, l2 = (policy & CV_IPV_MODE) == CV_IPV_L2;

	if (v->kind == IS_OTHER || (v->kind == IS_ARP && !l2))
		return false;
	if (!all_zero(v->src, v6 ? 16 : 4))
		return may_send_from(slave, v->src, v6);
	return l2 && (v->kind == IS_ARP || (v6 && v->dst[0] == 0xff) ||
		      (v->kind == IS_IPV4 && f->data[23] == IPPROTO_UDP && f->data[36] == 0 &&
		       f->data[37] == 67));
}

/* ---- what must hold --------------------------------------------------------------------------- */

/* Of the slaves, and behind them of the master. */
struct counts {
	uint64_t n[SLAVES + 1][CV_IPV_COUNTS];
};

static void read_counts(struct counts *c)
{
	static struct cv_ipv_counters all[1024];

	for (uint32_t i = 0; i <= SLAVES; i++) {
		uint32_t key = i < SLAVES ? i : CV_IPV_SLAVES;

		if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.counters), &key, all) < 0)
			fail_msg("counters");
		memcpy(c->n[i], all[cpu].n, sizeof(c->n[i]));
	}
}

static void take_away(struct counts *c, const struct counts *before)
{
	for (int i = 0; i <= SLAVES; i++) {
		for (int k = 0; k < CV_IPV_COUNTS; k++)
			c->n[i][k] -= before->n[i][k];
	}
}

static uint64_t drops(const struct counts *c, uint32_t of)
{
	uint64_t n = 0;

	for (int k = CV_IPV_DROP_SOURCE; k < CV_IPV_COUNTS; k++)
		n += c->n[of][k];
	return n;
}

struct shot {
	enum hook hook;
	uint32_t slave;
	const struct frame *in;
	struct frame out;
	int verdict;
	struct counts counts; /* by it */
};

/* Delivered to whom? SLAVES: to none. */
static uint32_t delivered(const struct shot *x)
{
	for (uint32_t i = 0; i < SLAVES; i++) {
		if (x->counts.n[i][CV_IPV_RX_PACKETS])
			return i;
	}
	return SLAVES;
}

static bool check_delivery(const struct shot *x, const struct view *v)
{
	uint32_t to = delivered(x);
	uint64_t n = 0;

	for (uint32_t i = 0; i < SLAVES; i++)
		n += x->counts.n[i][CV_IPV_RX_PACKETS];
	if (n > 1)
		return breaks("delivered %lu times", n);
	if (!n)
		return true;
	if (x->verdict != TC_ACT_REDIRECT)
		return breaks("counted as delivered, and not redirected");
	if (v->kind == IS_OTHER || owner_of(v->dst, v->kind == IS_IPV6) != to)
		return breaks("delivered to %u, whose address it has not", to);
	if (x->hook == SLAVE_OUT && to != x->slave && policy & (CV_IPV_PRIVATE | CV_IPV_VEPA))
		return breaks("delivered to another slave, which the flag forbids");
	return true;
}

static bool check_copies(const struct shot *x)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < SLAVES; i++)
		n += x->counts.n[i][CV_IPV_CLONES];
	if (!n)
		return true;
	if ((policy & CV_IPV_MODE) != CV_IPV_L2 || !(x->in->data[0] & 1))
		return breaks("copied, which only groups are in l2");
	if (x->hook == SLAVE_OUT &&
	    (x->counts.n[x->slave][CV_IPV_CLONES] || policy & (CV_IPV_PRIVATE | CV_IPV_VEPA)))
		return breaks("copied to who must not get it");
	return true;
}

/* What it may look like after the data path: of the input, with what it writes taken from the output. */
static bool check_bytes(const struct shot *x, const struct view *v)
{
	bool l2 = (policy & CV_IPV_MODE) == CV_IPV_L2;
	struct frame want = *x->in;

	if (x->hook == SLAVE_OUT && l2) {
		memcpy(want.data + 6, master_mac, 6);
		if (v->kind == IS_ARP)
			memcpy(want.data + 22, master_mac, 6);
		if (is_nd(v->icmp6) && !v->behind) /* options name it, and the checksum follows */
			memcpy(want.data + 54, x->out.data + 54, want.len - 54);
	} else if ((v->kind == IS_IPV4 && want.data[22] < 2) ||
		   (v->kind == IS_IPV6 && want.data[21] < 2)) {
		/* Put up to 2, to be put back behind the host's stack (V6). */
		if (x->out.data[v->kind == IS_IPV4 ? 22 : 21] == 2) {
			want.data[v->kind == IS_IPV4 ? 22 : 21] = 2;
			if (v->kind == IS_IPV4)
				memcpy(want.data + 24, x->out.data + 24, 2);
		}
	}
	return frame_differs(&want, &x->out, 0) < 0 || breaks("it came out changed");
}

static bool check_slave_out(const struct shot *x, const struct view *v)
{
	const uint64_t *own = x->counts.n[x->slave];
	bool l2 = (policy & CV_IPV_MODE) == CV_IPV_L2, dropped = x->verdict == TC_ACT_SHOT;

	if (own[CV_IPV_TX_PACKETS] + drops(&x->counts, x->slave) != 1)
		return breaks("counted %lu times as sent, %lu times as dropped",
			      own[CV_IPV_TX_PACKETS], drops(&x->counts, x->slave));
	if (dropped != (drops(&x->counts, x->slave) == 1))
		return breaks("counted as what it was not");
	for (uint32_t i = 0; i < SLAVES; i++) {
		if (i != x->slave && (x->counts.n[i][CV_IPV_TX_PACKETS] || drops(&x->counts, i)))
			return breaks("counted at another slave");
	}
	if (dropped)
		return true;
	if (!source_is_right(x->in, v, x->slave))
		return breaks("sent from what is not its own");
	/* One behind extension headers is believed by nobody unless its hop limit is 255 (RFC 4861). */
	if (is_nd(v->icmp6) &&
	    (v->behind ? x->in->data[21] == 255 : v->icmp6 == 134 || v->icmp6 == 137 || !l2))
		return breaks("a message that is a router's, or hidden, was let out");
	if (v->icmp6 == 136 && !v->behind && !may_send_from(x->slave, x->in->data + 62, true))
		return breaks("advertised an address that is not its own");
	return check_bytes(x, v);
}

static bool check_slave_in(const struct shot *x, const struct view *v)
{
	uint64_t n = x->counts.n[x->slave][CV_IPV_RX_PACKETS];

	if ((x->verdict == TC_ACT_UNSPEC) != (n == 1) || n > 1)
		return breaks("let in %lu times, and said %d", n, x->verdict);
	return x->verdict == TC_ACT_SHOT || frame_differs(x->in, &x->out, 0) < 0 ||
	       breaks("it came out changed");
}

static bool check_master(const struct shot *x, const struct view *v)
{
	if (x->verdict == TC_ACT_SHOT)
		return breaks("lost");
	if (x->hook == MASTER_IN && (x->verdict == TC_ACT_REDIRECT) != (delivered(x) < SLAVES))
		return breaks("redirected, and not counted");
	for (uint32_t i = 0; i <= SLAVES; i++) {
		if (drops(&x->counts, i) || x->counts.n[i][CV_IPV_TX_PACKETS])
			return breaks("counted as a slave's");
	}
	return check_bytes(x, v);
}

static bool check(const struct shot *x)
{
	struct view v = view_of(x->in);

	if (x->hook != SLAVE_IN && !check_delivery(x, &v))
		return false;
	if (!check_copies(x))
		return false;
	if (x->hook == SLAVE_OUT)
		return check_slave_out(x, &v);
	return x->hook == SLAVE_IN ? check_slave_in(x, &v) : check_master(x, &v);
}

/* ---- a round ---------------------------------------------------------------------------------- */

static void run(struct shot *x, uint32_t from)
{
	const struct bpf_program *programs[] = { skel->progs.slave_out, skel->progs.slave_in,
						 skel->progs.master_in, skel->progs.master_out };
	struct __sk_buff ctx = { .ifindex = x->hook < MASTER_IN ? slave_ifindex[x->slave] :
								  master_ifindex,
				 .ingress_ifindex = from };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = x->in->data, .data_size_in = x->in->len,
		    .data_out = x->out.data, .data_size_out = sizeof(x->out.data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	struct counts before;

	read_counts(&before);
	if (bpf_prog_test_run_opts(bpf_program__fd(programs[x->hook]), &opts) < 0)
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(errno));
	x->out.len = opts.data_size_out;
	x->verdict = (int)opts.retval;
	read_counts(&x->counts);
	take_away(&x->counts, &before);
	sent_in++;
}

static void play_round(uint64_t round)
{
	uint64_t r = round * 0x9e3779b97f4a7c15ULL;
	struct frame f;

	begin(&r);
	for (int i = 0; i < ROUND; i++) {
		uint64_t seed = (uint64_t)mutate_random(&r) << 32 | mutate_random(&r);
		struct shot x = { .in = &f, .slave = (uint32_t)(seed >> 8) % SLAVES };
		uint32_t from = seed & 1 ? master_ifindex : 0;

		make_packet(seed, &f);
		if (stump(&f))
			continue;
		for (x.hook = 0; x.hook < HOOKS; x.hook++) {
			run(&x, x.hook == SLAVE_IN || x.hook == MASTER_OUT ? from : 0);
			if (check(&x))
				continue;
			frame_print("in", &f);
			frame_print("out", &x.out);
			fail_msg("CULVERT_SEED=%lu, packet %d, %s %u, policy 0x%x, verdict %d: %s",
				 round, i, hook_names[x.hook], x.slave, policy, x.verdict, broken);
		}
	}
	/* No slave has claimed more than its share, and none another's address. */
	for (uint32_t i = 0; i < SLAVES; i++) {
		struct cv_ipv_slave s;

		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.slaves), &i, &s), 0);
		assert_in_range(s.claims, 0, CV_IPV_CLAIMS);
	}
}

static void storm(void **state)
{
	mutate_rounds(play_round, &sent_in, 200000, 10000000);
	figure("attacks.ipvlan", sent_in,
	       "malformed packets at ipvlan's hooks, none from another's address, each counted once");
	print_message("%lu packets\n", (unsigned long)sent_in);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(storm) };

	path_stay_here();
	cpu = (uint32_t)sched_getcpu();
	make_devices();
	skel = ipvlan_bpf__open_and_load();
	if (!skel)
		return 1;
	mutate_begin();
	return cmocka_run_group_tests_name("ipvlan_storm", tests, NULL, NULL);
}
