#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hosts and ports by name, taken and shown; tables cut long names of IPv4 hosts, -S does not.
. "$(dirname "$0")/lib/test.sh"

lab_host director
cat >"$LAB_DIR/hosts" <<-END
	127.0.0.1 localhost
	10.0.0.1 www.example.net
	10.0.0.2 a-rather-long-name-of-a-virtual-service.example.net
	10.0.1.1 r1.example.net r1
	10.0.1.2 a-rather-long-name-of-a-real-server.example.net
	fd00::1 a-rather-long-name-of-an-ipv6-service.example.net
	fd01::1 r1-6.example.net
END

# named OPTION...: ipvsadm where those are the names of hosts.
if [ "${DIRECTOR:-}" = kernel ]; then
	command=(/usr/sbin/ipvsadm)
else
	command=("$BUILD/culvert" ipvsadm)
fi
named() {
	on director unshare --mount sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' \
		sh "$LAB_DIR/hosts" "${command[@]}" "$@"
}

named -A -t www.example.net:https -s rr
named -a -t www.example.net:https -r r1 -g
named -A -u a-rather-long-name-of-a-virtual-service.example.net:domain -s rr
named -a -u 10.0.0.2:53 -r a-rather-long-name-of-a-real-server.example.net:domain
named -A -t "[fd00::1]:7" -s rr
named -a -t "[fd00::1]:echo" -r "[fd01::1]:7"
refused "illegal virtual server address[:port] specified" named -A -t nobody.example.net:80
refused "illegal virtual server address[:port] specified" named -A -t www.example.net:nosuchport

expect "-A -t 10.0.0.1:443 -s rr
-a -t 10.0.0.1:443 -r 10.0.1.1:443 -g -w 1
-A -u 10.0.0.2:53 -s rr
-a -u 10.0.0.2:53 -r 10.0.1.2:53 -g -w 1
-A -t [fd00::1]:7 -s rr
-a -t [fd00::1]:7 -r [fd01::1]:7 -g -w 1" named -Sn

expect "-A -t www.example.net:https -s rr
-a -t www.example.net:https -r r1.example.net:https -g -w 1
-A -u a-rather-long-name-of-a-virtual-service.example.net:domain -s rr
-a -u a-rather-long-name-of-a-virtual-service.example.net:domain -r a-rather-long-name-of-a-real-server.example.net:domain -g -w 1
-A -t [a-rather-long-name-of-an-ipv6-service.example.net]:echo -s rr
-a -t [a-rather-long-name-of-an-ipv6-service.example.net]:echo -r [r1-6.example.net]:echo -g -w 1" named -S

expect "Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  www.example.net:https rr
  -> r1.example.net:https         Route   1      0          0         
UDP  a-rather-long-name-of-a-virt rr
  -> a-rather-long-name-of-a-real Route   1      0          0         
TCP  [a-rather-long-name-of-an-ipv6-service.example.net]:echo rr
  -> [r1-6.example.net]:echo      Route   1      0          0         " \
	eval "named -L | tail -n +2"
expect "UDP  a-rather-long-name-of-a-virt        0        0        0        0        0
  -> a-rather-long-name-of-a-real        0        0        0        0        0" \
	eval "named -L -u 10.0.0.2:53 --stats | tail -n +3"

# What -S prints by name, -R reads; ipvsadm has no names for IPv6.
ours
numbers=$(named -Sn)
named -S >"$LAB_DIR/saved"
named -C
named -R <"$LAB_DIR/saved"
expect "$numbers" named -Sn
named -A -t r1-6.example.net:80 -s rr
expect "-A -t [fd01::1]:80 -s rr" eval "named -Sn | grep ':80 '"
