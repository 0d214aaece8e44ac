/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nf_tables by netlink: batches, each of which happens whole or not at all, and what
 * a table of culvert's own is made of. In the calling thread's network namespace.
 */
#ifndef CULVERT_NFT_H
#define CULVERT_NFT_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

struct nft {
	struct mnl_socket *nl;
	uint32_t seq;
	char *batch;
	size_t used, room;
	struct nlmsghdr *last; /* of the batch, still growing */
	int err;	       /* the first of building a batch */
};

/* -EPROTONOSUPPORT: this kernel has no netfilter. */
int nft_open(struct nft *out);
void nft_close(struct nft *n);

void nft_begin(struct nft *n);

/* 0, or the first error of any of the messages, and then none of them has happened. */
int nft_commit(struct nft *n);

/*
 * A list as it was at one moment: `each` is called for every message of the answer, until it
 * returns non-zero, which is returned. -EAGAIN: there was no such moment, again and again.
 */
int nft_list(struct nft *n, uint16_t type, uint16_t flags, const char *table, const char *set,
	     int (*each)(const struct nlmsghdr *nlh, void *arg), void *arg);

/* ---- what a table is made of ------------------------------------------------------ */

void nft_new_table(struct nft *n, const char *table, const char *comment);
void nft_del_table(struct nft *n, const char *table);

/* A policy for entries of TCP: how long they last, in seconds, once they are established. */
void nft_new_timeout(struct nft *n, const char *table, const char *name, uint32_t established);

/* A base chain at PREROUTING; `type` is filter or nat. */
void nft_new_chain(struct nft *n, const char *table, const char *chain, const char *type,
		   int32_t priority);

struct nft_map {
	const char *name;
	uint32_t data_type; /* as nft(8) numbers it, for its listings */
	uint32_t data_len;
};
#define NFT_TYPE_ADDR4 7U
#define NFT_TYPE_ADDR6 8U
#define NFT_TYPE_PORT 13U
#define NFT_TYPE_CLASSID 23U
#define NFT_TYPE_AND(a, b) ((a) << 6 | (b))

/* Keys are priorities. */
void nft_new_map(struct nft *n, const char *table, const struct nft_map *m);

struct nft_element {
	uint32_t key;
	uint8_t data[20];
};

/* Adds elements (type NFT_MSG_NEWSETELEM) or deletes them (NFT_MSG_DELSETELEM). */
void nft_elements(struct nft *n, uint16_t type, const char *table, const struct nft_map *m,
		  const struct nft_element *e, size_t count);

/* A rule, of the expressions that are added until nft_rule_end(). */
struct nft_rule {
	struct nlmsghdr *nlh;
	struct nlattr *list, *expr, *data;
};
struct nft_rule nft_rule(struct nft *n, const char *table, const char *chain);
void nft_rule_end(struct nft_rule *r);

void nft_meta_load(struct nft_rule *r, uint32_t key);
void nft_meta_set(struct nft_rule *r, uint32_t key);
void nft_compare(struct nft_rule *r, const void *value, size_t len);
void nft_and(struct nft_rule *r, const void *mask, size_t len);
void nft_to_host(struct nft_rule *r); /* of 32 bits */
void nft_immediate(struct nft_rule *r, const void *value, size_t len);
void nft_payload_link(struct nft_rule *r, uint32_t offset, uint32_t len);
void nft_drop_invalid(
	struct nft_rule *r); /* what conntrack could make nothing of goes no further */
void nft_zone_original(struct nft_rule *r);
void nft_timeout(struct nft_rule *r, const char *name);
void nft_lookup(struct nft_rule *r, const struct nft_map *m);
void nft_dnat(struct nft_rule *r, const struct nft_map *m);

#endif
