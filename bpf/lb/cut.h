/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets larger than the way, which the kernel cuts (ip_do_fragment(),
 * ip6_fragment()), and those that go into a tunnel with a checksum over all of
 * their bytes: made anew in memory (whole.h), then sent in as many frames as it
 * takes, in order.
 */
#ifndef CULVERT_BPF_LB_CUT_H
#define CULVERT_BPF_LB_CUT_H

#include "tc_xmit.h"
#include "whole.h"

#define IPPROTO_FRAGMENT_ 44

/* ---- sums ---------------------------------------------------------------- */

/* The transport checksum of the packet in memory, whose header is at `l4` and has 0 for it. */
static __always_inline __u16 whole_l4_sum(struct whole *w, bool v6, __u8 proto, __u32 l4)
{
	__u8 *addresses =
		whole_at(w, v6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr));
	__u32 sum = bpf_htons(proto) + bpf_htons(w->len - l4);
	__u16 check;

	sum = v6 ? bpf_csum_diff(NULL, 0, (__be32 *)addresses, 32, sum) :
		   bpf_csum_diff(NULL, 0, (__be32 *)addresses, 8, sum);
	check = csum_fold(whole_sum(w, l4, w->len, sum));
	return !check && proto == IPPROTO_UDP ? 0xffff : check;
}

/* SCTP's checksum of 0 is most likely one that is left to be completed. */
static __always_inline int whole_take_sctp(struct __sk_buff *skb, const struct flow *f,
					   struct whole *w)
{
	struct sctp_head *sctp = (void *)whole_at(w, f->l4 - ETH_HLEN);

	if (!sctp->checksum)
		sctp->checksum = crc32c_frame(skb, f->l4, ETH_HLEN + f->len);
	return 0;
}

/*
 * Takes the frame's packet into memory. A checksum that was left to be
 * completed is so: with one, the kernel lets no frame end before it, which
 * tells. The frame is spoilt.
 */
GLOBAL int whole_take(struct __sk_buff *skb, struct flow *f)
{
	struct whole *w = whole_mine();
	__u16 check;
	__u32 at;

	if (!f || !w || whole_load(skb, w, ETH_HLEN, f->len))
		return -1;
	if (f->proto == IPPROTO_SCTP)
		return whole_take_sctp(skb, f, w);
	if (!l4_check_at(f->proto) || !bpf_skb_change_tail(skb, f->l4 + 4, 0))
		return 0;
	at = f->l4 - ETH_HLEN;
	check = csum_fold(whole_sum(w, at, w->len, 0));
	if (!check && f->proto == IPPROTO_UDP)
		check = 0xffff;
	*(__u16 *)whole_at(w, at + l4_check_at(f->proto)) = check;
	return 0;
}

/* ---- what the methods do to it ------------------------------------------- */

static __always_inline void whole_one_hop(struct whole *w, bool v6)
{
	if (v6)
		((struct ipv6hdr *)whole_at(w, 0))->hop_limit--;
	else
		ipv4_decrease_ttl((struct iphdr *)whole_at(w, 0));
}

/* Masq: addresses, ports, checksums; UDP without one gets one (udp_dnat_handler()). */
GLOBAL int whole_nat(struct whole *w, struct flow *f, struct nat *n)
{
	__u32 at, l4;
	__u64 change;
	__u16 *check;
	__u8 *ip;

	if (!w || !f || !n)
		return -1;
	ip = whole_at(w, 0);
	l4 = f->l4 - ETH_HLEN;
	change = csum_of_addr(f->v6, nat_from(f, n), &n->to);
	if (f->v6) {
		__builtin_memcpy(ip + (n->source ? offsetof(struct ipv6hdr, saddr) :
						   offsetof(struct ipv6hdr, daddr)),
				 &n->to, 16);
	} else {
		struct iphdr *h = (void *)ip;

		h->check = csum_apply(h->check, change);
		if (n->source)
			h->saddr = n->to.v4;
		else
			h->daddr = n->to.v4;
	}
	at = l4_check_at(f->proto);
	if (f->proto == IPPROTO_SCTP)
		((struct sctp_head *)whole_at(w, l4))->checksum ^= nat_crc(f, n, w->len - l4);
	else if (!at)
		return 0;
	*(__be16 *)whole_at(w, l4 + (n->source ? 0 : 2)) = n->to_port;
	if (!at)
		return 0;
	check = (__u16 *)whole_at(w, l4 + at);
	if (f->proto == IPPROTO_UDP && !*check) {
		*check = whole_l4_sum(w, f->v6, f->proto, l4);
		return 0;
	}
	*check = csum_apply(*check, change + csum_of_port(nat_from_port(f, n), n->to_port));
	if (f->proto == IPPROTO_UDP && !*check)
		*check = 0xffff;
	return 0;
}

/* The checksum that a tunnel's own header has, over everything behind the outer IP header. */
static __always_inline void whole_tunnel_sum(struct whole *w, const struct tun_plan *p)
{
	__u32 at = p->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (p->type == CV_TUN_GUE)
		*(__u16 *)whole_at(w, at + offsetof(struct udphdr, check)) =
			whole_l4_sum(w, p->v6, IPPROTO_UDP, at);
	else
		*(__u16 *)whole_at(w, at + 4) = csum_fold(whole_sum(w, at, w->len, 0));
}

/* The outer headers in front of the packet in memory. */
GLOBAL int whole_encap(struct whole *w, struct tc_scratch *s)
{
	struct outer *o;
	__u32 len;

	if (!w || !s)
		return -1;
	o = &s->outer;
	tun_build(&s->plan, o);
	len = o->len;
	if (len > WHOLE_ROOM || w->len + len >= WHOLE_MOST)
		return -1;
	w->start = WHOLE_ROOM - len;
	w->len += len;
	for (__u32 i = 0; i < TUN_MOST / 4; i++)
		if (i * 4 < len)
			*(__u32 *)whole_at(w, i * 4) = ((__u32 *)o->bytes)[i];
	if (tun_summed(&s->plan))
		whole_tunnel_sum(w, &s->plan);
	return 0;
}

/* ---- cutting ------------------------------------------------------------- */

struct cut {
	__u32 header; /* bytes that every fragment gets a copy of, without IPv6's fragment header */
	__u32 room;   /* payload of each fragment but the last: a multiple of 8 */
	__u32 at;     /* offset of the next one's payload in the packet's */
	__u32 total;  /* bytes of payload */
	__u32 prefix; /* of those, a tunnel's and the inner packet's headers */
	__u32 id;     /* of IPv6 fragments */
	__u32 ifindex; /* 0: the neighbour is not known, so each frame comes in once more */
	bool v6;
	bool keep;   /* in the pieces that it came in */
	bool single; /* not cut at all */
};

/* A global function takes no pointers that stand in memory. */
struct cutting {
	struct __sk_buff *skb;
	struct whole *w;
	struct cut c;
};

struct options {
	struct whole *w;
	__u32 end;   /* of the header */
	__u32 left;  /* bytes of the option that the next byte belongs to */
	bool copied; /* ... which stands in every fragment */
};

#define OPTION_END 0
#define OPTION_NOOP 1
#define OPTION_COPIED 0x80

static long option_step(__u32 step, void *arg)
{
	__u32 at = sizeof(struct iphdr) + step;
	struct options *o = arg;
	__u8 *byte = whole_at(o->w, at);

	if (at >= o->end)
		return 1;
	if (!o->left) {
		if (byte[0] == OPTION_END)
			return 1;
		o->left = byte[0] == OPTION_NOOP ? 1 : byte[1];
		o->copied = byte[0] & OPTION_COPIED;
		if (!o->left || o->left > o->end - at)
			return 1;
	}
	if (!o->copied)
		*byte = OPTION_NOOP;
	o->left--;
	return 0;
}

/* Options that are not to be copied are no-ops in all fragments but the first (ip_options_fragment(), RFC 791). */
static __always_inline void cut_options(struct whole *w, __u32 header)
{
	struct options o = { .w = w, .end = header };

	bpf_loop(40, option_step, &o, 0);
}

static __always_inline int cut_header4(struct __sk_buff *skb, struct whole *w, struct cut *c,
				       __u32 n, bool more)
{
	struct iphdr *ip = (void *)whole_at(w, 0);
	__u32 header = bounded(c->header, 0x3c);

	ip->tot_len = bpf_htons(header + n);
	if (!c->single)
		ip->frag_off = bpf_htons(c->at / 8 | (more ? IP_MF : 0));
	ip->check = 0;
	ip->check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, header, 0));
	if (header < sizeof(*ip) || bpf_skb_store_bytes(skb, ETH_HLEN, ip, header, 0))
		return -1;
	if (!c->at && more && header > sizeof(*ip))
		cut_options(w, header);
	return 0;
}

static __always_inline int cut_header6(struct __sk_buff *skb, struct whole *w, struct cut *c,
				       __u32 n, bool more)
{
	struct ipv6hdr *ip = (void *)whole_at(w, 0);
	__u8 next = ip->nexthdr;
	struct {
		__u8 next, zero;
		__be16 offset;
		__be32 id;
	} f = { .next = next, .offset = bpf_htons(c->at | more), .id = c->id };

	ip->payload_len = bpf_htons(n + (c->single ? 0 : sizeof(f)));
	if (!c->single)
		ip->nexthdr = IPPROTO_FRAGMENT_;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, ip, sizeof(*ip), 0))
		return -1;
	ip->nexthdr = next;
	return c->single ? 0 : bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(*ip), &f, sizeof(f), 0);
}

/* The payload of the next fragment, bytes. */
static __always_inline __u32 cut_next(struct whole *w, struct cut *c, __u32 step)
{
	__u32 left = c->total - c->at, n = c->room;

	if (c->keep && step < WHOLE_CUTS)
		n = w->cut[bounded(step, WHOLE_CUTS - 1)] + (step ? 0 : c->prefix);
	return n < left ? n : left;
}

/* One frame; the last one is left to the caller if its neighbour is known. 1: there are no more. */
GLOBAL int cut_one(struct __sk_buff *skb, struct whole *w, struct cut *c, __u32 step)
{
	__u32 n, header;
	bool more;

	if (!w || !c)
		return 1;
	n = cut_next(w, c, step);
	more = c->at + n < c->total;
	header = c->header + (c->v6 && !c->single ? 8 : 0);
	if (!n || n > WHOLE_PIECE || bpf_skb_change_tail(skb, ETH_HLEN + header + n, 0))
		return 1;
	if (c->v6 ? cut_header6(skb, w, c, n, more) : cut_header4(skb, w, c, n, more))
		return 1;
	n = bounded(n - 1, WHOLE_PIECE - 1) + 1;
	if (bpf_skb_store_bytes(skb, ETH_HLEN + bounded(header, 0x7f),
				whole_at(w, c->header + c->at), n, 0))
		return 1;
	c->at += n;
	if (!c->ifindex && !c->single)
		bpf_clone_redirect(skb, skb->ifindex,
				   skb->ifindex == settings.culvert0 ? 0 : BPF_F_INGRESS);
	else if (more)
		bpf_clone_redirect(skb, c->ifindex, 0);
	return !more;
}

static long cut_step(__u32 step, void *arg)
{
	struct cutting *k = arg;

	return zero_or_one(cut_one(k->skb, k->w, &k->c, step));
}

/*
 * Can the fragments be what the packet came in, with a tunnel's headers in the
 * first? (The fast paths of ip_do_fragment() and ip6_fragment().)
 */
static __always_inline bool cut_keeps(const struct whole *w, struct cut *c, __u32 limit)
{
	__u32 first = c->total - w->behind, header = c->header + (c->v6 ? 8 : 0);

	c->prefix = first - w->cut[0];
	return w->cuts && !(first % 8) && first + header <= limit && w->most + header <= limit;
}

/*
 * A fragment of ours that comes in once more, because only the kernel can
 * resolve its neighbour, or because it is for the director itself, and a program
 * ends with the one packet that it hands on so: known by two words that nobody else can, and the destination (or
 * CV_NONE, the packet's own) that it is on its way to.
 */
static __always_inline void cut_mark(struct __sk_buff *skb, __u32 dest)
{
	skb->cb[0] = (__u32)geo.hash_key[2];
	skb->cb[1] = (__u32)(geo.hash_key[2] >> 32);
	skb->cb[2] = dest;
}

static __always_inline bool cut_marked(const struct __sk_buff *skb)
{
	return skb->cb[0] == (__u32)geo.hash_key[2] && skb->cb[1] == (__u32)(geo.hash_key[2] >> 32);
}

GLOBAL int cut_resume(struct __sk_buff *skb, struct flow *f)
{
	struct tc_scratch *s = tc_scratch();
	__u32 index = skb->cb[2];
	struct cv_dest *dest;

	if (!f || !s)
		return tc_drop(CV_C_DROP_ERROR);
	skb->cb[0] = skb->cb[1] = 0;
	dest = dest_at(index);
	if (dest)
		tc_hop(skb, dest, READ_ONCE(clock.now), &s->hop);
	else
		tc_way_back(skb, f, &f->saddr, &s->hop);
	if (s->hop.nh.flags & CV_NH_LOCAL)
		return tc_pass(CV_C_PASS_LOCAL);
	return s->hop.nh.ifindex ? tc_out(skb, &s->hop) : tc_drop(CV_C_DROP_NOROUTE);
}

/* The packet in memory, of the family `v6`, goes out by `hop` in as many frames as it takes. */
GLOBAL int cut_out(struct __sk_buff *skb, struct whole *w, struct hop *hop, __u32 dest, bool v6)
{
	struct cutting k = { .skb = skb, .w = w, .c = { .v6 = v6 } };
	struct cut *c = &k.c;
	__u32 limit;

	if (!w || !hop)
		return tc_drop(CV_C_DROP_ERROR);
	limit = hop->nh.mtu && !(w->limit && w->limit < hop->nh.mtu) ? hop->nh.mtu : w->limit;
	c->header = v6 ? sizeof(struct ipv6hdr) : (*whole_at(w, 0) & 0x0f) * 4;
	c->total = w->len - c->header;
	c->single = !limit || (w->len <= limit && !w->apart);
	c->room = c->single ? c->total : (limit - c->header - (v6 ? 8 : 0)) & ~7U;
	c->keep = !c->single && cut_keeps(w, c, limit);
	if (w->len <= c->header || w->len >= WHOLE_MOST || (!c->single && limit < c->header + 16))
		return tc_drop(CV_C_DROP_TOOBIG);
	if (frame_blank(skb, v6))
		return tc_drop(CV_C_DROP_ERROR);
	if (v6)
		c->id = bpf_get_prandom_u32();
	if (!(hop->nh.flags & (CV_NH_UNRESOLVED | CV_NH_LOCAL))) {
		c->ifindex = hop->nh.ifindex;
		if (bpf_skb_store_bytes(skb, 0, hop->nh.dmac, 2 * ETH_ALEN, 0))
			return tc_drop(CV_C_DROP_ERROR);
	} else if (!c->single) {
		cut_mark(skb, dest);
	}
	bpf_loop(WHOLE_MOST / 8, cut_step, &k, 0);
	if (c->at < c->total)
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(c->ifindex ? CV_C_SENT : CV_C_RESOLVING);
	return c->ifindex || c->single ? tc_out(skb, hop) : TC_ACT_SHOT;
}

/*
 * The packet in memory, of the connection in `slot`, goes out by its method and the
 * next hop in scratch; `reply`: to the client. f is as the packet was parsed,
 * with f->l4 where its transport header stands in memory, Ethernet's included.
 */
GLOBAL int cut_send(struct __sk_buff *skb, struct flow *f, __u32 slot, bool reply)
{
	struct tc_scratch *s = tc_scratch();
	struct whole *w = whole_mine();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct nat n = {};
	__u32 index;

	if (!f || !w || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn_at(f->v6, slot);
	if (!c)
		return tc_drop(CV_C_DROP_ERROR);
	index = c->dest;
	dest = dest_at(index);
	if (!dest)
		return tc_drop(CV_C_DROP_ERROR);
	if (!(s->hop.nh.flags & CV_NH_LOCAL))
		whole_one_hop(w, f->v6);
	if (c->method == CV_MASQ) {
		if (!nat_of(f->v6, slot, reply, &n) || whole_nat(w, f, &n))
			return tc_drop(CV_C_DROP_ERROR);
		if (!reply && s->hop.nh.flags & CV_NH_LOCAL && tc_nat_stops(skb, f->v6, &n))
			return tc_drop(CV_C_DROP_NOROUTE);
		return cut_out(skb, w, &s->hop, reply ? CV_NONE : index, f->v6);
	}
	if (c->method != CV_TUNNEL)
		return cut_out(skb, w, &s->hop, index, f->v6);
	f->len = w->len;
	tun_plan(dest, s->hop.src.q[0] ? &s->hop.src : &dest->src_default, f, c->cport, &s->plan);
	if (whole_encap(w, s))
		return tc_drop(CV_C_DROP_TOOBIG);
	return cut_out(skb, w, &s->hop, index, dest->flags & CV_DEST_IPV6);
}

#endif
