#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The first culvert of a machine may be one inside `ip netns exec`, which has mounts of its own:
# the state that it makes is the machine's all the same.
. "$(dirname "$0")/lib/test.sh"
ours

lab_up

# A machine of its own, as far as mounts go: its first process is the one below, and its /run is
# new. (Nothing may be removed from the real one: to remove a directory unmounts what is mounted
# there in every other namespace.)
machine() {
	mount --make-rshared /
	mkdir "$LAB_DIR/netns"
	mount --rbind /run/netns "$LAB_DIR/netns"
	mount -t tmpfs tmpfs /run
	mkdir /run/netns
	mount --rbind "$LAB_DIR/netns" /run/netns

	ip netns exec "$LAB-director" "$BUILD/culvert" attach eth0 --max-conns 1024 >/dev/null
	ip netns exec "$LAB-director" "$BUILD/culvert" ipvsadm -A -t "$VIP:80" -s rr
	echo "of type $(stat -f -c %T /run/culvert)"
	nsenter --net="/run/netns/$LAB-director" "$BUILD/culvert" ipvsadm -Sn
	ip netns exec "$LAB-director" "$BUILD/culvert" detach --all
	echo "left: $(find /run/culvert -mindepth 1 -type d)"
}
export -f machine
export VIP BUILD
before=$(stat -c %i /run/culvert 2>/dev/null || true)
expect "of type bpf_fs
-A -t $VIP:80 -s rr
left: " unshare --mount --propagation private --pid --fork --mount-proc bash -c machine
expect "$before" stat -c %i /run/culvert
