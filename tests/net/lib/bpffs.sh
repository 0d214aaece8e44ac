# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced before culvert is called: remembers whether its bpffs was mounted then.
bpffs_before=$(mountpoint -q /run/culvert && echo yes || true)

# Takes away the bpffs that culvert mounted since, unless someone's instance is in it.
bpffs_down() {
	[ -z "$bpffs_before" ] || return 0
	! compgen -G '/run/culvert/[0-9]*' >/dev/null || return 0
	! mountpoint -q /run/culvert || umount /run/culvert || true
}
