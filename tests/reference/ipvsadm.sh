#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `culvert ipvsadm` answers 1,400 command lines as ipvsadm did on the reference kernel.
exec "$(dirname "$0")/ipvsadm/conformance" check "${BUILD:-$(dirname "$0")/../../build}/culvert"
