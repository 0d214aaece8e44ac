/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How addresses, ports and enumerations are written. Without -n, hosts and
 * ports appear by name; what was asked of the resolver is kept, so that a
 * listing asks once for each address and port, not once for each line.
 */
#ifndef CULVERT_IPVSADM_NAMES_H
#define CULVERT_IPVSADM_NAMES_H

#include <stdbool.h>

#include "culvert.h"

/* ipvsadm writes no more of "ADDRESS:PORT" than this. */
#define ENDPOINT_MAX 59

/* ... and before that stands at most "--sctp-service ". */
struct label {
	char text[ENDPOINT_MAX + 20];
	unsigned int len;
};

struct names; /* the cache */

int names_new(struct names **out);
void names_free(struct names **names);

/* "1.2.3.4:80" or "[fd00::1]:80"; with `names`, "www.example.net:http". */
void label_endpoint(struct label *l, struct names *names, uint8_t family, const union cv_addr *addr,
		    __be16 port, uint8_t proto);
/* A service, as a table shows it, "TCP  1.2.3.4:80", or as a rule does, "-t 1.2.3.4:80". */
void label_service(struct label *l, struct names *names, const struct cv_service_key *key,
		   bool rule);
/* The address alone, numeric, as inet_ntop() writes it. */
void label_address(struct label *l, uint8_t family, const union cv_addr *addr);

#endif
