/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `culvert ipvsadm`, and culvert called as ipvsadm. */
#ifndef CULVERT_IPVSADM_H
#define CULVERT_IPVSADM_H

/* Runs one command line; returns the exit status. */
int ipvsadm_main(int argc, char **argv);

#endif
