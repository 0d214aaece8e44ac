#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What -S prints, -R makes again, line by line.
. "$(dirname "$0")/lib/test.sh"

lab_host director
name=ipvsadm
[ "${DIRECTOR:-}" != kernel ] || name=/usr/sbin/ipvsadm

# run STATUS STDERR COMMAND...
run() {
	local status=0 want=$1 err=$2
	shift 2
	"$@" 2>"$LAB_DIR/err" || status=$?
	[ "$status" -eq "$want" ] || fail "status $status, not $want: $* ($(cat "$LAB_DIR/err"))"
	expect "$err" cat "$LAB_DIR/err"
}

ipvsadm -R <<-END
	-A -t 10.0.0.1:80 -s wrr
	-a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 3
	-a -t 10.0.0.1:80 -r 10.0.1.2:80 -g -w 0
	-A -u [fd00::1]:53 -s lc
	-a -u [fd00::1]:53 -r [fd01::1]:53 -g -w 2147483647
	-A -t 10.0.0.1:443 -s rr
END
ipvsadm -Sn >"$LAB_DIR/saved"
expect "-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 3
-a -t 10.0.0.1:80 -r 10.0.1.2:80 -g -w 0
-A -t 10.0.0.1:443 -s rr
-A -u [fd00::1]:53 -s lc
-a -u [fd00::1]:53 -r [fd01::1]:53 -g -w 2147483647" cat "$LAB_DIR/saved"
ipvsadm -C
expect "" ipvsadm -Sn
ipvsadm -R <"$LAB_DIR/saved"
expect "$(cat "$LAB_DIR/saved")" ipvsadm -Sn

# By name: it reads what it writes.
ipvsadm -S >"$LAB_DIR/names"
grep -q ":http " "$LAB_DIR/names" || fail "no names in $(cat "$LAB_DIR/names")"
ipvsadm -C
ipvsadm -R <"$LAB_DIR/names"
expect "$(cat "$LAB_DIR/saved")" ipvsadm -Sn

# Whole commands, blanks, a carriage return, no end of the last line.
printf 'ipvsadm -C\n\n  \t\nipvsadm -A -t 10.0.0.2:80\r\n  -A\t-t 10.0.0.3:80 -s  rr' | ipvsadm -R
expect "-A -t 10.0.0.2:80 -s wlc
-A -t 10.0.0.3:80 -s rr" ipvsadm -Sn

# A line that is refused is passed over; the status is the last line's.
ipvsadm -C
lines='-A -t 10.0.0.1:80
-A -t 10.0.0.1:80
-A -t 10.0.0.2:80 -Q
-a -t 10.0.0.9:80 -r 10.0.1.1
-A -t 10.0.0.3:80'
run 0 "Service already exists
-Q: unknown option
Service not defined" ipvsadm -R <<<"$lines"
expect "-A -t 10.0.0.1:80 -s wlc
-A -t 10.0.0.3:80 -s wlc" ipvsadm -Sn
run 255 "Service already exists" ipvsadm -R <<<"-A -t 10.0.0.3:80"

# One that is no command line ends it.
run 2 "illegal virtual server address[:port] specified" ipvsadm -R <<<"-A -t 10.0.0.4:80
-A -t nonsense:nonsense:nonsense
-A -t 10.0.0.5:80"
run 255 "Try \`$name -h' or '$name --help' for more information." ipvsadm -R <<<"-R
-A -t 10.0.0.5:80"
expect "-A -t 10.0.0.1:80 -s wlc
-A -t 10.0.0.3:80 -s wlc
-A -t 10.0.0.4:80 -s wlc" ipvsadm -Sn
