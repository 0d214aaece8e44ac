#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every network namespace has its own services: two directors own the same virtual address, and
# what is done to one does nothing to the other.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster

# Another tenant with the same addresses, on wires of its own.
ip -n "$LAB-switch" link add other up type bridge mcast_snooping 0
lab_host client2
lab_plug client2 eth0 other 02:00:00:00:44:02
lab_address client2 eth0 207.175.44.1/24 2001:db8:44::1/64 192.168.10.253/24 2001:db8:10::253/64
lab_host director2
lab_plug director2 eth0 other 02:00:00:00:44:fd
lab_address director2 eth0 207.175.44.110/24 2001:db8:44::110/64 192.168.10.254/24 \
	2001:db8:10::254/64
lab_remember director2
lab_real_server other1 1 other
ipvsadm2() {
	if [ "${DIRECTOR:-}" = kernel ]; then
		on director2 /usr/sbin/ipvsadm "$@"
	else
		on director2 "$BUILD/culvert" ipvsadm "$@"
	fi
}
[ "${DIRECTOR:-}" = kernel ] ||
	on director2 "$BUILD/culvert" attach eth0 --mode "$door" --max-conns 4096 >/dev/null
requests2() {
	on client2 web -n "$1" "http://$VIP/" || true
}

service -t 80 -s rr
expect "" ipvsadm2 -Sn
expect "failed 3" requests2 3
ipvsadm2 -A -t "$VIP:80" -s wlc
ipvsadm2 -a -t "$VIP:80" -r "$R1:80" -g
expect "r1 30, r2 30, r3 30, failed 0" requests 90
expect "other1 30, failed 0" requests2 30
expect "120" awk 'END { print NR }' <(connections; ipvsadm2 -Lcn | sed 1,2d)
expect "30" awk 'END { print NR }' <(ipvsadm2 -Lcn | sed 1,2d)

ipvsadm -C
expect "other1 30, failed 0" requests2 30
expect "failed 3" requests 3
expect "-A -t $VIP:80 -s wlc
-a -t $VIP:80 -r $R1:80 -g -w 1" ipvsadm2 -Sn
