/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A GSO packet whose segments cannot all be sent by one description: they are
 * too large for the way, or each needs a checksum of its tunnel's, or an error
 * must answer them. It comes in once more segment by segment, as it did from the
 * wire before GRO made one of them.
 */
#ifndef CULVERT_BPF_LB_SPLIT_H
#define CULVERT_BPF_LB_SPLIT_H

#include "cut.h"

struct split {
	__u32 l4;     /* offset of the transport header */
	__u32 header; /* bytes of all headers */
	__u32 at;     /* offset of the next segment's payload in the packet's */
	__u32 total;  /* bytes of payload */
	__u32 size;   /* ... of each segment but the last */
	__u8 proto;
	bool v6;
	bool fin, push; /* the last segment's */
};

/* Of the network and transport layers, with all that stands between: what is more is dropped. */
#define HEADERS_MOST 0x7f

/* A global function takes no pointers that stand in memory. */
struct splitting {
	struct __sk_buff *skb;
	struct whole *w;
	struct split p;
};

static __always_inline void split_ip(struct whole *w, struct split *p, __u32 len)
{
	if (p->v6) {
		((struct ipv6hdr *)whole_at(w, 0))->payload_len =
			bpf_htons(len - sizeof(struct ipv6hdr));
		return;
	}
	struct iphdr *ip = (void *)whole_at(w, 0);
	__u32 header = bounded(p->l4, 0x3c);

	ip->tot_len = bpf_htons(len);
	if (p->at)
		ip->id = bpf_htons(bpf_ntohs(ip->id) + 1);
	ip->check = 0;
	ip->check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, header, 0));
}

/* tcp_gso_segment(): FIN and PSH are the last segment's, CWR the first one's. */
static __always_inline void split_tcp(struct whole *w, struct split *p, bool more)
{
	struct tcphdr *tcp = (void *)whole_at(w, p->l4);

	if (p->at) {
		tcp->seq = bpf_htonl(bpf_ntohl(tcp->seq) + p->size);
		tcp->cwr = 0;
	} else {
		p->fin = tcp->fin;
		p->push = tcp->psh;
	}
	tcp->fin = !more && p->fin;
	tcp->psh = !more && p->push;
}

static __always_inline void split_sum(struct whole *w, struct split *p, __u32 n)
{
	__u8 *addresses = whole_at(w, p->v6 ? offsetof(struct ipv6hdr, saddr) :
					      offsetof(struct iphdr, saddr));
	__u16 *check = (__u16 *)whole_at(w, p->l4 + l4_check_at(p->proto));
	__u32 from = p->header + p->at, sum;

	sum = bpf_htons(p->proto) + bpf_htons(p->header - p->l4 + n);
	sum = p->v6 ? bpf_csum_diff(NULL, 0, (__be32 *)addresses, 32, sum) :
		      bpf_csum_diff(NULL, 0, (__be32 *)addresses, 8, sum);
	*check = 0;
	sum = whole_sum(w, p->l4, p->header, sum);
	*check = csum_fold(whole_sum(w, from, from + n, sum));
	if (p->proto == IPPROTO_UDP && !*check)
		*check = 0xffff;
}

/* The next segment. 1: there are no more. */
GLOBAL int split_one(struct __sk_buff *skb, struct whole *w, struct split *p)
{
	__u32 left, n, header;

	if (!w || !p)
		return 1;
	left = p->total - p->at;
	n = p->size < left ? p->size : left;
	header = bounded(p->header, HEADERS_MOST);
	if (!n || n > WHOLE_PIECE || header < sizeof(struct iphdr))
		return 1;
	split_ip(w, p, header + n);
	if (p->proto == IPPROTO_TCP)
		split_tcp(w, p, n < left);
	else
		((struct udphdr *)whole_at(w, p->l4))->len = bpf_htons(sizeof(struct udphdr) + n);
	split_sum(w, p, n);
	if (bpf_skb_change_tail(skb, ETH_HLEN + header + n, 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, whole_at(w, 0), header, 0))
		return 1;
	n = bounded(n - 1, WHOLE_PIECE - 1) + 1;
	if (bpf_skb_store_bytes(skb, ETH_HLEN + header, whole_at(w, header + p->at), n, 0) ||
	    tc_again(skb))
		return 1;
	p->at += n;
	return p->at >= p->total;
}

static long split_step(__u32 step, void *arg)
{
	struct splitting *k = arg;

	return zero_or_one(split_one(k->skb, k->w, &k->p));
}

GLOBAL int split_frame(struct __sk_buff *skb, struct flow *f)
{
	struct whole *w = whole_mine();
	struct splitting k = { .skb = skb, .w = w };
	struct split *p = &k.p;

	if (!f || !w || whole_load(skb, w, ETH_HLEN, f->len))
		return tc_drop(CV_C_DROP_ERROR);
	p->v6 = f->v6;
	p->proto = f->proto;
	p->size = skb->gso_size;
	p->l4 = f->l4 - ETH_HLEN;
	p->header = p->l4 + (f->proto == IPPROTO_TCP ? (whole_at(w, p->l4)[12] >> 4) * 4 :
						       sizeof(struct udphdr));
	p->total = f->len - p->header;
	if (f->len <= p->header || p->header > HEADERS_MOST || frame_blank(skb, f->v6))
		return tc_drop(CV_C_DROP_ERROR);
	bpf_loop(WHOLE_MOST / 8, split_step, &k, 0);
	return tc_drop(p->at < p->total ? CV_C_DROP_ERROR : CV_C_FRAGMENT);
}

#endif
