# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Completion of culvert's command line for bash; needs nothing else. What stands
# is offered by name: devices, services, real servers, slaves, namespaces.

# Words that begin with $cur. Bash replaces only what follows the last of
# COMP_WORDBREAKS: what comes before the last colon of an address is taken off.
_culvert_offer() {
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
	case $cur in
	*:*) [[ $COMP_WORDBREAKS != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${cur%:*}:"}") ;;
	esac
}

_culvert_devices() {
	local dev
	for dev in /sys/class/net/*; do
		echo "${dev##*/}"
	done
}

_culvert_namespaces() {
	local ns
	for ns in /run/netns/*; do
		[ ! -e "$ns" ] || echo "${ns##*/}"
	done
}

_culvert_slaves() {
	culvert link show 2>/dev/null | sed -n 's/^[0-9]*: \([^@:]*\).*/\1/p'
}

# The commands that make what stands: see culvert-ipvsadm(8), -S.
_culvert_rules() {
	culvert ipvsadm -S -n 2>/dev/null
}

# Services of one kind (-t, -u, --sctp-service or -f).
_culvert_services() {
	_culvert_rules | awk -v kind="$1" '$1 == "-A" && $2 == kind { print $3 }'
}

# Real servers of the service that the line names.
_culvert_servers() {
	local i service=
	for ((i = 0; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in
		-t | --tcp-service | -u | --udp-service | --sctp-service | -f | --fwmark-service)
			service=${words[i + 1]}
			;;
		esac
	done
	_culvert_rules | awk -v service="$service" '
		$1 == "-a" && (service == "" || $3 == service) {
			for (i = 4; i < NF; i++)
				if ($i == "-r")
					print $(i + 1)
		}' | sort -u
}

# The values of an ipvsadm option; false if it takes none.
_culvert_ipvsadm_value() {
	case $1 in
	-t | --tcp-service) _culvert_offer "$(_culvert_services -t)" ;;
	-u | --udp-service) _culvert_offer "$(_culvert_services -u)" ;;
	--sctp-service) _culvert_offer "$(_culvert_services --sctp-service)" ;;
	-f | --fwmark-service) _culvert_offer "$(_culvert_services -f)" ;;
	-r | --real-server) _culvert_offer "$(_culvert_servers)" ;;
	-s | --scheduler) _culvert_offer rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf ;;
	-b | --sched-flags)
		_culvert_offer sh-fallback sh-port mh-fallback mh-port flag-1 flag-2 flag-3
		;;
	--pe) _culvert_offer sip ;;
	--tun-type) _culvert_offer ipip gue gre ;;
	--mcast-interface) _culvert_offer "$(_culvert_devices)" ;;
	--start-daemon | --stop-daemon) _culvert_offer master backup ;;
	-M | --netmask | -w | --weight | -x | --u-threshold | -y | --l-threshold | --tun-port | \
		--syncid | --sync-maxlen | --mcast-group | --mcast-port | --mcast-ttl) ;;
	*) return 1 ;;
	esac
}

_culvert_ipvsadm() {
	local service="-t --tcp-service -u --udp-service --sctp-service -f --fwmark-service -6 --ipv6"
	local of_service="-s --scheduler -b --sched-flags -p --persistent -M --netmask --pe -o --ops"
	local of_server="-r --real-server -g --gatewaying -i --ipip -m --masquerading -w --weight
		-x --u-threshold -y --l-threshold --tun-type --tun-port --tun-nocsum --tun-csum
		--tun-remcsum"
	local views="-n --numeric -c --connection --timeout --daemon --stats --rate -X --exact
		--thresholds --persistent-conn --tun-info --sort --nosort -j --json"
	local daemon="--syncid --sync-maxlen --mcast-interface --mcast-group --mcast-port --mcast-ttl"

	_culvert_ipvsadm_value "$prev" && return
	case ${words[1]:-} in
	-A | --add-service | -E | --edit-service) _culvert_offer "$service $of_service" ;;
	-a | --add-server | -e | --edit-server) _culvert_offer "$service $of_server" ;;
	-D | --delete-service | -Z | --zero) _culvert_offer "$service" ;;
	-d | --delete-server) _culvert_offer "$service -r --real-server" ;;
	-L* | -l* | --list) _culvert_offer "$service $views" ;;
	-S | --save) _culvert_offer -n --numeric ;;
	--start-daemon) _culvert_offer "$daemon" ;;
	--stop-daemon) _culvert_offer --syncid ;;
	"" | "$cur")
		_culvert_offer -A --add-service -E --edit-service -D --delete-service -C --clear \
			-a --add-server -e --edit-server -d --delete-server -L --list -Z --zero \
			-S --save -R --restore --set --start-daemon --stop-daemon -h --help \
			-v --version
		;;
	esac
}

_culvert_attach() {
	case $prev in
	-m | --mode) _culvert_offer auto xdp tc ;;
	--max-conns | --max-conns6 | --max-services | --max-dests) ;;
	*)
		_culvert_offer "$(_culvert_devices)" --mode --max-conns --max-conns6 --max-services \
			--max-dests -j --json --help
		;;
	esac
}

_culvert_link() {
	case $prev in
	link) [ ${#words[@]} -gt 2 ] || {
		_culvert_offer add set del show --help
		return
	} ;;&
	link) _culvert_offer "$(_culvert_devices)" ;;
	netns | -n) _culvert_offer "$(_culvert_namespaces)" ;;
	dev | set | del | show) _culvert_offer "$(_culvert_slaves)" ;;
	type) _culvert_offer ipvlan ;;
	mode) _culvert_offer l2 l3 l3s ;;
	hostreach) _culvert_offer on off ;;
	name | addr | allow | disallow) ;;
	*)
		case ${words[1]} in
		add)
			_culvert_offer link name type mode bridge private vepa hostreach netns \
				addr allow up
			;;
		set)
			_culvert_offer up down netns mode bridge private vepa hostreach allow \
				disallow
			;;
		show) _culvert_offer link -d -details -s -statistics -j -json ;;
		esac
		;;
	esac
}

_culvert_addr() {
	case $prev in
	addr) _culvert_offer add del show --help ;;
	dev | show) _culvert_offer "$(_culvert_slaves)" ;;
	link) _culvert_offer "$(_culvert_devices)" ;;
	-n) _culvert_offer "$(_culvert_namespaces)" ;;
	*) _culvert_offer dev -n -j ;;
	esac
}

# Options, or files where none begins.
_culvert_files() {
	case $cur in
	-*) _culvert_offer "$@" ;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}

_culvert_sysctl() {
	_culvert_offer "$(culvert sysctl 2>/dev/null | sed -n 's/^\([a-z_0-9.]*\) = .*/\1/p')" \
		-j --json --help
}

_culvert() {
	local words cur prev
	# The line's own words: bash would split addresses at their colons.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	case ${COMP_LINE:0:COMP_POINT} in *[[:space:]]) words+=("") ;; esac
	cur=${words[-1]} prev=${words[-2]:-}
	case $cur in
	--*=*) prev=${cur%%=*} cur=${cur#*=} ;;
	esac
	COMPREPLY=()
	case ${words[1]} in
	-j | --json) words=("${words[0]}" "${words[@]:2}") ;;
	esac
	local commands="attach detach status ipvsadm sysctl link addr track save restore upgrade help"
	if [ ${#words[@]} -le 2 ]; then
		_culvert_offer "$commands" -j --json --help --version
		return
	fi
	words=("${words[@]:1}")
	case ${words[0]} in
	attach) _culvert_attach ;;
	detach) _culvert_offer "$(_culvert_devices)" --all --help ;;
	status) _culvert_offer -s --stats -j --json --help ;;
	track) _culvert_offer --once -q --quiet -j --json --help ;;
	upgrade) _culvert_offer -j --json --help ;;
	help) _culvert_offer "$commands" -j --json ;;
	ipvsadm) _culvert_ipvsadm ;;
	save) _culvert_files -c --conns -o --output --help ;;
	restore) _culvert_files --check --if-empty --help ;;
	sysctl) _culvert_sysctl ;;
	link) _culvert_link ;;
	addr) _culvert_addr ;;
	esac
}

complete -F _culvert culvert
