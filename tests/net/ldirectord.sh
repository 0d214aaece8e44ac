#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ldirectord, which drives IPVS with the ipvsadm program, drives culvert: it makes the service,
# takes a server out whose web server has died, brings it back, and removes all when it ends.
# doors: xdp
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

command -v ldirectord >/dev/null || skip "no ldirectord"
cluster
# It looks for ./ipvsadm before /sbin/ipvsadm when it stays in the foreground (-d).
mkdir "$LAB_DIR/here"
ln -s "$BUILD/culvert" "$LAB_DIR/here/ipvsadm"
six=''
[ "$family" = 4 ] || six=6
config=$LAB_DIR/here/$LAB.cf
cat >"$config" <<-END
	checktimeout = $((2 * ${PATIENCE:-1}))
	checkinterval = 1
	checkcount = 1
	autoreload = no
	quiescent = no
	virtual$six = $VIP:80
	    real$six = $R1:80 gate 3
	    real$six = $R2:80 gate 2
	    real$six = $R3:80 gate 1
	    service = http
	    checktype = negotiate
	    request = "/"
	    receive = "^r[123]"
	    scheduler = wrr
	    protocol = tcp
END
cd "$LAB_DIR/here"
start director ldirectord -d "$config" start >"$LAB_DIR/ldirectord" 2>&1 </dev/null
ldirectord=$!
cd - >/dev/null

service_lines() { ipvsadm -Sn | sort; }
all=$(printf '%s\n' "-A -t $VIP:80 -s wrr" "-a -t $VIP:80 -r $R1:80 -g -w 3" \
	"-a -t $VIP:80 -r $R2:80 -g -w 2" "-a -t $VIP:80 -r $R3:80 -g -w 1" | sort)
within 30 "$all" service_lines
expect "r1 30, r2 20, r3 10, failed 0" requests 60

on r2 nginx -e "$LAB_DIR/nginx-r2/error.log" -p "$LAB_DIR/nginx-r2" -c "$LAB_DIR/nginx-r2/nginx.conf" -s stop
without() { grep -vF -- "-r $R2:80 " <<<"$all"; }
within 30 "$(without)" service_lines
expect "r1 30, r3 10, failed 0" requests 40

lab_nginx r2 r2
within 30 "$all" service_lines
expect "r1 30, r2 20, r3 10, failed 0" requests 60

kill -TERM "$ldirectord"
wait "$ldirectord" || true
within 10 "" service_lines
