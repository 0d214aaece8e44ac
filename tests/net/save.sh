#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All there is is written down, taken away as by a reboot, and made again: every listing is the
# same, traffic flows, and clients that were connected still are. A file that is wrong is
# refused with the number of its line, and nothing has changed.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

# All that culvert lists, but for what moves: ids of devices, times, what packets met.
listings() {
	ipvsadm -Ln --thresholds
	ipvsadm -Ln
	ipvsadm -Ln --nosort	# the order in which schedulers look at servers
	ipvsadm -Sn
	ipvsadm -Ln --timeout
	culvert sysctl | grep -v sync_qlen_max	# which follows the free memory
	culvert status | sed -n '/^devices:/,/^tables:/s/ (ifindex [0-9]*)//p'
	culvert status | awk '$1 ~ /^IPv[46]$/ || $1 == "destinations" { print $1, $(NF - 2) }'
	culvert link -d show | sed 's/^[0-9]*: //; s/host-end [^ ]*//'
	culvert addr show | sed 's/^[0-9]*: //; /scope link/d'	# those are random
	on director ip -j rule | jq -c '[.[] | [.priority, .table]]'
	on director ip -6 -j rule | jq -c '[.[] | [.priority, .table]]'
}

cluster
marks_forward
serve_names 7 r1 r2 r3
lab_host tenant
ip -n "$LAB-director" link add front type veth peer name back
ip -n "$LAB-director" link set front up
ip -n "$LAB-director" link set back up
six=()
[ "$family" = 4 ] || six=(-6)
WEIGHTS="3 2 1" LIMITS="-x 1000 -y 900" service -t 7 -s wrr
service -t 80 -s rr
service -u 53 -s sh -b sh-port -o
ipvsadm -A -t "$VIP:0" -s lc -p 300
ipvsadm -a -t "$VIP:0" -r "$R1:0" -g -w 0
ipvsadm -A -f 7 "${six[@]}" -s mh -b mh-port,mh-fallback -p 60
ipvsadm -a -f 7 "${six[@]}" -r "$R2:0" -i --tun-type gue --tun-port 6080 --tun-nocsum
ipvsadm --set 901 121 301
culvert sysctl expire_nodest_conn=1 sloppy_tcp=1 sync_threshold='5 60' >/dev/null
culvert link add link front name tenant0 type ipvlan mode l3s private netns "$LAB-tenant" \
	addr 10.9.0.2/24 addr fd09::2/64 allow 10.10.0.0/16 allow fd0a::/64 up
culvert link add link front name own0 type ipvlan addr 10.9.0.3/32
talker tcp 7
expect "r1 15, r2 10, r3 5, failed 0" talk open 30
before=$(listings)
connected=$(connections)

saved=$LAB_DIR/saved
culvert save -c -o "$saved"
timeless() {
	sed 's/ left [0-9]* / /' "$@"
}
expect "$(timeless "$saved")" eval "culvert save -c | timeless"
expect "0" eval "culvert save | diff - <(grep -v ^conn '$saved') | grep -c '^[<>]' || true"

reboot() {
	culvert detach --all
	culvert link del tenant0
	culvert link del own0
	rm -rf "/run/culvert/$(tail -n1 "$LAB_DIR/instances")"
	refused "no culvert" culvert status
}
reboot
culvert restore --check "$saved"
refused "no culvert" culvert status
culvert restore "$saved" 2>"$LAB_DIR/said"
# What its slaves have not on this kernel (before Linux 6.17), and once for both.
notes=0
[ "$family" = 6 ] || [ -e /proc/sys/net/ipv6/conf/lo/force_forwarding ] || notes=1
expect "$notes" grep -c "^culvert restore: note: " "$LAB_DIR/said"
expect "$before" listings
# Whose timer ran out meanwhile is not missed: none of these.
expect "$connected" connections
expect "r1 15, r2 10, r3 5, failed 0" talk ask
expect "r1 10, r2 10, r3 10, failed 0" requests 30
refused "there is something of culvert in this network namespace already" culvert restore "$saved"
culvert restore --if-empty "$saved"
figure save.connections "$(wc -l <<<"$connected")" "connections carried over a reboot, none lost"

# The rest is the same by any door; but what there is may be the load balancer alone.
if [ "$door$family" != xdp4 ]; then
	culvert link del tenant0
	culvert link del own0
	services=$(ipvsadm -Sn)
	refused "there is something of culvert in this network namespace already" culvert restore "$saved"
	expect "$services" ipvsadm -Sn
	exit 0
fi

# Connections whose server has left would have no place to come back to. (With expire_nodest_conn=1
# they have ended.)
culvert sysctl expire_nodest_conn=0 >/dev/null
ipvsadm -d -t "$VIP:7" -r "$R1:7"
expect "15" eval "ipvsadm -Lcn | grep -c '$R1:7'"
culvert save -c -o "$LAB_DIR/less"
expect "0" eval "grep -c -- '-r $R1:7' '$LAB_DIR/less' || true"
reboot
culvert restore "$LAB_DIR/less"

# Files that are wrong, each of them whole but for one line.
reboot
wrong() {
	local want=$1 line=$2
	{ grep -v '^conn' "$saved"; echo "$line"; } >"$LAB_DIR/wrong"
	refused "$LAB_DIR/wrong:$(wc -l <"$LAB_DIR/wrong"): " culvert restore "$LAB_DIR/wrong"
	grep -qF -- "$want" "$LAB_DIR/err" || fail "said \"$(cat "$LAB_DIR/err")\", not \"$want\""
	refused "no culvert" culvert status
	expect "" culvert link show
	files=$((files + 1))
}
files=0
wrong '"rm" is nothing' "rm -rf /"
wrong 'there is no device nosuch0' "attach nosuch0 --mode tc"
wrong '--mode takes xdp or tc' "attach eth0 --mode sideways"
wrong 'attached already' "attach eth0 --mode $door"
wrong 'a second line' "tables --max-conns 7"
wrong 'there is no setting' "sysctl nosuch=1"
wrong 'drop_entry is at most 3' "sysctl drop_entry=9"
wrong 'wants NAME=VALUE' "sysctl sloppy_tcp"
wrong 'is not a number' "sysctl sloppy_tcp=1 sync_ports=1"
wrong 'is not two numbers' "sysctl sync_threshold=5 60 7"
wrong 'Service already exists' "ipvsadm -A -t $VIP:80 -s rr"
wrong 'Scheduler or persistence engine not found' "ipvsadm -A -t $VIP:99 -s nosuch"
wrong 'Service not defined' "ipvsadm -a -t $VIP:98 -r $R1:98 -g"
wrong 'only -A, -a and --set' "ipvsadm -C"
wrong 'only -A, -a and --set' "ipvsadm -R"
wrong 'You need to supply' "ipvsadm -a -t $VIP:80"
wrong 'there is no network namespace "nosuch"' "link add link front name x type ipvlan netns nosuch"
wrong 'there is no device nosuch0' "link add link nosuch0 name x type ipvlan"
wrong 'only "link add"' "link del own0"
wrong 'is in use' "link add link front name own0 type ipvlan"
wrong 'the prefix length' "link add link front name x type ipvlan addr 10.0.0.1/99"
wrong 'words are missing' "conn tcp"
wrong '"99.1.1.1" is no ADDRESS:PORT' "conn tcp 99.1.1.1 $VIP:80 80 NONE -- -t $VIP:80 -r $R1:80"
wrong 'is no state' "conn tcp $CLIENT:1 $VIP:80 80 NOSUCH left 1 timeout 1 -- -t $VIP:80 -r $R1:80"
wrong 'there is no such service' "conn tcp $CLIENT:1 $VIP:97 97 NONE left 1 timeout 1 -- -t $VIP:97 -r $R1:97"
wrong 'has no such server' "conn tcp $CLIENT:1 $VIP:80 80 NONE left 1 timeout 1 -- -t $VIP:80 -r $R1:81"
wrong 'a control character' $'sysctl \001'
wrong 'a line is at most' "$(head -c 5000000 /dev/zero | tr '\0' x)"
wrong 'a second line' "tables --help"
wrong 'unknown option --help' "attach --help"
echo "hello" >"$LAB_DIR/wrong"
refused "$LAB_DIR/wrong:1: this is not what" culvert restore "$LAB_DIR/wrong"
for line in "--max-conns 4000000000" "--help" "--nosuch 1"; do
	printf 'culvert-save 1\ntables %s\n' "$line" >"$LAB_DIR/wrong"
	refused "$LAB_DIR/wrong:2: " culvert restore --check "$LAB_DIR/wrong"
done
refused ":1: " culvert restore /bin/true
refused ":1: this is not what" culvert restore /dev/null
refused "Is a directory" culvert restore "$LAB_DIR"
refused "No such file" culvert restore "$LAB_DIR/nosuch"
figure save.wrong $((files + 8)) "files that are wrong in one line refused with its number, nothing changed"

# What cannot be written is not there, and what was there is what it was.
culvert restore <"$saved"
mkdir "$LAB_DIR/small"
on director unshare --mount bash -c "
	mount -t tmpfs -o size=4k none '$LAB_DIR/small' && cd '$LAB_DIR/small' && echo old >saved
	'$BUILD/culvert' save -c -o saved && exit 1
	cat saved; ls -A" >"$LAB_DIR/full" 2>"$LAB_DIR/full.err"
expect "old"$'\n'"saved" cat "$LAB_DIR/full"
expect "culvert save: saved: No space left on device" cat "$LAB_DIR/full.err"
refused "No such file or directory" culvert save -o /nosuch/saved
expect "$before" listings
