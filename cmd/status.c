// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert status: what there is of culvert in this network namespace. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "options.h"
#include "text.h"

static const char *mode_name(enum cv_mode mode)
{
	return mode == CV_MODE_XDP ? "xdp" : "tc";
}

/* Where packets are taken, in the order in which they come by. */
static const char *doors(const struct cv_attachment *a)
{
	if (a->mode == CV_MODE_XDP)
		return a->tcx ? "xdp native, tcx ingress" : "xdp native, clsact ingress";
	return a->tcx ? "tcx ingress" : "clsact ingress";
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* ---- versions ------------------------------------------------------------- */

/* Of this part's data path and of this command; false: it is not loaded. */
static bool versions(enum cv_part part, struct cv_version *loaded, struct cv_version *own)
{
	cv_version_own(part, own);
	return cv_version_loaded(part, loaded) == 0;
}

static bool same_tables(const struct cv_version *a, const struct cv_version *b)
{
	return a->layout == b->layout && a->shape == b->shape;
}

static void print_versions(void)
{
	struct cv_version loaded, own;

	if (versions(CV_PART_LB, &loaded, &own))
		printf("data path: culvert %s (layout %u%s)\n", loaded.culvert, loaded.layout,
		       same_tables(&loaded, &own) ? "" : ", other tables than this command's");
	if (versions(CV_PART_IPVLAN, &loaded, &own))
		printf("ipvlan: culvert %s (layout %u%s)\n", loaded.culvert, loaded.layout,
		       same_tables(&loaded, &own) ? "" : ", other tables than this command's");
	cv_version_own(CV_PART_LB, &own);
	printf("command: culvert %s (layout %u)\n", own.culvert, own.layout);
}

static json_t *version_json(const struct cv_version *v)
{
	char shape[19];

	snprintf(shape, sizeof(shape), "%016" PRIx64, v->shape);
	return json_pack("{s:s, s:i, s:s, s:I}", "version", v->culvert, "layout", (int)v->layout,
			 "shape", shape, "loaded", (json_int_t)v->made);
}

static void add_versions(json_t *root)
{
	struct cv_version loaded, own;
	json_t *command;

	if (versions(CV_PART_IPVLAN, &loaded, &own))
		json_object_set_new(root, "ipvlan", version_json(&loaded));
	if (versions(CV_PART_LB, &loaded, &own))
		json_object_set_new(root, "data_path", version_json(&loaded));
	command = version_json(&own);
	json_object_del(command, "loaded");
	json_object_set_new(root, "command", command);
}

/* What can be said of a data path that this command cannot open. */
static int other_layout(bool json)
{
	char why[512];

	snprintf(why, sizeof(why), "%s", cv_why());
	if (json) {
		json_t *root = json_object();

		add_versions(root);
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
	} else {
		print_versions();
	}
	return cmd_error("status", "%s", why);
}

/* ---- text ----------------------------------------------------------------- */

static int print_device(const struct cv_attachment *a, void *arg)
{
	char name[TEXT_ROOM(sizeof(a->ifname))];
	int *n = arg;

	if ((*n)++ == 0)
		puts("devices:");
	if (a->gone)
		printf("  ifindex %u: gone\n", a->ifindex);
	else
		printf("  %s (ifindex %u): mode %s (%s)\n",
		       text_plain(a->ifname, name, sizeof(name)), a->ifindex, mode_name(a->mode),
		       doors(a));
	return 0;
}

static void print_tables(struct cv *cv)
{
	const struct cv_geometry *geo = cv_geometry(cv);
	struct cv_memory m;

	cv_memory(cv, &m);
	printf("tables:\n");
	printf("  %-14s %10s %10s %12s\n", "", "used", "slots", "memory");
	printf("  %-14s %10" PRIu64 " %10u %8.1f MiB\n", "IPv4 conns", cv_count_conns(cv, AF_INET),
	       geo->sets4 * CV_WAYS, mib(m.conns4));
	printf("  %-14s %10" PRIu64 " %10u %8.1f MiB\n", "IPv6 conns", cv_count_conns(cv, AF_INET6),
	       geo->sets6 * CV_WAYS, mib(m.conns6));
	printf("  %-14s %10u %10u %8.1f MiB\n", "services", cv_settings(cv)->num_services,
	       geo->max_services, mib(m.services));
	printf("  %-14s %10u %10u %8.1f MiB\n", "destinations", cv_count_dests(cv), geo->max_dests,
	       mib(m.dests));
	printf("  %-14s %10s %10s %8.1f MiB\n", "counters", "", "", mib(m.counters));
	printf("  %-14s %10s %10s %8.1f MiB\n", "other", "", "", mib(m.other));
}

static void print_causes(const uint64_t n[CV_C_COUNT])
{
	puts("packets:");
	for (int i = 0; i < CV_C_COUNT; i++) {
		if (cv_cause_name(i))
			printf("  %-24s %20" PRIu64 "\n", cv_cause_name(i), n[i]);
	}
}

static int print_text(struct cv *cv, const uint64_t *causes)
{
	int devices = 0, err;

	printf("instance: " CV_BPFFS "/%" PRIu64 "\n", (uint64_t)cv_geometry(cv)->netns_cookie);
	print_versions();
	err = cv_each_attachment(cv, print_device, &devices);
	if (err)
		return cmd_lib_error("status", "devices", err);
	if (!devices)
		puts("devices: none");
	print_tables(cv);
	if (causes)
		print_causes(causes);
	return CMD_OK;
}

/* ---- JSON ----------------------------------------------------------------- */

static int add_device(const struct cv_attachment *a, void *arg)
{
	json_t *d = json_pack("{s:i, s:s, s:b, s:s, s:b}", "ifindex", (int)a->ifindex, "mode",
			      mode_name(a->mode), "native", a->native, "tc",
			      a->tcx ? "tcx" : "clsact", "gone", a->gone);

	if (!a->gone)
		json_object_set_new(d, "device", text_json(a->ifname));
	json_array_append_new(arg, d);
	return 0;
}

/* `used` of -1: not counted. */
static void add_table(json_t *tables, const char *name, int64_t used, uint32_t slots,
		      uint64_t memory)
{
	json_t *t = json_object();

	if (used >= 0) {
		json_object_set_new(t, "used", json_integer(used));
		json_object_set_new(t, "slots", json_integer(slots));
	}
	json_object_set_new(t, "memory", json_integer((json_int_t)memory));
	json_object_set_new(tables, name, t);
}

static json_t *tables_json(struct cv *cv)
{
	const struct cv_geometry *geo = cv_geometry(cv);
	json_t *tables = json_object();
	struct cv_memory m;

	cv_memory(cv, &m);
	add_table(tables, "conns4", (int64_t)cv_count_conns(cv, AF_INET), geo->sets4 * CV_WAYS,
		  m.conns4);
	add_table(tables, "conns6", (int64_t)cv_count_conns(cv, AF_INET6), geo->sets6 * CV_WAYS,
		  m.conns6);
	add_table(tables, "services", cv_settings(cv)->num_services, geo->max_services, m.services);
	add_table(tables, "dests", cv_count_dests(cv), geo->max_dests, m.dests);
	add_table(tables, "counters", -1, 0, m.counters);
	add_table(tables, "other", -1, 0, m.other);
	return tables;
}

static json_t *causes_json(const uint64_t n[CV_C_COUNT])
{
	json_t *packets = json_object();

	for (int i = 0; i < CV_C_COUNT; i++) {
		if (cv_cause_name(i))
			json_object_set_new(packets, cv_cause_name(i),
					    json_integer((json_int_t)n[i]));
	}
	return packets;
}

static int print_json(struct cv *cv, const uint64_t *causes)
{
	json_t *devices = json_array(), *root;
	char cookie[32];
	int err;

	/* A number of 64 bits: JavaScript would round it. */
	snprintf(cookie, sizeof(cookie), "%" PRIu64, (uint64_t)cv_geometry(cv)->netns_cookie);
	err = cv_each_attachment(cv, add_device, devices);
	if (err) {
		json_decref(devices);
		return cmd_lib_error("status", "devices", err);
	}
	root = json_pack("{s:s, s:s}", "instance", cookie, "path", CV_BPFFS);
	add_versions(root);
	json_object_set_new(root, "devices", devices);
	json_object_set_new(root, "tables", tables_json(cv));
	if (causes)
		json_object_set_new(root, "packets", causes_json(causes));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return CMD_OK;
}

int cmd_status(int argc, char **argv)
{
	bool json = false, counters = false;
	const struct option_spec options[] = {
		{ 'j', "json", NULL, "as JSON", option_flag, &json, NULL },
		{ 's', "stats", NULL, "and what became of packets", option_flag, &counters, NULL },
		{},
	};
	const struct command_line line = {
		.name = "status",
		.usage = "[-j] [-s]",
		.about = "Shows the load balancer of this namespace: devices, tables, memory.",
		.options = options,
	};
	_cleanup_(cv_close) struct cv *cv = NULL;
	uint64_t n[CV_C_COUNT], *causes = NULL;
	int status, err;

	if (options_parse(&line, argc, argv, NULL, &status))
		return status;
	err = cv_open(&cv);
	if (err == -EPROTO)
		return other_layout(json);
	if (!err && counters) {
		err = cv_causes(cv, n);
		causes = n;
	}
	if (err)
		return cmd_lib_error("status", NULL, err);
	return json ? print_json(cv, causes) : print_text(cv, causes);
}
