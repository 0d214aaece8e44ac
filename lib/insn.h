/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BPF instructions by hand, for programs of a few lines that have no source of their own. */
#ifndef CULVERT_INSN_H
#define CULVERT_INSN_H

#include <linux/bpf.h>

#define INSN(code_, ...) ((struct bpf_insn){ .code = (code_), __VA_ARGS__ })

#define INSN_MOV_REG(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (dst), .src_reg = (src))
#define INSN_MOV(dst, imm_) INSN(BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (dst), .imm = (imm_))
#define INSN_ADD(dst, imm_) INSN(BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (dst), .imm = (imm_))

/* *(size *)(dst + off) = imm; size is BPF_B, BPF_H, BPF_W or BPF_DW. */
#define INSN_STORE(size, dst, off_, imm_) \
	INSN(BPF_ST | BPF_MEM | (size), .dst_reg = (dst), .off = (off_), .imm = (imm_))

#define INSN_CALL(helper) INSN(BPF_JMP | BPF_CALL, .imm = (helper))
#define INSN_EXIT() INSN(BPF_JMP | BPF_EXIT, .imm = 0)

#endif
