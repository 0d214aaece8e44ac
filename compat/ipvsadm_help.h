/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_IPVSADM_HELP_H
#define CULVERT_IPVSADM_HELP_H

void ipvsadm_help(const char *program);	    /* standard output */
void ipvsadm_version(void);		    /* standard output */
void ipvsadm_try_help(const char *program); /* standard error */

#endif
