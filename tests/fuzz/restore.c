// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of `culvert restore`: the input is a saved file. All of it is
 * read and checked, which is every grammar there is (tables, attach, sysctl,
 * ipvsadm, conn, link), and nothing is carried out. The reading part is private to
 * restore.c.
 */
#include <stdint.h>

#include "../../cmd/restore.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A connection that was taken, written and read again is the same. */
static void check_conn(const struct cv_conn_info *c)
{
	struct cv_conn_info again = {};
	char *words[64], *rest = NULL;
	static struct out out;
	int n = 0;

	out_init(&out, -1);
	conn_line_write(&out, c);
	out.buf[out.len] = '\0';
	for (char *w = strtok_r(out.buf, " \n", &rest); w && n < 63;
	     w = strtok_r(NULL, " \n", &rest))
		words[n++] = w;
	words[n] = NULL;
	if (conn_line_read(n, words, &again) || again.proto != c->proto ||
	    again.state != c->state || again.cport != c->cport || again.dport != c->dport ||
	    again.timeout != c->timeout || memcmp(&again.caddr, &c->caddr, sizeof(c->caddr)) ||
	    memcmp(&again.vaddr, &c->vaddr, sizeof(c->vaddr)) ||
	    memcmp(&again.daddr, &c->daddr, sizeof(c->daddr)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cleanup_restore) struct restore r = { .file = "input" };
	_cleanup_(cleanup_file) FILE *in = size ? fmemopen((void *)data, size, "r") : NULL;

	if (!in || read_all(&r, in))
		return 0;
	for (size_t i = 0; i < r.n; i++) {
		if (r.items[i].kind == CONN)
			check_conn(r.items[i].conn);
	}
	return 0;
}
