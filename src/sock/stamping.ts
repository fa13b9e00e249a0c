/** SO_TIMESTAMPING's bits and the kinds of stamps, with Linux's values (linux/net_tstamp.h, linux/errqueue.h). */
export const SOF_TX_SOFTWARE = 2
export const SOF_RX_SOFTWARE = 8
export const SOF_SOFTWARE = 16
export const SOF_OPT_ID = 128
export const SOF_TX_SCHED = 256
export const SOF_TX_ACK = 512
export const SOF_OPT_TSONLY = 2048
export const SOF_OPT_ID_TCP = 65536
/** Every bit that there is. */
export const SOF_MASK = 0x7ffff
/** Stamps of sending that software makes; and those a control message may ask for (SOF_TIMESTAMPING_TX_RECORD_MASK). */
export const SOF_TX: number = SOF_TX_SOFTWARE | SOF_TX_SCHED | SOF_TX_ACK
export const SOF_TX_RECORD = 0x40303

/** Kinds of stamps (SCM_TSTAMP_): when it left, entered the device's queue, was acknowledged. */
export const TSTAMP_SND = 0
export const TSTAMP_SCHED = 1
export const TSTAMP_ACK = 2
