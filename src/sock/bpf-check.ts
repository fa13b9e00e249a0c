/** Which packet filters are safe to run (bpf_check_classic, chk_code_allowed, check_load_and_stores of net/core/filter.c). */

/** The part of an instruction as far as the check asks. */
interface Checked {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

/** Sizes and modes of BPF_LD and BPF_LDX (linux/bpf_common.h). */
export const LD = {
  W: 0x00,
  H: 0x08,
  B: 0x10,
  IMM: 0x00,
  ABS: 0x20,
  IND: 0x40,
  MEM: 0x60,
  LEN: 0x80,
  MSH: 0xa0,
} as const

/** Words of scratch memory (BPF_MEMWORDS). */
const MEMWORDS = 16
/** Offsets from here on stand for what is known of a packet beside its bytes (SKF_AD_OFF), and those of them there are. */
const AD_OFF = 0xfffff000
const AD_KNOWN: readonly number[] = [0, 4, 8, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60]

const ST = 0x02
const STX = 0x03
const NEG = 0x84
const JA = 0x05
const RET_K = 0x06
const RET_A = 0x16
const TAX = 0x07
const TXA = 0x87
/** LD: W, H, B by ABS and IND, W by LEN, IMM, MEM. LDX: W by LEN, B by MSH, IMM, MEM. */
const LOADS: readonly number[] = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x81, 0xb1, 0x01, 0x61]
const OTHERS: readonly number[] = [ST, STX, NEG, JA, RET_K, RET_A, TAX, TXA]
/** BPF_ALU from ADD to XOR without NEG, BPF_JMP from JEQ to JSET; the source is K or X (0x08). */
const ALU: readonly number[] = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0]
const JUMPS: readonly number[] = [0x10, 0x20, 0x30, 0x40]

const isConditional = (code: number): boolean => (code & 7) === 5 && JUMPS.includes(code & ~0x0f)

function isAllowed(code: number): boolean {
  if (LOADS.includes(code) || OTHERS.includes(code)) return true
  const operation = code & ~0x0f
  if ((code & 7) === 4) return ALU.includes(operation)
  return isConditional(code)
}

/** True if every instruction exists, no jump leaves the program, and no word of memory is read before it is written. */
export function checkProgram(program: readonly Checked[]): boolean {
  const last = program[program.length - 1]?.code
  return (
    program.every((each, pc) => checkOne(each, program.length - pc - 1)) &&
    (last === RET_K || last === RET_A) &&
    checkMemory(program)
  )
}

/** `after` instructions follow this one. */
function checkOne({ code, jt, jf, k }: Checked, after: number): boolean {
  if (!isAllowed(code)) return false
  const u = k >>> 0
  if (code === 0x34 || code === 0x94) return u !== 0
  if (code === 0x64 || code === 0x74) return u < 32
  if (code === ST || code === STX || isMemoryLoad(code)) return u < MEMWORDS
  if (code === JA) return u < after
  if (isConditional(code)) return jt < after && jf < after
  if ((code & 0xe7) === LD.ABS && u >= AD_OFF) return AD_KNOWN.includes(u - AD_OFF)
  return true
}

const isMemoryLoad = (code: number): boolean => code === 0x60 || code === 0x61

function checkMemory(program: readonly Checked[]): boolean {
  const masks: number[] = new Array<number>(program.length).fill(0xffff)
  let valid = 0
  const reach = (at: number): void => {
    masks[at] = (masks[at] ?? 0) & valid
  }
  for (const [pc, { code, jt, jf, k }] of program.entries()) {
    valid &= masks[pc] ?? 0
    if (code === ST || code === STX) valid |= 1 << k
    else if (isMemoryLoad(code)) {
      if ((valid & (1 << k)) === 0) return false
    } else if (code === JA || isConditional(code)) {
      reach(pc + 1 + (code === JA ? k : jt))
      if (code !== JA) reach(pc + 1 + jf)
      valid = 0xffff
    }
  }
  return true
}
