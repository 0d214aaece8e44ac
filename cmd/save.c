// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * culvert save: all there is in this namespace, as culvert's own commands. That is
 * text that an administrator can read, compare and change; each line is checked by
 * the parser of the command that it is, and a mistake has a line number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "cmd.h"
#include "conn_line.h"
#include "culvert.h"
#include "ipvlan.h"
#include "ipvsadm_view.h"
#include "options.h"
#include "saved.h"

struct save {
	struct out *out;
	struct cv *cv;
	struct cv_ipv *v;
	bool left_out; /* something could not be written down */
};

static __attribute__((format(printf, 2, 3))) void line(struct save *s, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	out_text(s->out, text);
}

/* ---- the load balancer -------------------------------------------------------- */

/* Can restore read the name as a word? What it cannot is told, and left out. */
static bool can_name(struct save *s, const char *what, const char *name)
{
	for (const char *c = name; *c; c++) {
		if ((unsigned char)*c > ' ')
			continue;
		cmd_error("save", "no line can name the %s \"%s\": left out", what, name);
		s->left_out = true;
		return false;
	}
	return true;
}

static int save_device(const struct cv_attachment *a, void *arg)
{
	if (!a->gone && can_name(arg, "device", a->ifname))
		line(arg, "attach %s --mode %s\n", a->ifname,
		     a->mode == CV_MODE_XDP ? "xdp" : "tc");
	return 0;
}

/* Those that can be set. */
static int save_setting(const struct cv_setting *setting, void *arg)
{
	char text[12 * CV_SETTING_VALUES];
	int len = 0;

	for (unsigned int i = 0; i < setting->values; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%u", i ? " " : "",
				setting->value[i]);
	if (cv_setting_check(setting->name, text) == 0)
		line(arg, "sysctl %s=%s\n", setting->name, text);
	return 0;
}

struct dests {
	struct cv_dest_info *list;
	size_t n;
};

static void cleanup_dests(struct dests *d)
{
	free(d->list);
}

static int keep_dest(const struct cv_dest_info *d, void *arg)
{
	struct dests *all = arg;
	struct cv_dest_info *more = reallocarray(all->list, all->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	all->list = more;
	all->list[all->n++] = *d;
	return 0;
}

/* The last one added is the first of the list: so the last of the list comes first here. */
static int save_service(const struct cv_service_info *service, void *arg)
{
	struct save *s = arg;
	_cleanup_(cleanup_dests) struct dests dests = { 0 };
	struct listing x = { .out = s->out, .view = VIEW_RULES, .whole = true };
	int err = cv_each_dest(s->cv, service->id, keep_dest, &dests);

	if (err)
		return err;
	out_text(s->out, "ipvsadm ");
	rule_service(&x, service);
	for (size_t i = dests.n; i-- > 0;) {
		out_text(s->out, "ipvsadm ");
		rule_dest(&x, service, &dests.list[i]);
	}
	return 0;
}

/* What left its service, or takes no more, is not worth a line. */
static int save_conn(const struct cv_conn_info *c, void *arg)
{
	struct save *s = arg;

	/* Without the call that it is of a template is none, and for that a line has no place. */
	if (c->in_service && !c->stale && !c->pe_name)
		conn_line_write(s->out, c);
	return s->out->err;
}

static uint32_t seconds(const struct save *s, enum cv_timeout which)
{
	return cv_settings(s->cv)->timeout[which] / CV_HZ;
}

static int save_lb(struct save *s)
{
	struct cv_sizes sizes;
	int err;

	cv_get_sizes(s->cv, &sizes);
	line(s, "tables --max-conns %u --max-conns6 %u --max-services %u --max-dests %u\n",
	     sizes.max_conns, sizes.max_conns6, sizes.max_services, sizes.max_dests);
	err = cv_each_attachment(s->cv, save_device, s);
	if (!err)
		err = cv_each_setting(s->cv, save_setting, s);
	if (err)
		return err;
	line(s, "ipvsadm --set %u %u %u\n", seconds(s, CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED),
	     seconds(s, CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT), seconds(s, CV_TIMEOUT_UDP));
	return cv_each_service(s->cv, save_service, s);
}

/* ---- ipvlan -------------------------------------------------------------------- */

static void save_prefix(struct save *s, const char *what, uint8_t family, const union cv_addr *addr,
			uint8_t plen)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, addr, text, sizeof(text));
	line(s, " %s %s/%u", what, text, plen);
}

/* Link-local addresses come by themselves. */
static int save_addr(const struct rtnl_addr *a, bool owned, void *arg)
{
	if (owned &&
	    !(a->family == AF_INET6 && a->addr.b[0] == 0xfe && (a->addr.b[1] & 0xc0) == 0x80))
		save_prefix(arg, "addr", a->family, &a->addr, a->plen);
	return 0;
}

static int save_allow(const struct cv_ipv_prefix *p, void *arg)
{
	save_prefix(arg, "allow", p->family, &p->addr, p->plen);
	return 0;
}

static int save_link(const struct cv_ipv_link *link, void *arg)
{
	struct save *s = arg;
	int err;

	if (!link->here && !link->netns[0]) {
		cmd_error("save", "%s is in a network namespace without a name: left out",
			  link->inner.name);
		s->left_out = true;
		return 0;
	}
	if (!can_name(s, "device", link->master) || !can_name(s, "device", link->inner.name) ||
	    (!link->here && !can_name(s, "network namespace", link->netns)))
		return 0;
	line(s, "link add link %s name %s type ipvlan mode %s %s hostreach %s", link->master,
	     link->inner.name, cv_ipv_mode_name(cv_ipv_mode_of(link->policy)),
	     cv_ipv_flag_name(link->policy), link->policy & CV_IPV_HOSTREACH ? "on" : "off");
	if (!link->here)
		line(s, " netns %s", link->netns);
	err = cv_ipv_each_addr(s->v, link, save_addr, s);
	if (!err)
		err = cv_ipv_each_allow(s->v, link->slot, save_allow, s);
	line(s, "%s\n", link->inner.flags & IFF_UP ? " up" : "");
	return err;
}

/* ---- all of it ------------------------------------------------------------------- */

static int save_all(struct save *s, bool conns)
{
	int err = 0;

	line(s, SAVED_HEAD "\n# culvert %s\n", cv_own_version());
	if (s->cv)
		err = save_lb(s);
	if (!err && s->v)
		err = cv_ipv_each_link(s->v, save_link, s);
	if (!err && s->cv && conns)
		err = cv_each_conn(s->cv, save_conn, s);
	if (!err)
		err = out_flush(s->out);
	return err;
}

/* Beside, and then by one rename: a reader finds the old file or the new one. */
struct beside {
	int fd;
	char *name; /* NULL: standard output */
};

static void cleanup_beside(struct beside *b)
{
	cleanup_fd(&b->fd);
	if (b->name)
		unlink(b->name);
	free(b->name);
}

static int beside_open(struct beside *b, const char *file)
{
	b->fd = -1;
	if (asprintf(&b->name, "%s.XXXXXX", file) < 0) {
		b->name = NULL;
		return -ENOMEM;
	}
	b->fd = mkostemp(b->name, O_CLOEXEC);
	if (b->fd < 0) {
		free(b->name);
		b->name = NULL;
		return -errno;
	}
	return 0;
}

static int beside_commit(struct beside *b, const char *file)
{
	_cleanup_free_ char *path = strdup(file);
	_cleanup_fd_ int dir = -1;

	if (!path)
		return -ENOMEM;
	if (fsync(b->fd) < 0 || rename(b->name, file) < 0)
		return -errno;
	free(b->name);
	b->name = NULL;
	/* The rename, too, is to survive a loss of power; some file systems cannot say. */
	dir = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fsync(dir);
	return 0;
}

static int save_to(struct save *s, const char *file, bool conns)
{
	_cleanup_(cleanup_beside) struct beside b = { .fd = -1 };
	static struct out out;
	int err = file ? beside_open(&b, file) : 0;

	if (err)
		return cmd_error("save", "%s: %s", file, strerror(-err));
	out_init(&out, file ? b.fd : STDOUT_FILENO);
	s->out = &out;
	err = save_all(s, conns);
	if (err && out.err)
		return cmd_error("save", "%s: %s", file ? file : "standard output",
				 strerror(-out.err));
	if (err)
		return cmd_lib_error("save", NULL, err);
	err = file ? beside_commit(&b, file) : 0;
	if (err)
		return cmd_error("save", "%s: %s", file, strerror(-err));
	return s->left_out ? CMD_FAILED : CMD_OK;
}

int cmd_save(int argc, char **argv)
{
	bool conns = false;
	const char *file = NULL;
	const struct option_spec options[] = {
		{ 'c', "conns", NULL, "and the connections", option_flag, &conns, NULL },
		{ 'o', "output", "FILE", "write it there, at once; else to standard output",
		  option_text, &file, "a file" },
		{},
	};
	const struct command_line cl = {
		.name = "save",
		.usage = "[-c] [-o FILE]",
		.about =
			"Writes down all there is of culvert in this network namespace, as commands, for\n"
			"`culvert restore`: devices, settings, services, slaves.",
		.options = options,
	};
	_cleanup_(cv_close) struct cv *cv = NULL;
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	struct save s = { 0 };
	int status, lb, ipvlan;

	if (options_parse(&cl, argc, argv, NULL, &status))
		return status;
	lb = cv_open(&cv);
	if (lb && lb != -ENOENT)
		return cmd_lib_error("save", NULL, lb);
	ipvlan = cv_ipv_open(&v, CV_IPV_READ);
	if (ipvlan && ipvlan != -ENOENT)
		return cmd_lib_error("save", NULL, ipvlan);
	s.cv = cv;
	s.v = v;
	return save_to(&s, file, conns);
}
