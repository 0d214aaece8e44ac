// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "ipvsadm_help.h"

/* The line of the ipvsadm whose grammar and output this is: scripts look for it. */
void ipvsadm_version(void)
{
	puts("ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)");
}

void ipvsadm_try_help(const char *program)
{
	fprintf(stderr, "Try `%s -h' or '%s --help' for more information.\n", program, program);
}

static const char commands[] =
	"  -A, --add-service SERVICE ...       make a service\n"
	"  -E, --edit-service SERVICE ...      change one that stands\n"
	"  -D, --delete-service SERVICE        delete it, with its real servers\n"
	"  -C, --clear                         delete all services\n"
	"  -a, --add-server SERVICE -r HOST[:PORT] ...\n"
	"  -e, --edit-server SERVICE -r HOST[:PORT] ...\n"
	"  -d, --delete-server SERVICE -r HOST[:PORT]\n"
	"  -L, -l, --list [SERVICE] [VIEW]     what stands; all of it without a command\n"
	"  -Z, --zero [SERVICE]                set counters to zero\n"
	"  -S, --save [-n]                     print commands that make what stands\n"
	"  -R, --restore                       run the commands in standard input\n"
	"      --set TCP TCPFIN UDP            timeouts in seconds; 0 keeps one\n"
	"      --start-daemon master|backup [DAEMON]\n"
	"      --stop-daemon master|backup\n"
	"  -v, --version\n"
	"  -h, --help\n";

static const char services[] =
	"  -t, --tcp-service HOST[:PORT]       IPv6 with a port: [ADDRESS]:PORT\n"
	"  -u, --udp-service HOST[:PORT]\n"
	"      --sctp-service HOST[:PORT]\n"
	"  -f, --fwmark-service N              packets with this firewall mark\n"
	"  -6, --ipv6                          those of IPv6\n";

static const char of_services[] =
	"  -s, --scheduler NAME                rr wrr lc wlc (the default) lblc lblcr dh\n"
	"                                      sh mh sed nq fo ovf\n"
	"  -b, --sched-flags LIST              sh-fallback sh-port mh-fallback mh-port\n"
	"  -p, --persistent [SECONDS]          a client stays with its server; else 360\n"
	"  -M, --netmask MASK                  ... and with it the clients of its network\n"
	"      --pe sip                        persistence by SIP Call-ID\n"
	"  -o, --ops                           each UDP packet is scheduled by itself\n";

static const char of_servers[] =
	"  -r, --real-server HOST[:PORT]       without a port, the service's\n"
	"  -g, --gatewaying                    direct routing (the default)\n"
	"  -i, --ipip                          through a tunnel\n"
	"  -m, --masquerading                  by address translation\n"
	"  -w, --weight N                      else 1; 0 takes no new connections\n"
	"  -x, --u-threshold N                 full at so many connections\n"
	"  -y, --l-threshold N                 ... until there are fewer than this\n"
	"      --tun-type ipip|gue|gre         else ipip; gue needs --tun-port N\n"
	"      --tun-nocsum, --tun-csum        checksum of a gue or gre tunnel\n"
	"      --tun-remcsum                   remote checksum, gue\n";

static const char views[] =
	"  -n, --numeric                       addresses and ports as numbers\n"
	"  -c, --connection                    connections\n"
	"      --timeout                       timeouts, as of --set\n"
	"      --daemon                        synchronisation daemons\n"
	"      --stats, --rate                 counters, and their growth per second\n"
	"  -X, --exact                         ... in full, not in K, M, G, T\n"
	"      --thresholds, --persistent-conn, --tun-info\n"
	"      --nosort, --sort                as they come, or in order (the default)\n"
	"  -j, --json                          any of these as JSON, with all there is\n";

static const char daemons[] = "      --syncid N                      0 to 255; 0 does not filter\n"
			      "      --sync-maxlen BYTES             longest message\n"
			      "      --mcast-interface DEV           else eth0\n"
			      "      --mcast-group ADDRESS           else 224.0.0.81\n"
			      "      --mcast-port PORT               else 8848\n"
			      "      --mcast-ttl N                   else 1\n";

void ipvsadm_help(const char *program)
{
	ipvsadm_version();
	printf("usage: %s COMMAND [OPTION...]\n\nCommands:\n%s\nSERVICE:\n%s\n"
	       "Of services:\n%s\nOf real servers:\n%s\nVIEW:\n%s\nDAEMON:\n%s",
	       program, commands, services, of_services, of_servers, views, daemons);
}
