// SPDX-License-Identifier: GPL-2.0-or-later
/* Command lines of ipvsadm: what each asks for, and what is said of the wrong ones. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipvsadm_lines.h"
#include "ipvsadm_parse.h"

static int parse(const char *line, struct ipvsadm_request *r, struct ipvsadm_complaint *c)
{
	__attribute__((cleanup(words_free))) struct words words = { 0 };
	char copy[512];

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	assert_int_equal(words_split(&words, "ipvsadm", copy), 0);
	return ipvsadm_parse(r, words.n, words.at, false, c);
}

static void parse_good(const char *line, struct ipvsadm_request *r)
{
	struct ipvsadm_complaint c;

	if (parse(line, r, &c))
		fail_msg("%s: %s", line, c.text);
}

static int say(char *to, size_t size, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(to, size, format, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < size);
	return n;
}

static void endpoint_text(char text[80], uint8_t family, const union cv_addr *addr, __be16 port)
{
	char number[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(family, addr, number, sizeof(number)));
	say(text, 80, family == AF_INET6 ? "[%s]:%u" : "%s:%u", number, ntohs(port));
}

/* A service as a line: all of it that the command line can set. */
static void service_text(char text[256], const struct ipvsadm_request *r)
{
	const struct cv_service_spec *s = &r->service;
	char where[80] = "";
	int n;

	if (!s->key.fwmark)
		endpoint_text(where, s->key.family, &s->key.addr, s->key.port);
	n = say(text, 256, "%s%u %s mark=%u %s flags=%x timeout=%u",
		s->key.family == AF_INET6 ? "v6/" : "v4/", s->key.proto, where, s->key.fwmark,
		r->scheduler, s->flags, s->timeout);
	if (s->key.family == AF_INET6)
		n += say(text + n, 256 - n, " prefix=%u", s->netmask);
	else
		n += say(text + n, 256 - n, " mask=%08x", ntohl(s->netmask));
	say(text + n, 256 - n, " pe=%s", r->engine);
}

static void test_services(void **state)
{
	static const struct {
		const char *line, *service;
	} good[] = {
		{ "-A -t 10.0.0.1:80",
		  "v4/6 10.0.0.1:80 mark=0 wlc flags=0 timeout=0 mask=ffffffff pe=" },
		{ "--add-service --tcp-service=10.0.0.1:80 --scheduler=rr",
		  "v4/6 10.0.0.1:80 mark=0 rr flags=0 timeout=0 mask=ffffffff pe=" },
		{ "-At10.0.0.1:80 -srr",
		  "v4/6 10.0.0.1:80 mark=0 rr flags=0 timeout=0 mask=ffffffff pe=" },
		{ "-E -u [fd00::1]:53 -s sh -b sh-port,sh-fallback",
		  "v6/17 [fd00::1]:53 mark=0 sh flags=18 timeout=0 prefix=128 pe=" },
		{ "-A --sctp-service 10.1:99 -s mh -b flag-3",
		  "v4/132 10.0.0.1:99 mark=0 mh flags=20 timeout=0 mask=ffffffff pe=" },
		{ "-A -t 10.0.0.1:0 -p", "v4/6 10.0.0.1:0 mark=0 wlc flags=1 timeout=360 "
					 "mask=ffffffff pe=" },
		{ "-A -t 10.0.0.1 -p 60 -M 255.255.255.0",
		  "v4/6 10.0.0.1:0 mark=0 wlc flags=1 timeout=60 mask=ffffff00 pe=" },
		{ "-A -t [fd00::1]:80 -p2678400 -M 64 --pe sip",
		  "v6/6 [fd00::1]:80 mark=0 wlc flags=1 timeout=2678400 prefix=64 pe=sip" },
		/* A mask that comes before the service is an IPv4 one, and then it is lost. */
		{ "-A -M 255.0.0.0 -p 9 -t [fd00::1]:80",
		  "v6/6 [fd00::1]:80 mark=0 wlc flags=1 timeout=9 prefix=128 pe=" },
		{ "-A -t fd00::2 -p", "v6/6 [fd00::2]:0 mark=0 wlc flags=1 timeout=360 prefix=128 "
				      "pe=" },
		/* The port of an IPv4 address in brackets is not read. */
		{ "-D -t [10.0.0.1]:80",
		  "v4/6 10.0.0.1:0 mark=0 wlc flags=0 timeout=0 mask=ffffffff pe=" },
		{ "-A -u 10.0.0.1:80 -o",
		  "v4/17 10.0.0.1:80 mark=0 wlc flags=4 timeout=0 mask=ffffffff pe=" },
		{ "-A -f 4294967295 -o",
		  "v4/0  mark=4294967295 wlc flags=4 timeout=0 mask=ffffffff pe=" },
		{ "-A -f 7 -6 -s dh", "v6/0  mark=7 dh flags=0 timeout=0 prefix=128 pe=" },
		{ "-A -t 10.0.0.1:80 -s averyverylongname",
		  "v4/6 10.0.0.1:80 mark=0 averyverylongna flags=0 timeout=0 mask=ffffffff pe=" },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct ipvsadm_request r;
		char text[256];

		parse_good(good[i].line, &r);
		service_text(text, &r);
		assert_string_equal(text, good[i].service);
	}
}

static void test_dests(void **state)
{
	static const struct {
		const char *line, *dest;
	} good[] = {
		{ "-a -t 10.0.0.1:80 -r 10.0.1.1", "10.0.1.1:80 3 w=1 x=0 y=0 tun=0/0/0" },
		{ "-a -t 10.0.0.1:80 -r 10.0.1.1:8080 -m",
		  "10.0.1.1:8080 0 w=1 x=0 y=0 tun=0/0/0" },
		/* Without translation the port is the service's, whatever was said. */
		{ "-a -t 10.0.0.1:80 -r 10.0.1.1:8080 -g", "10.0.1.1:80 3 w=1 x=0 y=0 tun=0/0/0" },
		{ "-e -t 10.0.0.1:80 -r 10.0.1.1:81 -w 2147483647 -x 9 -y 2147483647 -m",
		  "10.0.1.1:81 0 w=2147483647 x=9 y=2147483647 tun=0/0/0" },
		{ "-a -f 7 -r 10.0.1.1:8080 -g", "10.0.1.1:8080 3 w=1 x=0 y=0 tun=0/0/0" },
		{ "-a -f 7 -6 -r fd00::9", "[fd00::9]:0 3 w=1 x=0 y=0 tun=0/0/0" },
		{ "-a -t 10.0.0.1:80 -r [fd00::9]:80 -i", "[fd00::9]:80 2 w=1 x=0 y=0 tun=0/0/0" },
		{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-type gue --tun-port 6080 --tun-remcsum",
		  "10.0.1.1:80 2 w=1 x=0 y=0 tun=1/6080/2" },
		{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-csum --tun-type gre",
		  "10.0.1.1:80 2 w=1 x=0 y=0 tun=2/0/1" },
		/* The real server before its service has neither port nor protocol to go by. */
		{ "-d -r 10.0.1.1 -t 10.0.0.1:80", "10.0.1.1:0 3 w=1 x=0 y=0 tun=0/0/0" },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct ipvsadm_request r;
		char text[160], where[80];

		parse_good(good[i].line, &r);
		endpoint_text(where, r.dest.family, &r.dest.addr, r.dest.port);
		say(text, sizeof(text), "%s %d w=%d x=%u y=%u tun=%u/%u/%u", where, r.dest.method,
		    r.dest.weight, r.dest.u_threshold, r.dest.l_threshold, r.dest.tun_type,
		    ntohs(r.dest.tun_port), r.dest.tun_flags);
		assert_string_equal(text, good[i].dest);
	}
}

static void test_commands(void **state)
{
	static const struct {
		const char *line;
		enum ipvsadm_command command;
		uint64_t options;
	} good[] = {
		{ "-C", IPVSADM_FLUSH, 0 },
		{ "--clear", IPVSADM_FLUSH, 0 },
		{ "-R", IPVSADM_RESTORE, 0 },
		{ "-S -n", IPVSADM_SAVE, OPTION_BIT(OPTION_NUMERIC) },
		{ "-Z", IPVSADM_ZERO, 0 },
		{ "-h junk -Q", IPVSADM_HELP, 0 },
		{ "-v -A", IPVSADM_VERSION, 0 },
		{ "-l", IPVSADM_LIST, 0 },
		{ "-Lcn", IPVSADM_LIST,
		  OPTION_BIT(OPTION_CONNECTION) | OPTION_BIT(OPTION_NUMERIC) },
		{ "-L -j --sort --sort", IPVSADM_LIST, OPTION_BIT(OPTION_JSON) },
		{ "-LX --stats --rate --nosort", IPVSADM_LIST,
		  OPTION_BIT(OPTION_EXACT) | OPTION_BIT(OPTION_STATS) | OPTION_BIT(OPTION_RATE) |
			  OPTION_BIT(OPTION_NOSORT) },
		{ "-L --timeout --exact", IPVSADM_LIST,
		  OPTION_BIT(OPTION_TIMEOUT) | OPTION_BIT(OPTION_EXACT) },
		{ "ipvsadm -C", IPVSADM_FLUSH, 0 },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct ipvsadm_request r;

		parse_good(good[i].line, &r);
		assert_int_equal(r.command, good[i].command);
		assert_int_equal(r.options, good[i].options);
	}
}

static void test_timeouts(void **state)
{
	struct ipvsadm_request r;

	parse_good("--set 2678400 0 7", &r);
	assert_int_equal(r.command, IPVSADM_TIMEOUTS);
	assert_int_equal(r.timeouts.tcp, 2678400);
	assert_int_equal(r.timeouts.tcp_fin, 0);
	assert_int_equal(r.timeouts.udp, 7);
}

static void test_daemons(void **state)
{
	struct ipvsadm_request r;
	char group[INET6_ADDRSTRLEN];

	parse_good("--start-daemon master", &r);
	assert_int_equal(r.sync.role, CV_SYNC_MASTER);
	assert_string_equal(r.sync.ifname, "eth0");
	assert_int_equal(r.sync.group_family, 0);

	parse_good("--start-daemon=backup --mcast-interface e1 --syncid 255 --sync-maxlen 65507 "
		   "--mcast-group ff02::81 --mcast-port 8849 --mcast-ttl 3",
		   &r);
	assert_int_equal(r.sync.role, CV_SYNC_BACKUP);
	assert_string_equal(r.sync.ifname, "e1");
	assert_int_equal(r.sync.syncid, 255);
	assert_int_equal(r.sync.maxlen, 65507);
	assert_int_equal(r.sync.port, 8849);
	assert_int_equal(r.sync.ttl, 3);
	assert_int_equal(r.sync.group_family, AF_INET6);
	assert_string_equal(inet_ntop(AF_INET6, &r.sync.group, group, sizeof(group)), "ff02::81");

	parse_good("--stop-daemon backup --syncid 7", &r);
	assert_int_equal(r.command, IPVSADM_STOP_DAEMON);
	assert_int_equal(r.sync.role, CV_SYNC_BACKUP);
}

#define TRY_HELP "Try `ipvsadm -h' or 'ipvsadm --help' for more information."
#define NEED(option, command) \
	"You need to supply the '" option "' option for the '" command "' command"

static const struct {
	const char *line;
	int status;
	const char *text;
} bad[] = {
	{ "-t 10.0.0.1:80", 255, TRY_HELP },
	{ "--nosuch", 255, TRY_HELP },
	{ "junk", 255, TRY_HELP },
	{ "--", 255, TRY_HELP },
	{ "--start-daemon", 255, TRY_HELP },
	{ "-A -s rr", 2, NEED("service-address", "add-service") },
	{ "-a -t 10.0.0.1:80", 2, NEED("real-server", "add-server") },
	{ "-A -D -t 10.0.0.1:80", 2, "invalid option `-D'" },
	{ "-L --help", 2, "invalid option `--help'" },
	{ "-C -n", 2, "Illegal 'numeric' option with the 'flush' command" },
	{ "-D -t 10.0.0.1:80 -w 3", 2,
	  "Illegal 'weight' option with the 'delete-service' command" },
	{ "-D -t 10.0.0.1:80 -g", 2,
	  "Illegal 'forwarding-method' option with the 'delete-service' command" },
	{ "-A -t 10.0.0.1:80 -j", 2, "Illegal 'json' option with the 'add-service' command" },
	{ "-A -t 10.0.0.1:80 -u 10.0.0.1:80", 2, "multiple 'service-address' options specified" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -g -m", 2,
	  "multiple 'forwarding-method' options specified" },
	{ "-L -c --timeout", 2,
	  "The option 'timeout' conflicts with the 'connection' option in the 'list' "
	  "command" },
	{ "-L -c --stats", 2, "options conflicts in the list command" },
	{ "-L --daemon --persistent-conn", 2, "options conflicts in the list command" },
	{ "-L junk", 2, "unexpected argument junk" },
	{ "-A -t 10.0.0.1:80 -Q", 255, "-Q: unknown option" },
	{ "-A -t 10.0.0.1:80 --scheduler", 255, "--scheduler: missing argument" },
	{ "-A -t 10.0.0.300:80", 2, "illegal virtual server address[:port] specified" },
	{ "-A -t 10.0.0.1:65536", 2, "illegal virtual server address[:port] specified" },
	{ "-A -t 10.0.0.1:", 2, "illegal virtual server address[:port] specified" },
	{ "-A -t 80", 2, "illegal virtual server address[:port] specified" },
	{ "-A -t [fd00::1", 2, "illegal virtual server address[:port] specified" },
	{ "-A -t [fd00::1]80", 2, "illegal virtual server address[:port] specified" },
	{ "-A -t 10.0.0.1", 2, "Zero port specified for non-persistent service" },
	{ "-A -t 10.0.0.1:80 -o", 2, "One-Packet Scheduling is only for UDP virtual services" },
	{ "-A -f 0", 2, "invalid fwmark value `0' specified" },
	{ "-A -f 4294967296", 2, "invalid fwmark value `4294967296' specified" },
	{ "-A -f -1", 2, "invalid fwmark value `-1' specified" },
	{ "-A -6 -f 1", 2, "-6 used before -f\n" },
	{ "-A -t 10.0.0.1:80 -p 0", 2, "invalid timeout value `0' specified" },
	{ "-A -t 10.0.0.1:80 -p 2678401", 2, "invalid timeout value `2678401' specified" },
	{ "-A -t 10.0.0.1:80 -p -M 300.0.0.0", 2,
	  "illegal virtual server persistent mask specified" },
	{ "-A -t [fd00::1]:80 -p -M 129", 2, "illegal ipv6 netmask specified" },
	{ "-A -t 10.0.0.1:80 -s sh -b nosuch", 2, "invalid scheduler flag `nosuch'" },
	{ "-A -t 10.0.0.1:80 -b mh-port -s sh", 2, "incompatible scheduler flag `mh-port'" },
	{ "-a -t 10.0.0.1:80 -r [fd00::1]:80 -g", 2,
	  "Different address family is allowed only for tunneling servers" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -w -1", 2, "illegal weight specified" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -w 2147483648", 2, "illegal weight specified" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -x 1x", 2, "illegal u_threshold specified" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -y -5", 2, "illegal l_threshold specified" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 --tun-type gre", 2,
	  "Tunnel options conflict with forward method" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-type nosuch", 2,
	  "illegal tunnel type specified" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-type gue", 2,
	  "You need to supply the 'tun-port' option for the 'gue' tunnel type" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-port 6080", 2,
	  "Illegal 'tun-port' option with the 'ipip' tunnel type" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-type gre --tun-csum --tun-nocsum", 2,
	  "The option 'tun-csum' conflicts with the 'tun-nocsum' option in the 'gre' "
	  "tunnel type" },
	{ "-a -t 10.0.0.1:80 -r 10.0.1.1 -i --tun-port 0", 2, "illegal tunnel port specified" },
	{ "--set 1 2", 2, "--set option requires 3 timeout values" },
	{ "--set 1 b 3", 2, "invalid timeout value `b' specified" },
	{ "--set 1 2 3 4", 2, "unexpected argument 4" },
	{ "--set -1 0 0", 255, "-1: unknown option" },
	{ "--start-daemon boss", 2, "illegal start-daemon parameter specified" },
	{ "--stop-daemon boss", 2, "illegal start_daemon specified" },
	{ "--start-daemon master --syncid 256", 2, "illegal syncid specified" },
	{ "--start-daemon master --mcast-group 10.0.0.1", 2,
	  "invalid IPv4 mcast-group `10.0.0.1'" },
	{ "--start-daemon master --mcast-group fd00::1", 2, "invalid IPv6 mcast-group `fd00::1'" },
	{ "--start-daemon master --mcast-port 0", 2, "illegal mcast-port specified" },
	{ "--start-daemon master --mcast-ttl 256", 2, "illegal mcast-ttl specified" },
	{ "--start-daemon master --sync-maxlen 65508", 2, "illegal sync-maxlen specified" },
};

static void test_complaints(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ipvsadm_request r;
		struct ipvsadm_complaint c;

		if (parse(bad[i].line, &r, &c) == 0)
			fail_msg("%s: taken", bad[i].line);
		assert_string_equal(c.text, bad[i].text);
		assert_int_equal(c.status, bad[i].status);
		/* Of these a restore leaves out the line; the others end it. */
		assert_int_equal(c.carry_on,
				 strstr(c.text, ": unknown") || strstr(c.text, ": missing"));
	}
}

/* Words that no terminal would show. */
static void test_long_words(void **state)
{
	static char word[100000];
	char *argv[] = { "ipvsadm", "-A", "-t", word, NULL };
	struct ipvsadm_complaint c;
	struct ipvsadm_request r;

	memset(word, 'x', sizeof(word) - 1);
	assert_int_equal(ipvsadm_parse(&r, 4, argv, false, &c), -EINVAL);
	assert_string_equal(c.text, "illegal virtual server address[:port] specified");

	argv[2] = "-f";
	assert_int_equal(ipvsadm_parse(&r, 4, argv, false, &c), -EINVAL);
	assert_int_equal(strlen(c.text), sizeof(c.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services),   cmocka_unit_test(test_dests),
		cmocka_unit_test(test_commands),   cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_daemons),	   cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_long_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
