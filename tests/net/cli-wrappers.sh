#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The scripts ipvsadm-save and ipvsadm-restore of Debian's ipvsadm, with culvert in its place.
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director

# They look for ipvsadm in the system's directories, so that is where culvert stands for them.
in_its_place() {
	on director unshare --mount sh -c 'mount --bind "$1" /usr/sbin/ipvsadm && shift && exec "$@"' \
		sh "$BUILD/culvert" "$@"
}

ipvsadm -R <<-END
	-A -t 10.0.0.1:80 -s wrr
	-a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 3
	-A -u [fd00::1]:53 -s lc
END
saved=$(ipvsadm -Sn)
expect "$saved" in_its_place ipvsadm-save -n
expect "${saved//:80 /:http }" eval "in_its_place ipvsadm-save | sed 's/:domain /:53 /'"

# Restoring replaces what stands; comments are the script's to take out.
ipvsadm -A -t 10.0.0.9:80
in_its_place ipvsadm-restore <<<"# saved
$saved"
expect "$saved" ipvsadm -Sn

# By its own name it has its own words.
expect "Try \`ipvsadm -h' or 'ipvsadm --help' for more information." \
	eval "in_its_place ipvsadm -Q 2>&1"
expect "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)" in_its_place ipvsadm -v
