// SPDX-License-Identifier: GPL-2.0-only
/* ipvlan for kernels that do not tell BPF what is in them. */
#include "ipvlan/bare_unknown.h"
#include "ipvlan/programs.h"
