/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --pe sip: calls are told apart by their Call-ID (ip_vs_pe_sip.c). A new
 * connection of such a service waits in tc for the Call-ID to be found in its
 * packet; the template then stands for this call, not for all of a client's.
 *
 * The Call-ID goes into the connection table as a keyed hash of 64 bits, of which
 * 32 stand in the entry and the others say where it stands. Its text, which only
 * listings want, is kept in a map of its own, so that entries do not grow.
 */
#ifndef CULVERT_BPF_LB_SIP_H
#define CULVERT_BPF_LB_SIP_H

#include "../common.h"

/* What is searched of a message: headers stand at its beginning. */
#define SIP_MOST 8192

struct sip_work {
	struct cv_call call; /* what was found */
	__u64 hash;
	/* The search: */
	__u32 state;  /* enum sip_state */
	__u32 at;     /* in the text */
	__u32 len;    /* of the text */
	__u32 from;   /* where the kernel would go on after a header without a value */
	__u32 name;   /* bytes of "Call-ID" that were there */
	__u32 value;  /* where the value begins */
	__u32 domain; /* bytes behind its '@' */
	__u32 back;   /* the state to go back to behind a continued line */
	__u8 text[SIP_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sip_work);
} sip_works SEC(".maps");

static __always_inline struct sip_work *sip_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sip_works, &zero);
}

/* ---- finding the Call-ID ---------------------------------------------------- */

/*
 * The kernel's search, ct_sip_get_header() and get_callid(), a byte at a time, with
 * all it does to odd messages: a header may be anywhere behind the first line, the
 * body included; one that begins like Call-ID but is none ends the search.
 */
enum sip_state {
	SIP_TEXT,    /* looking for the end of a line */
	SIP_RETURN,  /* behind a CR */
	SIP_LINE,    /* at the beginning of a line */
	SIP_NAME,    /* within "Call-ID" */
	SIP_COMPACT, /* behind "i" */
	SIP_COLON,   /* the colon, or white space before it */
	SIP_SPACE,   /* white space behind it */
	SIP_FOLD,    /* behind the first byte of a line's end, which another may follow ... */
	SIP_FOLDED,  /* ... and then white space has to: the line goes on */
	SIP_INDENT,  /* in that white space */
	SIP_WORD,    /* in the value, before an '@' */
	SIP_DOMAIN,  /* ... behind it */
	SIP_FOUND,
	SIP_FAILED,
};

/* iswordc() of nf_conntrack_sip.c; letters are those of ISO 8859-1. */
static const __u8 sip_word[256] = {
	['0' ... ':'] = 1,   ['A' ... ']'] = 1,	  ['a' ... '{'] = 1, [0xc0 ... 0xd6] = 1,
	[0xd8 ... 0xf6] = 1, [0xf8 ... 0xff] = 1, ['!'] = 1,	     ['"'] = 1,
	['%'] = 1,	     ['\'' ... '+'] = 1,  ['-' ... '/'] = 1, ['<'] = 1,
	['>'] = 1,	     ['?'] = 1,		  ['_'] = 1,	     ['`'] = 1,
	['}'] = 1,	     ['~'] = 1,
};

/* (Of more than 32 bytes, as packet.h says.) */
static const char sip_name[64] = "call-id";
#define SIP_NAME_LEN 7

static __always_inline bool sip_ends(__u8 c)
{
	return c == '\r' || c == '\n';
}

static __always_inline bool sip_blank(__u8 c)
{
	return c == ' ' || c == '\t';
}

static __always_inline __u8 sip_lower(__u8 c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static __always_inline __u32 sip_text(__u8 c)
{
	return c == '\r' ? SIP_RETURN : c == '\n' ? SIP_LINE : SIP_TEXT;
}

static __always_inline __u32 sip_line(struct sip_work *w, __u8 c)
{
	w->name = 1;
	return c == 'c' || c == 'C' ? SIP_NAME : c == 'i' || c == 'I' ? SIP_COMPACT : SIP_TEXT;
}

static __always_inline __u32 sip_in_name(struct sip_work *w, __u8 c)
{
	if (sip_lower(c) != sip_name[w->name & 63])
		return sip_text(c);
	return ++w->name == SIP_NAME_LEN ? SIP_COLON : SIP_NAME;
}

/* White space around the colon. */
static __always_inline __u32 sip_fold(struct sip_work *w, __u8 c)
{
	w->back = w->state;
	return c == '\r' ? SIP_FOLD : SIP_FOLDED;
}

static __always_inline __u32 sip_colon(struct sip_work *w, __u8 c)
{
	if (sip_ends(c))
		return sip_fold(w, c);
	return sip_blank(c) ? SIP_COLON : c == ':' ? SIP_SPACE : SIP_FAILED;
}

static __always_inline void sip_keep(struct sip_work *w, __u8 c)
{
	if (w->call.len < CV_CALL_MOST)
		w->call.id[w->call.len & 255] = c;
	w->call.len++;
}

/* No value: the kernel looks again, from where it adds up to. */
static __always_inline __u32 sip_again(struct sip_work *w, __u8 c)
{
	__builtin_memset(w->call.id, 0, sizeof(w->call.id));
	w->call.len = 0;
	w->from += w->value;
	if (w->at >= w->from)
		return sip_text(c);
	w->at = w->from - 1;
	return SIP_TEXT;
}

static __always_inline __u32 sip_value(struct sip_work *w, __u8 c)
{
	bool domain = w->state == SIP_DOMAIN;

	if (sip_word[c]) {
		sip_keep(w, c);
		w->domain += domain;
		return w->state;
	}
	if (c == '@' && !domain && w->call.len) {
		sip_keep(w, c);
		return SIP_DOMAIN;
	}
	if (domain ? !w->domain : !w->call.len)
		return sip_again(w, c);
	return sip_ends(c) && w->call.len <= CV_CALL_MOST ? SIP_FOUND : SIP_FAILED;
}

/* At the first byte of the value, whatever it is. */
static __always_inline __u32 sip_begin(struct sip_work *w, __u8 c)
{
	w->value = w->at;
	w->domain = 0;
	w->state = SIP_WORD;
	return sip_value(w, c);
}

static __always_inline __u32 sip_space(struct sip_work *w, __u8 c)
{
	if (sip_ends(c))
		return sip_fold(w, c);
	return sip_blank(c) ? SIP_SPACE : sip_begin(w, c);
}

/* White space goes on into one more line, and no further. */
static __always_inline __u32 sip_indent(struct sip_work *w, __u8 c)
{
	if (sip_blank(c))
		return SIP_INDENT;
	if (w->back == SIP_SPACE)
		return sip_begin(w, c);
	return c == ':' ? SIP_SPACE : SIP_FAILED;
}

static __always_inline __u32 sip_next(struct sip_work *w, __u8 c)
{
	switch (w->state) {
	case SIP_TEXT:
		return sip_text(c);
	case SIP_RETURN:
		return c == '\n' ? SIP_LINE : sip_line(w, c);
	case SIP_LINE:
		return sip_line(w, c);
	case SIP_NAME:
		return sip_in_name(w, c);
	case SIP_COMPACT:
		return sip_lower(c) >= 'a' && sip_lower(c) <= 'z' ?
			       SIP_TEXT :
			       (w->state = SIP_COLON, sip_colon(w, c));
	case SIP_COLON:
		return sip_colon(w, c);
	case SIP_SPACE:
		return sip_space(w, c);
	case SIP_FOLD:
		return c == '\n' ? SIP_FOLDED : sip_blank(c) ? SIP_INDENT : SIP_FAILED;
	case SIP_FOLDED:
		return sip_blank(c) ? SIP_INDENT : SIP_FAILED;
	case SIP_INDENT:
		return sip_indent(w, c);
	case SIP_WORD:
	case SIP_DOMAIN:
		return sip_value(w, c);
	}
	return SIP_FAILED;
}

static long sip_step(__u32 step, void *arg)
{
	struct sip_work *w = sip_work();

	if (!w || w->at >= w->len || w->at >= SIP_MOST)
		return 1;
	w->state = sip_next(w, w->text[w->at & (SIP_MOST - 1)]);
	w->at++;
	return w->state >= SIP_FOUND;
}

/* Searches w->text. Is there a Call-ID? */
static __always_inline bool sip_search(struct sip_work *w)
{
	w->state = SIP_TEXT;
	w->at = w->from = w->name = w->back = 0;
	w->call.len = 0;
	__builtin_memset(w->call.id, 0, sizeof(w->call.id));
	bpf_loop(SIP_MOST, sip_step, NULL, 0);
	return w->state == SIP_FOUND;
}

/* ---- by which the call is known --------------------------------------------- */

/* SipHash-1-3 (Aumasson and Bernstein, 2012) of the Call-ID, with the instance's key; never 0 in its lower half. */
static __always_inline __u64 sip_hash(const struct cv_call *call)
{
	struct cv_sip s = {
		0x736f6d6570736575ULL ^ geo.hash_key[2],
		0x646f72616e646f6dULL ^ geo.hash_key[3],
		0x6c7967656e657261ULL ^ geo.hash_key[2],
		0x7465646279746573ULL ^ geo.hash_key[3],
	};
	__u64 hash;

	for (int i = 0; i < (int)(sizeof(call->id) / 8); i++) {
		__u64 word = ((const __u64 *)call->id)[i];

		if (i * 8 >= (int)call->len)
			word = (__u64)call->len << 56;
		s.v3 ^= word;
		cv_sip_round(&s);
		s.v0 ^= word;
		if (i * 8 >= (int)call->len)
			break;
	}
	s.v2 ^= 0xff;
	cv_sip_round(&s);
	cv_sip_round(&s);
	cv_sip_round(&s);
	hash = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return (__u32)hash ? hash : 1;
}

/*
 * The call of a UDP packet, into sip_work(). Its text stands there already, w->len
 * bytes from behind the UDP header on. Global: proved once.
 */
GLOBAL int sip_call(void)
{
	struct sip_work *w = sip_work();

	if (!w || !sip_search(w))
		return false;
	w->hash = sip_hash(&w->call);
	return true;
}

#endif
