// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert ipvsadm: the load balancer, by ipvsadm's own command line. */
#include "cmd.h"
#include "ipvsadm.h"

int cmd_ipvsadm(int argc, char **argv)
{
	return ipvsadm_main(argc, argv);
}
