// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include <culvert/sched.h>

#include "cleanup.h"
#include "list.h"
#include "scheduler.h"
#include "why.h"

/* All that they need stands in the destinations. */
static const struct sched_ops stateless;

static const struct sched_ops *const schedulers[CV_SCHED_COUNT] = {
	[CV_SCHED_RR] = &sched_rr,   [CV_SCHED_WRR] = &sched_wrr,   [CV_SCHED_LC] = &stateless,
	[CV_SCHED_WLC] = &stateless, [CV_SCHED_LBLC] = &sched_lblc, [CV_SCHED_LBLCR] = &sched_lblc,
	[CV_SCHED_DH] = &sched_dh,   [CV_SCHED_SH] = &sched_sh,	    [CV_SCHED_MH] = &sched_mh,
	[CV_SCHED_SED] = &stateless, [CV_SCHED_NQ] = &stateless,    [CV_SCHED_FO] = &stateless,
	[CV_SCHED_OVF] = &stateless,
};

const struct sched_ops *sched_ops(uint32_t sched)
{
	return sched < CV_SCHED_COUNT ? schedulers[sched] : NULL;
}

static bool derives(const struct sched_ops *ops)
{
	return ops && (ops->fill || ops->link);
}

void sched_init(struct txn *t, uint32_t sched, const struct sched_change *c)
{
	struct cv_service *svc = svc_at(t->cv, c->service);
	const struct sched_ops *ops = sched_ops(sched), *before = sched_ops(svc->sched);

	if (ops && ops->most && svc->num_dests > ops->most) {
		t->err = cv_fail(-EINVAL, "%s cannot hold more than %u destinations",
				 cv_sched_name(sched), ops->most);
		return;
	}
	txn_set(t, &svc->cursor, CV_NONE);
	if (ops && ops->init)
		ops->init(t, c);
	if (derives(ops) || derives(before))
		txn_rebuild(t, c->service, true);
}

/* __ip_vs_update_dest(): the weight that a quiesced destination keeps in mind. */
static void keep_weight(struct txn *t, const struct sched_change *c)
{
	if (c->what == SCHED_ADD || (c->what == SCHED_EDIT && c->weight))
		txn_set(t, &dest_at(t->cv, c->dest)->last_weight, c->weight);
}

void sched_changed(struct txn *t, const struct sched_change *c)
{
	const struct sched_ops *ops = sched_ops(svc_at(t->cv, c->service)->sched);

	keep_weight(t, c);
	if (ops && ops->changed)
		ops->changed(t, c);
	if (derives(ops))
		txn_rebuild(t, c->service, false);
}

void sched_done(struct txn *t, uint32_t service)
{
	const struct sched_ops *ops = sched_ops(svc_at(t->cv, service)->sched);

	if (ops && ops->fill)
		txn_rebuild(t, service, true);
}

static int make_table(struct cv *cv, uint32_t service, const struct sched_ops *ops,
		      const uint32_t *list, uint32_t n, bool fresh)
{
	uint32_t table[CV_TABLE_PIECES * CV_TABLE_PIECE];
	int err;

	/* As the kernel's: it keeps the table that it has. */
	if (ops->most && n > ops->most)
		return 0;
	if (!n)
		return sched_table_write(cv, service, NULL, 0, true);
	err = ops->fill(cv, list, n, table);
	return err ? err : sched_table_write(cv, service, table, ops->slots, fresh);
}

int sched_rebuild(struct cv *cv, uint32_t service, bool fresh)
{
	const struct cv_service *svc = svc_at(cv, service);
	const struct sched_ops *ops = svc->flags & CV_SVC_USED ? sched_ops(svc->sched) : NULL;
	_cleanup_free_ uint32_t *list = NULL;
	uint32_t n;
	int err;

	if (!derives(ops))
		return fresh ? sched_table_write(cv, service, NULL, 0, true) : 0;
	err = list_dests(cv, service, &list, &n);
	if (!err && ops->fill)
		err = make_table(cv, service, ops, list, n, fresh);
	else if (!err && fresh)
		err = sched_table_write(cv, service, NULL, 0, true);
	if (!err && ops->link)
		err = ops->link(cv, list, n);
	return err ? err : cv->spoiled;
}
