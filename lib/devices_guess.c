// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which devices take frames by XDP_REDIRECT, on kernels before 6.3, from what
 * their drivers' ndo_xdp_xmit() ask for: most send only while the device has an
 * XDP program itself (that is when they set up the rings), and a veth only if
 * its peer polls with NAPI, which GRO or an XDP program there makes it do.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "cleanup.h"
#include "devices.h"
#include "netns.h"
#include "rtnl.h"

static const char *const drivers[] = {
	"bnxt_en", "fec",   "fsl_dpaa2_eth", "fsl_dpa", "i40e",	      "ice",	"igb",
	"igc",	   "ixgbe", "mana",	     "mlx4_en", "mlx5_core",  "mvneta", "mvpp2",
	"qede",	   "sfc",   "stmmac",	     "tsnep",	"virtio_net",
};

static int ethtool(const char *name, void *command)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_data = command };

	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	return fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static bool has_xdp(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return bpf_xdp_query((int)ifindex, 0, &opts) == 0 && opts.attach_mode != 0;
}

/* In the namespace that one is in just now. */
static bool polls(uint32_t ifindex)
{
	struct ethtool_value gro = { .cmd = ETHTOOL_GGRO };
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name))
		return false;
	return has_xdp(ifindex) || (ethtool(name, &gro) == 0 && gro.data);
}

struct peer {
	struct rtnl *nl;
	int nsid;
	uint32_t ifindex;
};

/*
 * Ends the walk with 1 if this is the peer's namespace and it polls there, with 2
 * if it does not.
 */
static int look_in(int fd, uint64_t ino, void *arg)
{
	const struct peer *p = arg;
	struct netns_visit visit;
	bool yes;

	if (rtnl_nsid(p->nl, fd) != p->nsid || netns_enter(&visit, fd) < 0)
		return 0;
	yes = polls(p->ifindex);
	netns_leave(&visit);
	return yes ? 1 : 2;
}

static bool veth_peer_polls(struct rtnl *nl, const struct rtnl_link *link)
{
	struct peer p = { .nl = nl, .nsid = link->peer_nsid, .ifindex = link->peer };

	if (link->peer_nsid == RTNL_HERE)
		return polls(link->peer);
	return netns_each(look_in, &p) == 1;
}

bool devices_guess(struct rtnl *nl, const struct rtnl_link *link)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (strcmp(link->kind, "veth") == 0)
		return veth_peer_polls(nl, link);
	if (strcmp(link->kind, "tun") == 0)
		return true;
	if (!has_xdp(link->ifindex) || ethtool(link->name, &info) < 0)
		return false;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcmp(info.driver, drivers[i]) == 0)
			return true;
	}
	return false;
}
