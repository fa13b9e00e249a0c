/** What an acknowledgement turned out to say: the FLAG_ bits of Linux's tcp_input.c, gathered in one integer. */
export const DATA = 0x01
export const WIN_UPDATE = 0x02
export const DATA_ACKED = 0x04
export const RETRANS_DATA_ACKED = 0x08
export const SYN_ACKED = 0x10
export const DATA_SACKED = 0x20
export const ECE_SEEN = 0x40
export const LOST_RETRANS = 0x80
export const SLOWPATH = 0x100
export const ORIG_SACK_ACKED = 0x200
export const SND_UNA_ADVANCED = 0x400
export const DSACKING_ACK = 0x800
export const SET_XMIT_TIMER = 0x1000
export const SACK_RENEGING = 0x2000
export const UPDATE_TS_RECENT = 0x4000
export const NO_CHALLENGE_ACK = 0x8000
/** The peer's clock went on since the last ACK: this one is newer. */
export const TS_PROGRESS = 0x10000
export const DSACK_TLP = 0x20000

export const ACKED: number = DATA_ACKED | SYN_ACKED
export const NOT_DUP: number = DATA | WIN_UPDATE | ACKED
export const CA_ALERT: number = DATA_SACKED | ECE_SEEN | DSACKING_ACK
export const FORWARD_PROGRESS: number = ACKED | DATA_SACKED
