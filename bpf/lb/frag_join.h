/* SPDX-License-Identifier: GPL-2.0-only */
/* The pieces of a queue, put together to the packet that they were (whole.h). */
#ifndef CULVERT_BPF_LB_FRAG_JOIN_H
#define CULVERT_BPF_LB_FRAG_JOIN_H

#include "cut.h"
#include "frag_queue.h"

struct frag_join {
	struct __sk_buff *skb;
	struct whole *w;
	struct frag_queue *q;
	__u32 header; /* bytes before the payload in memory; a piece's are others */
	__u32 offset; /* of the next piece */
};

/* A piece of the pool into memory, by way of the frame: BPF has no other way to copy so much. Its payload, bytes. */
GLOBAL __u32 frag_join_one(struct __sk_buff *skb, struct whole *w, struct frag_piece *p, __u32 at)
{
	__u32 n, header;

	if (!w || !p)
		return 0;
	header = p->header;
	if (p->len <= header || p->len > FRAG_BYTES ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, p->bytes, FRAG_BYTES, 0))
		return 0;
	if (!w->cuts && bpf_skb_load_bytes(skb, ETH_HLEN, w->bytes + WHOLE_ROOM, 60))
		return 0;
	n = bounded(p->len - header - 1, FRAG_BYTES - 1) + 1;
	if (w->cuts >= WHOLE_CUTS || bpf_skb_load_bytes(skb, ETH_HLEN + header, whole_at(w, at), n))
		return 0;
	w->cut[bounded(w->cuts, WHOLE_CUTS - 1)] = n;
	if (w->cuts) {
		w->behind += n;
		if (n > w->most)
			w->most = n;
	}
	w->cuts++;
	return n;
}

static long frag_join_step(__u32 step, void *arg)
{
	struct frag_join *j = arg;
	__u32 slot = frag_piece_at(j->q, j->offset), n;
	struct frag_piece *p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);

	if (!p)
		return 1;
	n = frag_join_one(j->skb, j->w, p, j->header + j->offset);
	j->offset += n;
	return !n || j->offset >= j->q->total;
}

static __always_inline void frag_head4(struct whole *w, __u32 header)
{
	struct iphdr *ip = (void *)whole_at(w, 0);

	ip->tot_len = bpf_htons(w->len);
	ip->frag_off = 0;
	ip->check = 0;
	ip->check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, bounded(header, 0x3c), 0));
}

static __always_inline void frag_head6(struct whole *w, __u32 header, __u8 proto)
{
	struct ipv6hdr *ip = (void *)whole_at(w, 0);

	ip->payload_len = bpf_htons(w->len - sizeof(*ip));
	ip->nexthdr = proto;
}

static __always_inline struct frag_queue *frag_mine(void)
{
	struct frag_work *w;
	__u32 zero = 0;

	w = bpf_map_lookup_elem(&frag_works, &zero);
	return w ? bpf_map_lookup_elem(&frag_queues, &w->frag.key) : NULL;
}

/*
 * The packet that frag_enter() called whole, in memory. Its fragments do not
 * come in again, or for nothing (F3). Extension headers before IPv6's fragment header are not
 * handled: which of them names the next one is forgotten by now.
 */
GLOBAL int frag_join(struct __sk_buff *skb, struct flow *f)
{
	struct frag_join j = { .skb = skb, .q = frag_mine(), .w = whole_mine() };

	if (!f || !j.q || !j.w)
		return false;
	j.header = f->l4 - ETH_HLEN;
	if (f->v6 ? j.header != sizeof(struct ipv6hdr) : j.header > 60)
		return false;
	j.w->start = WHOLE_ROOM;
	j.w->len = j.header + j.q->total;
	j.w->limit = j.q->largest;
	j.w->apart = j.w->cuts = j.w->most = j.w->behind = 0;
	if (j.w->len >= WHOLE_MOST || bpf_skb_change_tail(skb, ETH_HLEN + FRAG_BYTES, 0))
		return false;
	bpf_loop(FRAG_MOST, frag_join_step, &j, 0);
	if (j.q->led) /* ... and are in this */
		j.q->verdict = V_DROP;
	else
		j.q->due = READ_ONCE(clock.now) - 1;
	if (j.offset < j.q->total)
		return false;
	if (f->v6)
		frag_head6(j.w, j.header, f->proto);
	else
		frag_head4(j.w, j.header);
	return true;
}

struct frag_copy {
	__u32 slot;
	__u32 from; /* in the piece's bytes */
	__u32 len;
};

/* A word of the first piece into sip_work()'s text. */
static long frag_copy_step(__u32 step, void *arg)
{
	struct frag_copy *copy = arg;
	struct frag_piece *p = bpf_map_lookup_elem(&frag_pool, &copy->slot);
	struct sip_work *w = sip_work();
	__u32 at = step * 4, from = copy->from + at;

	if (!p || !w || at >= copy->len || at > SIP_MOST - 4 || from > FRAG_BYTES - 4)
		return 1;
	*(__u32 *)(w->text + at) = *(__u32 *)(p->bytes + from);
	return 0;
}

/* Of the packet that frag_enter() called whole: what its first piece holds behind the UDP header; how much it was. */
GLOBAL __u32 frag_text(void)
{
	struct frag_queue *q = frag_mine();
	struct frag_copy copy = {};
	struct frag_piece *p;

	copy.slot = q ? frag_piece_at(q, 0) : CV_NONE;
	p = copy.slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &copy.slot);
	if (!p)
		return 0;
	copy.from = q->header + sizeof(struct udphdr);
	if (p->len <= copy.from)
		return 0;
	copy.len = p->len - copy.from;
	bpf_loop(FRAG_BYTES / 4, frag_copy_step, &copy, 0);
	return copy.len;
}

#endif
