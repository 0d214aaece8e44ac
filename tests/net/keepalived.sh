#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two directors, and keepalived's VRRP moves the virtual address between them. Its notify scripts
# fill culvert's tables and empty them, its vrrp_script asks whether culvert is there. With a hash
# scheduler and sloppy_tcp the connections that are open go on by the other director.
# doors: xdp tc
# families: 4 6
# options: sh
. "$(dirname "$0")/lib/test.sh"
ours

command -v keepalived >/dev/null || skip "no keepalived"
cluster
lab_host second
lab_plug second eth0 front 02:00:00:00:44:fd
lab_address second eth0 192.168.10.252/24 2001:db8:10::252/64
lab_remember second
lab_address director eth0 207.175.44.250/24	# VRRP's own, beside the address that moves
lab_address second eth0 207.175.44.251/24
on second "$BUILD/culvert" attach eth0 --mode "$door" --max-conns 65536
for host in director second; do
	ip -n "$LAB-$host" addr del 207.175.44.110/24 dev eth0 2>/dev/null || true
	ip -n "$LAB-$host" addr del 2001:db8:44::110/64 dev eth0 2>/dev/null || true
	ip -n "$LAB-$host" addr add 2001:db8:44::25${#host}/64 dev eth0 nodad
	on "$host" "$BUILD/culvert" sysctl net.ipv4.vs.sloppy_tcp=1 >/dev/null
done

{
	for port in 80 7; do
		echo "-A -t $VIP:$port -s sh -b sh-port"
		printf -- "-a -t $VIP:$port -r %s:$port -g\n" "$R1" "$R2" "$R3"
	done
} >"$LAB_DIR/services"
printf '#!/bin/sh\nexec %s ipvsadm -R <%s\n' "$BUILD/culvert" "$LAB_DIR/services" >"$LAB_DIR/master"
printf '#!/bin/sh\nexec %s ipvsadm -C\n' "$BUILD/culvert" >"$LAB_DIR/backup"
printf '#!/bin/sh\nexec %s status >/dev/null\n' "$BUILD/culvert" >"$LAB_DIR/there"
chmod 755 "$LAB_DIR"/{master,backup,there}

# keeper HOST PRIORITY: its keepalived, in the foreground of a process of ours.
keeper() {
	cat >"$LAB_DIR/$1.conf" <<-END
		global_defs {
			router_id $1
			vrrp_version 3
			script_user root
		}
		vrrp_script there {
			script "$LAB_DIR/there"
			interval 1
			rise 1
			fall 1
		}
		vrrp_instance vip {
			interface eth0
			virtual_router_id 44
			priority $2
			advert_int 0.2
			virtual_ipaddress {
				207.175.44.110/24
			}
			virtual_ipaddress_excluded {
				2001:db8:44::110/64
			}
			track_script {
				there
			}
			notify_master "$LAB_DIR/master"
			notify_backup "$LAB_DIR/backup"
			notify_fault "$LAB_DIR/backup"
			notify_stop "$LAB_DIR/backup"
		}
	END
	start "$1" keepalived -P -n -l -f "$LAB_DIR/$1.conf" -p "$LAB_DIR/$1.pid" -r "$LAB_DIR/$1.vrrp" \
		>"$LAB_DIR/$1.log" 2>&1 </dev/null
}

# table HOST: how many servers its culvert knows.
table() {
	on "$1" "$BUILD/culvert" ipvsadm -Sn | grep -c -- '^-a'
}

# owner: which director the client finds behind the virtual address.
owner() {
	on client ip neigh flush dev eth0 to "$VIP_ADDR"
	on client ping -q -c1 -W1 "$VIP_ADDR" >/dev/null
	on client ip -j neigh show "$VIP_ADDR" dev eth0 | jq -r '.[].lladdr' |
		sed 's/02:00:00:00:44:fe/director/; s/02:00:00:00:44:fd/second/'
}

keeper director 150
first=$!
within 20 "director" owner
within 10 6 table director
keeper second 100
within 10 0 table second
serve_names 7 r1 r2 r3
talker tcp 7
opened=$(talk open 30)
for name in "r1 [1-9]" "r2 [1-9]" "r3 [1-9]" "failed 0"; do
	grep -q "$name" <<<"$opened" || fail "of 30 connections: $opened"
done

# The first one's keepalived ends: its notify_stop, and the other's notify_master.
kill -TERM "$first"
wait "$first" || true
within 20 6 table second
within 20 "second" owner
expect 0 table director
within 10 "$opened" talk ask
expect "failed 0" grep -o "failed 0" <(requests 60)

# It is back, and has the greater priority.
keeper director 150
within 20 6 table director
within 20 "director" owner
within 20 0 table second
within 10 "$opened" talk ask

# culvert goes from the first one: its vrrp_script fails, and the other has all.
culvert detach --all
within 20 6 table second
within 20 "second" owner
within 10 "$opened" talk ask
expect "failed 0" grep -o "failed 0" <(requests 60)
