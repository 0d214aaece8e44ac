/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services, destinations and settings of the load balancer, as the data path
 * reads them and the library changes them. The words are IPVS's
 * (include/net/ip_vs.h, ipvsadm(8)).
 *
 * Invariants:
 *
 * L1  The library alone changes configuration, under the instance's lock; the
 *     data path alone changes counts, cursors, next hops and rates. Each field
 *     has one of the two as its owner, named below.
 * L2  Every change of configuration is written down in the journal first, and
 *     takes effect by the single store that completes the record. Applying a
 *     record is idempotent; whoever takes the lock next applies a record that
 *     was left behind. A killed command has happened or it has not.
 * L3  A packet sees a destination through dests[i].flags: without AVAILABLE
 *     nothing is sent there. The list of a service may for a moment hold
 *     destinations that are not available; the data path skips them.
 * L4  Every destination belongs to at most one service; its slot lives on
 *     without one (in the trash) while connections refer to it, and the same
 *     server added again to the same virtual address gets the same slot, with
 *     its connections, as in ip_vs_ctl.c.
 */
#ifndef CULVERT_LB_H
#define CULVERT_LB_H

#include "conn.h"
#include "types.h"

/* ---- services ------------------------------------------------------------ */

/* The key in the map `services`. Everything in network byte order but fwmark. */
struct cv_service_key {
	union cv_addr addr; /* zero for a fwmark service */
	__u32 fwmark;	    /* 0: by address */
	__be16 port;	    /* 0: any port (persistent services) */
	__u8 proto;	    /* IPPROTO_TCP, _UDP, _SCTP; 0 for a fwmark service */
	__u8 family;	    /* AF_INET or AF_INET6 */
};

enum cv_sched {
	CV_SCHED_RR,
	CV_SCHED_WRR,
	CV_SCHED_LC,
	CV_SCHED_WLC,
	CV_SCHED_LBLC,
	CV_SCHED_LBLCR,
	CV_SCHED_DH,
	CV_SCHED_SH,
	CV_SCHED_MH,
	CV_SCHED_SED,
	CV_SCHED_NQ,
	CV_SCHED_FO,
	CV_SCHED_OVF,
	CV_SCHED_COUNT
};

/* cv_service.flags: as IP_VS_SVC_F_* (include/uapi/linux/ip_vs.h). */
#define CV_SVC_PERSISTENT 0x0001U
#define CV_SVC_ONEPACKET 0x0004U
#define CV_SVC_SCHED1 0x0008U /* sh: fallback, mh: fallback, else flag-1 */
#define CV_SVC_SCHED2 0x0010U /* sh: port, mh: port, else flag-2 */
#define CV_SVC_SCHED3 0x0020U
#define CV_SVC_USED 0x8000U /* ours: the slot holds a service */

struct cv_service {
	/* Configuration: the library's. */
	struct cv_service_key key;
	__u32 flags;   /* CV_SVC_* */
	__u32 sched;   /* enum cv_sched */
	__u32 timeout; /* of persistence, seconds */
	__u32 netmask; /* of persistence: IPv4 mask in network byte order, IPv6 prefix length */
	__u32 head;    /* first destination, or CV_NONE: the last one added */
	__u32 num_dests;
	__u32 pe;	  /* persistence engine: 0 none, 1 sip */
	__u32 generation; /* grows with every change of the list or of a weight */
	/*
	 * The scheduler's state: the data path's, under sched_lock where it takes
	 * more than one word. The library resets it as the kernel's schedulers do
	 * when a service or destination changes (init_service, dest hooks).
	 */
	__u32 sched_lock;
	__u32 cursor;	  /* rr, wrr: the destination chosen last, or CV_NONE (start at the head) */
	__s32 wrr_weight; /* wrr: current weight (cw) */
	__s32 wrr_max;	  /* wrr: largest weight less the gcd less 1 (mw); the library's */
	__s32 wrr_gcd;	  /* wrr: gcd of the weights (di); the library's */
	/* The slot's: the library's. */
	__u32 serial; /* grows when the slot gets a new service */
	__u32 freed;  /* tick when the slot lost its service */
	/*
	 * lblc, lblcr: when the service got its scheduler, ticks (the library's; it
	 * names the addresses cached since: bpf/lb/sched_cache.h), and what the data path
	 * keeps of the kernel's periodic_timer for it.
	 */
	__u32 cache_since;
	__u32 cache_shift;   /* ticks by which partial expiries have put off the full ones */
	__u32 cache_entries; /* addresses cached */
	__u32 cache_goal;    /* which sweep, and how many idle ones it may still take */
	__u32 reserved;
} CV_ALIGNED; /* 128 bytes */

/* ---- destinations -------------------------------------------------------- */

/* cv_dest.flags */
#define CV_DEST_METHOD 0x0007U	  /* enum cv_method */
#define CV_DEST_AVAILABLE 0x0010U /* in a service: may be sent to */
#define CV_DEST_LOCAL 0x0020U	  /* an address of the director itself */
#define CV_DEST_IPV6 0x0040U	  /* addr is an IPv6 address */
#define CV_DEST_MIXED 0x0080U	  /* METHOD was another before: it may not be its connections' */
#define CV_DEST_USED 0x8000U	  /* the slot holds a destination (in a service or in the trash) */

/* cv_dest.state: the data path's */
#define CV_DEST_OVERLOAD 0x0001U /* full: gets no new connections (-x, -y) */

/* The next hop's cached link layer, from bpf_fib_lookup(). */
struct cv_nexthop {
	__u32 ifindex; /* 0: not known */
	__u8 dmac[6];
	__u8 smac[6];
	__u16 mtu;   /* of the route, bytes of the network layer; 0: none known */
	__u16 flags; /* CV_NH_* */
};		     /* 20 bytes */

#define CV_NH_XDP 0x0001U	 /* the device takes XDP_REDIRECT */
#define CV_NH_LOCAL 0x0002U	 /* the address is the director's own: pass up */
#define CV_NH_UNRESOLVED 0x0004U /* route, but no neighbour yet */
#define CV_NH_LOST 0x0008U	 /* no route */
#define CV_NH_VIRTUAL 0x0010U	 /* LOCAL because it is a virtual address */
#define CV_NH_SILENT 0x0020U	 /* UNRESOLVED for so long that clients are told */

/* Type of tunnel, as IP_VS_CONN_F_TUNNEL_TYPE_* (uapi/linux/ip_vs.h). */
enum cv_tun_type { CV_TUN_IPIP, CV_TUN_GUE, CV_TUN_GRE };
#define CV_TUN_CSUM 0x01U
#define CV_TUN_REMCSUM 0x02U

struct cv_dest {
	/*
	 * First line: what a packet of a live connection needs. flags is the
	 * library's, the rest the data path's. nh[nh_cur & 1] is valid; the other
	 * is written by the one CPU that moved nh_due forward by
	 * compare-and-swap, and then nh_cur is flipped. (The library sets nh_due
	 * to now when it adds or edits the destination.)
	 */
	__u32 flags;
	__u32 nh_cur;
	__u32 nh_due; /* when to look the next hop up again, ticks */
	struct cv_nexthop nh[2];
	__u32 pmtu;	  /* of a tunnel: the MTU of the way, as a router on it has told; or 0 */
	__u32 neigh_seen; /* when the kernel's neighbour output saw a packet last, ticks */
	/*
	 * cv_vip_key() of the one virtual address and port that its packets have; 0 if
	 * they may have others (by mark, or any port). The library's.
	 */
	__u32 vip_key;
	/*
	 * Second line: configuration, the library's, and counts, which the data path
	 * changes atomically: all that opening or ending a connection asks of the
	 * destination, and a scheduler that goes through the list.
	 */
	union cv_addr addr;
	__be16 port;	 /* 0: the packet's own (fwmark, any-port services) */
	__u8 tun_type;	 /* enum cv_tun_type */
	__u8 tun_flags;	 /* CV_TUN_* */
	__be16 tun_port; /* GUE */
	__u16 reserved1;
	__u32 next;    /* next in the service's list, or CV_NONE */
	__u32 service; /* index, or CV_NONE: in the trash */
	__s32 weight;
	__u32 u_threshold; /* -x; 0: none */
	__u32 l_threshold; /* -y; 0: none */
	__u32 activeconns;
	__u32 inactconns;
	__u32 persistconns;
	__u32 state;	  /* CV_DEST_OVERLOAD; the data path's */
	__u32 pmtu_until; /* until when pmtu stands, ticks; the data path's */
	/* Third line: what only the library asks for. */
	__u32 trashed;	    /* tick when it left its service (C6) */
	__u32 serial;	    /* of the slot: grows when it gets a new owner */
	__u32 last_service; /* the service it was in last, by slot ... */
	__u32 last_serial;  /* ... and cv_service.serial: its figures belong to that one */
	__s32 last_weight;  /* the last that was not 0, since it was added (mh) */
	__u32 reserved3[11];
	/*
	 * Fourth line: what the destination is keyed by when it is looked for in
	 * the trash, the library's (ip_vs_trash_get_dest in ip_vs_ctl.c).
	 */
	struct cv_service_key owner;
	/* The gateway (or the address itself) of nh[i], for bpf_redirect_neigh(): the data path's. */
	union cv_addr gw[2];
	__u32 gw_family[2]; /* AF_INET, AF_INET6 */
	/*
	 * Fifth line: the source address of tunnel packets. src[i] goes with nh[i]
	 * where bpf_fib_lookup() tells it (6.7 and later), else it is zero and
	 * src_default, which the library found when the destination was added or
	 * edited, stands in.
	 */
	union cv_addr src[2];
	union cv_addr src_default;
	/*
	 * rr, wrr: how the list is searched for a weight in O(log n), the library's
	 * (sched_skip.c). An index and 1, so that 0 is "not known"; or CV_NONE.
	 */
	__u32 up;   /* the next destination in the list with a larger weight */
	__u32 jump; /* one further on along the ups */
	/* Of an unresolved next hop, ticks, the data path's: nexthop.h. */
	__u32 silent_since;
	__u32 neigh_asked; /* 0: it is resolved */
} CV_ALIGNED;		   /* 320 bytes */

/*
 * The key in the map `dest_slots`: which slot a destination has, in a service or
 * in the trash. The library's alone.
 */
struct cv_dest_key {
	struct cv_service_key owner;
	union cv_addr addr;
	__be16 port;
	__u8 family; /* of addr */
	__u8 reserved;
};

/*
 * The key in the map `reals`: an end that masq real servers have, of one
 * protocol or, in services by mark, of any. The library's, for packets of no
 * connection. `what` is what the value says:
 */
#define CV_REAL_COUNT 0U  /* how many have this end (nat_icmp_send) */
#define CV_REAL_NEWEST 1U /* of UDP: which was added last, its slot and 1 (--pe sip) */

struct cv_real_key {
	union cv_addr addr;
	__be16 port;
	__u8 proto; /* 0: any */
	__u8 family;
	__u32 what;
};

/* ---- counters ------------------------------------------------------------ */

/*
 * Per CPU and destination, in the array `counters` at cv_counters_at(); only
 * that CPU writes. A CPU's stand one after another: packets for many destinations
 * then touch as few pages as they can. A service's figures are the sum over its destinations and
 * what is kept in its estimate for those that left.
 */
struct cv_counters {
	__u64 conns;
	__u64 inpkts;
	__u64 outpkts;
	__u64 inbytes;
	__u64 outbytes;
	__u64 sent; /* by the straight way (bpf/lb/live.h): counts as CV_C_SENT, and is the slot's for ever */
	__u64 reserved[2];
} CV_ALIGNED;

enum cv_rate { CV_CONNS, CV_INPKTS, CV_OUTPKTS, CV_INBYTES, CV_OUTBYTES, CV_RATES };

/*
 * One per destination (`dest_est`) and per service (`svc_est`). The sweeper
 * owns last and rate (ip_vs_est.c: every 2 s, weight 1/4, scaled); the library
 * owns base and gone.
 */
struct cv_estimate {
	__u64 base[CV_RATES]; /* what -Z took off: shown = counters + gone - base */
	__u64 gone[CV_RATES]; /* of a service: what destinations that left had counted for it */
	__u64 last[CV_RATES];
	__u64 rate[CV_RATES]; /* scaled: conns, pkts by 2^10, bytes by 2^5 */
};			      /* 160 bytes */

/* ---- settings ------------------------------------------------------------ */

/* Indexes of cv_settings.timeout[] (ip_vs_proto_*.c, ipvsadm --set). */
enum cv_timeout {
	CV_TIMEOUT_TCP = 0,				/* + enum cv_tcp_state */
	CV_TIMEOUT_UDP = CV_TIMEOUT_TCP + CV_TCP_LAST,	/* + enum cv_udp_state */
	CV_TIMEOUT_SCTP = CV_TIMEOUT_UDP + CV_UDP_LAST, /* + enum cv_sctp_state */
	CV_TIMEOUT_COUNT = CV_TIMEOUT_SCTP + CV_SCTP_LAST,
	CV_TIMEOUT_SLOTS = 32 /* a power of two: an index is masked, not checked */
};

/*
 * What net.ipv4.vs.* says, by the same names and meanings
 * (Documentation/networking/ipvs-sysctl.rst), the protocols' timeouts, and how
 * many services there are. The library's; the data path reads it as a global
 * variable.
 */
#define CV_HOSTS 4096

struct cv_settings {
	__u32 num_services; /* 0: everything passes */
	__u32 num_fwmark;
	__u32 num_anyport; /* services with port 0: a second look is worth it */
	__u32 num_persistent;
	__u32 num_ftp;	/* TCP services on port 21: their data connections are looked for */
	__u32 num_masq; /* destinations reached by masq, ever: replies are looked for */
	/*
	 * Whose fragments are held until all of a packet are there: one bit per
	 * virtual address and masq real server, at cv_host_bit(). Set when it is
	 * added, never cleared: a bit too many costs another's fragments a detour.
	 */
	__u32 hosts[CV_HOSTS / 32];
	__u32 timeout[CV_TIMEOUT_SLOTS]; /* ticks, by enum cv_timeout */
	__u32 conn_reuse_mode;
	__u32 expire_nodest_conn;
	__u32 expire_quiescent_template;
	__u32 sloppy_tcp;
	__u32 sloppy_sctp;
	__u32 secure_tcp;
	__u32 drop_entry;
	__u32 drop_packet;
	__u32 am_droprate;
	__u32 amemthresh;
	__u32 nat_icmp_send;
	__u32 pmtu_disc;
	__u32 schedule_icmp;
	__u32 ignore_tunneled;
	__u32 cache_bypass;
	__u32 snat_reroute;
	__u32 conntrack;
	__u32 run_estimation;
	__u32 sync_threshold[2];
	__u32 sync_refresh_period;
	__u32 sync_retries;
	__u32 sync_ports;
	__u32 sync_qlen_max;
	__u32 sync_sock_size;
	__u32 sync_version;
	__u32 sync_persist_mode;
	__u32 backup_only;
	__u32 est_nice;
	__u32 lblc_expiration; /* seconds, as lblcr's; under 2^24, so that times can be compared */
	__u32 lblcr_expiration;
	__u32 culvert0; /* ifindex of the device of that name; 0: there is none */
	__u32 led;	/* CV_LED*, CV_MARKS*: what the kernel's rules lead to culvert0 */
	__u32 tracked;	/* new masq connections are conntrack's: lib/tracked.h */
	__u32 num_sip;	/* services with --pe sip: what their servers begin is looked for */
	__u32 reserved[10];
};

/* cv_settings.led, by family: packets for services by address */
#define CV_LED4 0x1U
#define CV_LED6 0x2U
/* ... and what has the mark of a service, of which there are some */
#define CV_MARKS4 0x4U
#define CV_MARKS6 0x8U

/* Which bit of cv_settings.hosts stands for an address. */
static inline __u32 cv_host_bit(const union cv_addr *addr)
{
	return ((addr->w[0] ^ addr->w[1] ^ addr->w[2] ^ addr->w[3]) * 0x9e3779b1U) >> 20;
}

/* ---- where packets went -------------------------------------------------- */

/*
 * Per CPU in the array `causes`: one counter for each thing that can become of
 * a packet that the load balancer looked at, so that they add up.
 */
enum cv_cause {
	CV_C_PASS_OTHER,     /* not IP, or not a protocol of ours: untouched */
	CV_C_PASS_NOSERVICE, /* for no service */
	CV_C_PASS_MALFORMED, /* truncated or contradictory: the stack's to judge */
	CV_C_PASS_LOCAL,     /* its real server is the director */
	CV_C_PASS_NOTSYN,    /* TCP without SYN, or SCTP without INIT, and without a connection */
	CV_C_PASS_TO_TC,     /* XDP handed it on to tc, which counts it again */
	CV_C_SENT,	     /* redirected to a real server (cv_counters.sent, too) or a client */
	CV_C_RESOLVING,	     /* sent through the kernel's neighbour resolution */
	CV_C_ANSWERED,	     /* an ICMP error went back */
	CV_C_DROP_NODEST,    /* its connection's destination is gone */
	CV_C_DROP_NOROUTE,   /* no route to the real server */
	CV_C_DROP_LOCKED,    /* C5: the set was busy too long */
	CV_C_DROP_FULL,	     /* the set holds only connections in a better state */
	CV_C_DROP_OVERLOAD,  /* drop_packet, drop_entry */
	CV_C_DROP_TTL,	     /* ran out, and an ICMP error must not answer it */
	CV_C_DROP_TOOBIG,    /* over the MTU, and an ICMP error must not answer it */
	CV_C_DROP_ERROR,     /* a helper failed */
	CV_C_FRAGMENT,	   /* fragments and GSO packets in parts, which count again as they come */
	CV_C_CONN_NEW,	   /* connections made */
	CV_C_CONN_EXPIRED, /* ended by their timer */
	CV_C_CONN_EVICTED, /* ended early because their set was full */
	CV_C_DROP_NOCALL,  /* for a service with --pe sip, and no Call-ID in it */
	CV_C_PASS_NETFILTER, /* handed to the host's netfilter; counted again if it comes to culvert0 */
	CV_C_COUNT = 32
};

struct cv_causes {
	__u64 n[CV_C_COUNT];
} CV_ALIGNED;

/* ---- devices ------------------------------------------------------------- */

/* Map `devices`: ifindex -> what the data path may do with it; the library's. */
struct cv_device {
	__u32 flags;
};
#define CV_DEV_XDP_XMIT 0x0001U /* takes frames by XDP_REDIRECT */
#define CV_DEV_ATTACHED 0x0002U /* carries our programs */
#define CV_DEV_XDP 0x0004U	/* ... XDP among them */
#define CV_DEV_FORWARD4 0x0008U /* forwards because we turned that on: the library's own note */
#define CV_DEV_FORWARD6 0x0010U

/* The culvert0 device's link-layer address: it is never seen on a wire. */
#define CV_CULVERT0_MAC                            \
	{                                          \
		0x02, 0x63, 0x76, 0x6c, 0x74, 0x30 \
	}

/*
 * Global variable `uplinks`: an attached device's own address, at ifindex %
 * CV_UPLINKS, learnt by tc from the frames that the kernel calls PACKET_HOST.
 * XDP leaves a frame for any other address to tc, which knows for sure.
 */
#define CV_UPLINKS 64
struct cv_uplink {
	__u32 ifindex;
	__u8 mac[6];
	__u16 replies; /* mostly answers of masq connections come in here: look for those first */
};

/* ---- geometry ------------------------------------------------------------ */

/* Fixed when an instance is made; constants to the verifier and the JIT. */
struct cv_geometry {
	__u32 version;	    /* CV_LAYOUT_VERSION */
	__u32 sets4, sets6; /* sets of the connection tables */
	__u32 max_services;
	__u32 max_dests;
	__u32 ncpus;	   /* possible CPUs */
	__u32 fib_src;	   /* bpf_fib_lookup() knows BPF_FIB_LOOKUP_SRC */
	__u64 hash_key[4]; /* random and odd */
	__u64 netns_cookie;
};
/*
 * What the tables' fields mean. A field that moves, grows or is renamed shows in the tables' shape
 * (lib/shape.h); when one comes to mean something else and stays where it is, this is counted up.
 * `culvert upgrade` takes tables over only where both are its own.
 */
#define CV_LAYOUT_VERSION 3

static inline __u32 cv_counters_at(const volatile struct cv_geometry *geo, __u32 dest, __u32 cpu)
{
	return cpu * geo->max_dests + dest;
}

/* What the sweeper keeps; the clock every packet reads stands alone. */
struct cv_clock {
	__u32 now;	    /* ticks */
	__s32 drop_counter; /* drop_packet: new connections until the next one that is dropped */
	__u32 free_pages;   /* of memory; 0: nobody looks (bpf/memory.bpf.c) */
} CV_ALIGNED;

/* Global variable of fragment.h: the next slot of the pool of fragments, the last queue's number. */
struct cv_frag_ring {
	__u32 next;
	__u32 serial;
};

/* C6: two seconds. */
#define CV_GRACE (2 * CV_HZ)

#endif
