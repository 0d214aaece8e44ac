#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What bash offers after the Tab key: commands, options, and what stands.
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director
ip -n "$LAB-director" link add front type veth peer name back

# offers LINE: the words that Tab offers at its end, each ending as bash would complete the line.
offers() {
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=() COMP_WORDBREAKS=$' \t\n"'\''><=;|&(:'
	_culvert
	echo "${COMPREPLY[@]}"
}

# shellcheck source=completions/culvert.bash
. "$here/../../../completions/culvert.bash"
declare -F _culvert >/dev/null || fail "the completion has no _culvert"
complete -p culvert >/dev/null || fail "the completion completes nothing"

# Every command of `culvert help` is offered, and nothing else.
expect "$(culvert help | awk '/^  [a-z]/ { print $1 }' | sort | xargs)" \
	eval "offers 'culvert ' | tr ' ' '\n' | grep -v ^- | sort | xargs"
expect "attach" offers "culvert at"
expect "auto xdp tc" offers "culvert attach front --mode "
expect "tc" offers "culvert attach front --mode=t"

ipvsadm -R <<-END
	-A -t 10.0.0.1:80
	-a -t 10.0.0.1:80 -r 10.0.1.1:80
	-a -t 10.0.0.1:80 -r 10.0.1.2:80
	-A -u [fd00::1]:53
	-a -u [fd00::1]:53 -r [fd01::1]:53
END
expect "10.0.0.1:80" offers "culvert ipvsadm -E -t "
expect "80" offers "culvert ipvsadm -E -t 10.0.0.1:"
expect "53" offers "culvert ipvsadm -a -u [fd00::1]:"
expect "10.0.0.1:80" offers "culvert ipvsadm -D --tcp-service=1"
expect "10.0.1.1:80 10.0.1.2:80" offers "culvert ipvsadm -d -t 10.0.0.1:80 -r "
expect "wrr wlc" offers "culvert ipvsadm -A -t 10.0.0.1:80 -s w"
expect "--stats" offers "culvert ipvsadm -Ln --st"
expect "master backup" offers "culvert ipvsadm --start-daemon "
expect "" offers "culvert ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1 -w "

# And of every other command whose help has them in a list.
for command in attach detach status sysctl track save restore upgrade; do
	offered=$(offers "culvert $command -")
	for option in $(culvert help $command | grep -o '^  .*--[a-z0-9-]*' | grep -o -- '--[a-z0-9-]*'); do
		case " $offered " in
		*" $option "*) ;;
		*) fail "$option of $command is in the help but not offered" ;;
		esac
	done
done
expect "attach" offers "culvert help at"

# Every option of ipvsadm that the help names is offered with some command.
offered=$(for command in -A -a -L -S --start-daemon; do
	value=
	[ $command != --start-daemon ] || value=master
	offers "culvert ipvsadm $command $value --"
done; offers "culvert ipvsadm --")
for option in $(ipvsadm -h | grep -o -- '--[a-z0-9-]*' | sort -u); do
	case " ${offered//$'\n'/ } " in
	*" $option "*) ;;
	*) fail "$option is in the help but not offered" ;;
	esac
done
