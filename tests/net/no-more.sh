#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a system, or a table, does not give is told in one line, and nothing has changed: tables that are
# full, a file system that is read-only, a kernel without BPF or without a part of it. And a clock that
# jumps is nothing to a command.
. "$(dirname "$0")/lib/test.sh"
ours

lab_up

# ---- tables that are full -------------------------------------------------------------------

culvert attach eth0 --max-conns 64 --max-services 2 --max-dests 3 >/dev/null
ipvsadm -A -t "$VIP:80" -s rr
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -a -t "$VIP:80" -r "$server:80" -g
done
ipvsadm -A -t "$VIP:81" -s rr
before=$(ipvsadm -Sn)
refused "there is no room for more than 2 services" ipvsadm -A -t "$VIP:82" -s rr
refused "there is no room for more than 3 destinations" ipvsadm -a -t "$VIP:81" -r "$R1:81" -g
refused "there is no room for more than 2 services" ipvsadm -R <<-END
	-A -t $VIP:83 -s rr
END
expect "$before" ipvsadm -Sn
# Room that is made is there.
ipvsadm -d -t "$VIP:80" -r "$R3:80"
ipvsadm -a -t "$VIP:81" -r "$R3:81" -g
ipvsadm -d -t "$VIP:81" -r "$R3:81"
ipvsadm -a -t "$VIP:80" -r "$R3:80" -g
ipvsadm -D -t "$VIP:81"
ipvsadm -A -t "$VIP:81" -s rr

# ---- clocks ---------------------------------------------------------------------------------

# A time namespace: for the commands in it the machine has been up for years.
wire "tcp $CLIENT:4000 > $VIP:80 S" >/dev/null
later() {
	on director unshare --time --fork --monotonic 100000000 --boottime 100000000 "$BUILD/culvert" "$@"
}
if unshare --time true 2>/dev/null; then
	between 50 60 "$(later ipvsadm -Lcn -j | jq '.connections[0].expires | floor')" "what is left of SYN_RECV"
	later ipvsadm -e -t "$VIP:80" -r "$R1:80" -g -w 7
	later ipvsadm -e -t "$VIP:80" -r "$R1:80" -g -w 1
	between 50 60 "$(ipvsadm -Lcn -j | jq '.connections[0].expires | floor')" "what is left of SYN_RECV"
fi
culvert detach --all

# ---- a file system that is read-only ---------------------------------------------------------

# Of its own, in a mount namespace of its own: /run/culvert is the machine's. What is pinned there cannot be
# opened then, for listings neither; packets go on as before.
read_only() {
	local command
	mount -t bpf bpf /run/culvert
	"$BUILD/culvert" attach eth0 --max-conns 64 >/dev/null
	"$BUILD/culvert" ipvsadm -A -t "$VIP:80" -s rr
	mount -o remount,ro /run/culvert
	for command in "ipvsadm -Sn" "ipvsadm -D -t $VIP:80" "sysctl sloppy_tcp=1" "attach eth0" "detach eth0" upgrade \
		"link add link eth0 name i0 type ipvlan" save; do
		# shellcheck disable=SC2086 # words
		"$BUILD/culvert" $command >"$LAB_DIR/said" 2>&1 && echo "succeeded: $command"
		echo "$(wc -l <"$LAB_DIR/said"), ${command%% *}: $(grep -o 'Read-only file system' "$LAB_DIR/said")"
	done
	mount -o remount,rw /run/culvert
	"$BUILD/culvert" ipvsadm -A -t "$VIP:81" -s rr
	"$BUILD/culvert" ipvsadm -Sn
	"$BUILD/culvert" detach --all
}
export -f read_only
export VIP BUILD LAB_DIR
[ -d /run/culvert ]
expect "1, ipvsadm: Read-only file system
1, ipvsadm: Read-only file system
1, sysctl: Read-only file system
1, attach: Read-only file system
1, detach: Read-only file system
1, upgrade: Read-only file system
1, link: Read-only file system
1, save: Read-only file system
-A -t $VIP:80 -s rr
-A -t $VIP:81 -s rr" on director unshare --mount --propagation private bash -c read_only

# ---- a kernel that has not what is needed ------------------------------------------------------

outside() {
	on director ip -o link | sed 's/<[^>]*>//; s/qdisc.*//'
	on director bpftool net list
	find "/run/culvert/$(tail -n 1 "$LAB_DIR/instances")" 2>/dev/null | sort || true
}

# without CALL ERROR TEXT COMMAND...: all such calls fail
without() {
	local call=$1 error=$2 text=$3 was
	shift 3
	was=$(outside)
	refused "$text" on director strace -f -qq -o /dev/null -e "inject=$call:error=$error" "$BUILD/culvert" "$@"
	expect "$was" outside
}

without bpf ENOSYS "" attach eth0 --max-conns 64
without bpf EPERM "" attach eth0 --max-conns 64
without bpf EINVAL "" attach eth0 --max-conns 64
without bpf ENOSYS "" link add link eth0 name i0 type ipvlan
culvert attach eth0 --max-conns 64 >/dev/null
for command in status "ipvsadm -Ln" "sysctl sloppy_tcp=1" "detach eth0" upgrade; do
	# shellcheck disable=SC2086 # words
	without bpf ENOSYS "" $command
done
