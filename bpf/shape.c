// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shape FILE.bpf.o NAME: writes the header that tells the library the shape of the
 * maps that it is built for. Runs during the build alone.
 */
#include <inttypes.h>
#include <stdio.h>

#include "shape.h"

int main(int argc, char **argv)
{
	struct bpf_object *obj;

	if (argc != 3)
		return 2;
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj) {
		perror(argv[1]);
		return 1;
	}
	printf("#define SHAPE_OF_%s 0x%016" PRIx64 "ULL\n", argv[2], shape_of_object(obj));
	bpf_object__close(obj);
	return 0;
}
