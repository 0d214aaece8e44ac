# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A load balancer's network, made of namespaces: the tests run in it and so does the demo.
#
#   client --------+                    +-------- r1   real servers: nginx on port 80,
#   207.175.44.1   |                    |              the virtual address on lo
#                  +--- the switch -----+-------- r2   192.168.10.1, .2, .3
#                  |                    |
#   director ------+                    +-------- r3
#   207.175.44.110 (the virtual address), 192.168.10.254
#
# That is direct routing as it is built in practice: requests go through the director, answers
# straight to the client, whose address in the servers' network is 192.168.10.253. With two arms
# the director stands between two switches instead: the client is before it (eth0), the real
# servers behind it (eth1), and answers return by a second device of the client's.
#
# IPv6 is there beside IPv4, with the addresses 2001:db8:44::/64 and 2001:db8:10::/64.
#
# Namespaces are called $LAB-client, $LAB-director and so on; LAB is unique, so that labs stand
# side by side. lab_down removes all there is of one, whoever made it and however it ended.

LAB=${LAB:-cv$$}
LAB_DIR=${LAB_DIR:-$(mktemp -d "/tmp/$LAB.XXXXXX")}
export LAB LAB_DIR

# Addresses as ipvsadm and URLs write them: "$VIP:80" is right for both families.
lab_family() {
	if [ "$1" = 6 ]; then
		VIP_ADDR=2001:db8:44::110 CLIENT_ADDR=2001:db8:44::1 DIRECTOR_ADDR=2001:db8:10::254
		R_ADDR=("" 2001:db8:10::1 2001:db8:10::2 2001:db8:10::3)
		VIP="[$VIP_ADDR]" CLIENT="[$CLIENT_ADDR]"
		R1="[${R_ADDR[1]}]" R2="[${R_ADDR[2]}]" R3="[${R_ADDR[3]}]"
	else
		VIP_ADDR=207.175.44.110 CLIENT_ADDR=207.175.44.1 DIRECTOR_ADDR=192.168.10.254
		R_ADDR=("" 192.168.10.1 192.168.10.2 192.168.10.3)
		VIP=$VIP_ADDR CLIENT=$CLIENT_ADDR
		R1=${R_ADDR[1]} R2=${R_ADDR[2]} R3=${R_ADDR[3]}
	fi
}

# on HOST COMMAND...: runs it there. Not `ip netns exec`, whose private mounts hide the host's.
on() {
	local host=$1
	shift
	nsenter --net="/run/netns/$LAB-$host" -- "$@"
}

# start HOST COMMAND...: runs it there in the background; $! is its process.
start() {
	local host=$1
	shift
	nsenter --net="/run/netns/$LAB-$host" -- "$@" <&0 &
}

# A host: a namespace whose interfaces are quick to come up and quiet.
lab_host() {
	ip netns add "$LAB-$1"
	ip -n "$LAB-$1" link set lo up
	on "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_ra=0 net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.default.rp_filter=0
}

# lab_plug HOST DEV BRIDGE MAC: a cable from HOST's new device to a port of a bridge.
lab_plug() {
	local host=$1 dev=$2 bridge=$3 mac=$4 port=$1-$2
	ip -n "$LAB-switch" link add "$port" type veth \
		peer name "$dev" address "$mac" netns "$LAB-$host"
	ip -n "$LAB-switch" link set "$port" master "$bridge" up
	ip -n "$LAB-$host" link set "$dev" up
	# A cable carries whole checksums, and no packet that is larger than its MTU. What XDP sends
	# into a veth arrives only where the far end polls, and GRO makes it poll.
	on "$host" ethtool -K "$dev" tx off >/dev/null
	on switch ethtool -K "$port" gro on tx off >/dev/null
}

# lab_address HOST DEV ADDRESS/PREFIX...
lab_address() {
	local host=$1 dev=$2 address
	shift 2
	for address; do
		case $address in
		*:*) echo "addr add $address dev $dev nodad" ;;
		*) echo "addr add $address dev $dev" ;;
		esac
	done | ip -n "$LAB-$host" -batch -
}

# lab_up [arms]
lab_up() {
	local arms=${1:-1} back=front n
	lab_host switch
	ip -n "$LAB-switch" link add front up type bridge mcast_snooping 0
	[ "$arms" = 1 ] || {
		back=back
		ip -n "$LAB-switch" link add back up type bridge mcast_snooping 0
	}

	lab_host client
	lab_plug client eth0 front 02:00:00:00:44:01
	lab_address client eth0 207.175.44.1/24 2001:db8:44::1/64
	lab_host director
	lab_plug director eth0 front 02:00:00:00:44:fe
	lab_address director eth0 207.175.44.110/24 2001:db8:44::110/64
	if [ "$arms" = 2 ]; then
		lab_plug client eth1 back 02:00:00:00:10:01
		lab_plug director eth1 back 02:00:00:00:10:fe
		lab_address client eth1 192.168.10.253/24 2001:db8:10::253/64
		lab_address director eth1 192.168.10.254/24 2001:db8:10::254/64
	else
		lab_address client eth0 192.168.10.253/24 2001:db8:10::253/64
		lab_address director eth0 192.168.10.254/24 2001:db8:10::254/64
	fi
	for n in 1 2 3; do
		lab_real_server r$n $n "$back"
	done
	lab_remember director
}

# lab_real_server NAME NUMBER BRIDGE: one that answers from the virtual address without telling
# the neighbours that it has it.
lab_real_server() {
	local name=$1 n=$2 bridge=$3
	lab_host "$name"
	on "$name" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
	lab_plug "$name" eth0 "$bridge" "02:00:00:00:11:0$n"
	lab_address "$name" lo 207.175.44.110/32 2001:db8:44::110/128
	lab_address "$name" eth0 "192.168.10.$n/24" "2001:db8:10::$n/64"
	ip -n "$LAB-$name" route add 207.175.44.0/24 via 192.168.10.253
	ip -n "$LAB-$name" route add 2001:db8:44::/64 via 2001:db8:10::253
	lab_nginx "$name" "$name"
}

# lab_masq: the real servers as masquerading wants them: without the virtual address, and the
# director is their way to the client.
lab_masq() {
	local n
	for n in 1 2 3; do
		ip -n "$LAB-r$n" addr flush dev lo scope global
		ip -n "$LAB-r$n" -6 addr flush dev lo scope global
		ip -n "$LAB-r$n" route replace 207.175.44.0/24 via 192.168.10.254
		ip -n "$LAB-r$n" route replace 2001:db8:44::/64 via 2001:db8:10::254
	done
}

# lab_nginx HOST NAME: a real web server that says NAME. What is in $LAB_DIR/files it has in /files.
lab_nginx() {
	local host=$1 name=$2 dir=$LAB_DIR/nginx-$1
	mkdir -p "$dir"
	cat >"$dir/nginx.conf" <<-END
		pid $dir/pid;
		worker_processes 1;
		events { worker_connections 4096; }
		http {
			access_log off;
			client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
			uwsgi_temp_path $dir; scgi_temp_path $dir;
			keepalive_requests 1000000; client_max_body_size 0; send_timeout 600;
			add_header X-Server $name;
			server {
				listen 80 backlog=4096; listen [::]:80 backlog=4096;
				location = / { return 200 "$name\n"; }
				location /files/ { root $LAB_DIR; sendfile on; }
			}
		}
	END
	chmod 755 "$LAB_DIR"
	# The command returns when the ports are open.
	on "$host" nginx -e "$dir/error.log" -p "$dir" -c "$dir/nginx.conf"
}

# lab_remember HOST: that it may hold an instance of culvert, which lab_down is to remove.
lab_remember() {
	on "$1" /usr/bin/python3 -c \
		'import socket, struct; print(struct.unpack("Q", socket.socket().getsockopt(1, 71, 8))[0])' \
		>>"$LAB_DIR/instances"
}

lab_hosts() {
	ip netns list | sed -n "s/^$LAB-\([^ ]*\).*/\1/p"
}

# Removes the lab's processes, namespaces, instances and files; never fails.
lab_down() {
	local host pids cookie
	for host in $(lab_hosts); do
		pids=$(ip netns pids "$LAB-$host")
		# shellcheck disable=SC2086 # a list
		[ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
	done
	for host in $(lab_hosts); do
		ip netns del "$LAB-$host" || true
	done
	while read -r cookie; do
		rm -rf "/run/culvert/$cookie" || true
	done 2>/dev/null <"$LAB_DIR/instances" || true
	rm -rf "$LAB_DIR"
}
