// SPDX-License-Identifier: GPL-2.0-only
/* ipvlan for kernels that tell BPF what is in them: with type information (BTF), since Linux 6.6. */
#include "ipvlan/bare.h"
#include "ipvlan/programs.h"
