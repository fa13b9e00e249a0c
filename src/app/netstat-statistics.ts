/** The counters as `netstat -s` says them (net-tools statistics.c): some in words, the others by name if they are not 0. */
import type { Counters } from '../sys/counters.ts'

/** Sentences by counter, `%` for the number. Those that start with `!` are said even of 0. */
const WORDS: Readonly<Record<string, string>> = {
  IpForwarding: '!Forwarding: %',
  IpForwDatagrams: '!% forwarded',
  IpFragCreates: '% fragments created',
  IpFragFails: '% fragments failed',
  IpFragOKs: '% fragments received ok',
  IpInAddrErrors: '% with invalid addresses',
  IpInDelivers: '!% incoming packets delivered',
  IpInDiscards: '!% incoming packets discarded',
  IpInHdrErrors: '% with invalid headers',
  IpInReceives: '!% total packets received',
  IpInUnknownProtos: '% with unknown protocol',
  IpOutDiscards: '% outgoing packets dropped',
  IpOutNoRoutes: '% dropped because of missing route',
  IpOutRequests: '!% requests sent out',
  IpReasmFails: '% packet reassemblies failed',
  IpReasmOKs: '% packets reassembled ok',
  IpReasmReqds: '% reassemblies required',
  IpReasmTimeout: '% fragments dropped after timeout',
  IcmpInMsgs: '!% ICMP messages received',
  IcmpInErrors: '!% input ICMP message failed',
  IcmpInDestUnreachs: '>destination unreachable: %',
  IcmpInTimeExcds: '>timeout in transit: %',
  IcmpInParmProbs: '>wrong parameters: %',
  IcmpInSrcQuenchs: '>source quenches: %',
  IcmpInRedirects: '>redirects: %',
  IcmpInEchos: '>echo requests: %',
  IcmpInEchoReps: '>echo replies: %',
  IcmpInTimestamps: '>timestamp request: %',
  IcmpInTimestampReps: '>timestamp reply: %',
  IcmpInAddrMasks: '>address mask request: %',
  IcmpInAddrMaskReps: '>address mask replies: %',
  IcmpOutMsgs: '!% ICMP messages sent',
  IcmpOutErrors: '!% ICMP messages failed',
  IcmpOutDestUnreachs: '>destination unreachable: %',
  IcmpOutTimeExcds: '>time exceeded: %',
  IcmpOutParmProbs: '>wrong parameters: %',
  IcmpOutSrcQuenchs: '>source quench: %',
  IcmpOutRedirects: '>redirect: %',
  IcmpOutEchos: '>echo requests: %',
  IcmpOutEchoReps: '>echo replies: %',
  IcmpOutTimestamps: '>timestamp requests: %',
  IcmpOutTimestampReps: '>timestamp replies: %',
  IcmpOutAddrMasks: '>address mask requests: %',
  IcmpOutAddrMaskReps: '>address mask replies: %',
  TcpActiveOpens: '!% active connection openings',
  TcpPassiveOpens: '!% passive connection openings',
  TcpAttemptFails: '!% failed connection attempts',
  TcpEstabResets: '!% connection resets received',
  TcpCurrEstab: '!% connections established',
  TcpInSegs: '!% segments received',
  TcpOutSegs: '!% segments sent out',
  TcpRetransSegs: '!% segments retransmitted',
  TcpInErrs: '!% bad segments received',
  TcpOutRsts: '!% resets sent',
  UdpInDatagrams: '!% packets received',
  UdpNoPorts: '!% packets to unknown port received',
  UdpInErrors: '!% packet receive errors',
  UdpOutDatagrams: '!% packets sent',
  UdpRcvbufErrors: '!% receive buffer errors',
  UdpSndbufErrors: '!% send buffer errors',
  TcpExtSyncookiesSent: '% SYN cookies sent',
  TcpExtSyncookiesRecv: '% SYN cookies received',
  TcpExtSyncookiesFailed: '% invalid SYN cookies received',
  TcpExtEmbryonicRsts: '% resets received for embryonic SYN_RECV sockets',
  TcpExtPruneCalled: '% packets pruned from receive queue because of socket buffer overrun',
  TcpExtRcvPruned: '% packets pruned from receive queue',
  TcpExtOfoPruned: '% packets dropped from out-of-order queue because of socket buffer overrun',
  TcpExtOutOfWindowIcmps: '% ICMP packets dropped because they were out-of-window',
  TcpExtLockDroppedIcmps: '% ICMP packets dropped because socket was locked',
  TcpExtTW: '% TCP sockets finished time wait in fast timer',
  TcpExtTWRecycled: '% time wait sockets recycled by time stamp',
  TcpExtTWKilled: '% TCP sockets finished time wait in slow timer',
  TcpExtPAWSActive: '% active connections rejected because of time stamp',
  TcpExtPAWSEstab: '% packetes rejected in established connections because of timestamp',
  TcpExtDelayedACKs: '% delayed acks sent',
  TcpExtDelayedACKLocked: '% delayed acks further delayed because of locked socket',
  TcpExtDelayedACKLost: 'Quick ack mode was activated % times',
  TcpExtListenOverflows: '% times the listen queue of a socket overflowed',
  TcpExtListenDrops: '% SYNs to LISTEN sockets dropped',
  TcpExtTCPHPHits: '!% packet headers predicted',
  TcpExtTCPPureAcks: '% acknowledgments not containing data payload received',
  TcpExtTCPHPAcks: '% predicted acknowledgments',
  TcpExtTCPRenoRecovery: '% times recovered from packet loss due to fast retransmit',
  TcpExtTCPSackRecovery: '% times recovered from packet loss by selective acknowledgements',
  TcpExtTCPSACKReneging: '% bad SACK blocks received',
  TcpExtTCPSACKReorder: 'Detected reordering % times using SACK',
  TcpExtTCPRenoReorder: 'Detected reordering % times using reno fast retransmit',
  TcpExtTCPTSReorder: 'Detected reordering % times using time stamp',
  TcpExtTCPFullUndo: '% congestion windows fully recovered without slow start',
  TcpExtTCPPartialUndo: '% congestion windows partially recovered using Hoe heuristic',
  TcpExtTCPDSACKUndo: '% congestion window recovered without slow start using DSACK',
  TcpExtTCPLossUndo: '% congestion windows recovered without slow start after partial ack',
  TcpExtTCPRenoFailures: '% timeouts after reno fast retransmit',
  TcpExtTCPSackFailures: '% timeouts after SACK recovery',
  TcpExtTCPLossFailures: '% timeouts in loss state',
  TcpExtTCPFastRetrans: '% fast retransmits',
  TcpExtTCPSlowStartRetrans: '% retransmits in slow start',
  TcpExtTCPTimeouts: '% other TCP timeouts',
  TcpExtTCPSackRecoveryFail: '% SACK retransmits failed',
  TcpExtTCPRcvCollapsed: '% packets collapsed in receive queue due to low socket buffer',
  TcpExtTCPDSACKOldSent: '% DSACKs sent for old packets',
  TcpExtTCPDSACKOfoSent: '% DSACKs sent for out of order packets',
  TcpExtTCPDSACKRecv: '% DSACKs received',
  TcpExtTCPDSACKOfoRecv: '% DSACKs for out of order packets received',
  TcpExtTCPAbortOnData: '% connections reset due to unexpected data',
  TcpExtTCPAbortOnClose: '% connections reset due to early user close',
  TcpExtTCPAbortOnMemory: '% connections aborted due to memory pressure',
  TcpExtTCPAbortOnTimeout: '% connections aborted due to timeout',
  TcpExtTCPAbortOnLinger: '% connections aborted after user close in linger timeout',
  TcpExtTCPAbortFailed: '% times unable to send RST due to no memory',
  TcpExtTCPMemoryPressures: 'TCP ran low on memory % times',
}

/** Sections with their titles; of two prefixes that fit, the longer one names the section. */
const SECTIONS: readonly (readonly [prefix: string, title: string])[] = [
  ['Ip', 'Ip'],
  ['Icmp', 'Icmp'],
  ['Tcp', 'Tcp'],
  ['Udp', 'Udp'],
  ['UdpLite', 'UdpLite'],
  ['TcpExt', 'TcpExt'],
  ['IpExt', 'IpExt'],
]

/** What the ICMP section lists below these two; the words start with `>`. */
const HISTOGRAMS: Readonly<Record<string, string>> = {
  IcmpInErrors: 'ICMP input histogram:',
  IcmpOutErrors: 'ICMP output histogram:',
}

/** All of it. */
export function statistics(counters: Counters): string {
  const entries = Object.entries(counters) as [string, number][]
  let text = ''
  for (const [prefix, title] of SECTIONS) {
    text += `${title}:\n`
    for (const [name, value] of entries) {
      const isOther = SECTIONS.some(([p]) => p.length > prefix.length && name.startsWith(p) && p.startsWith(prefix))
      if (!name.startsWith(prefix) || isOther || name === 'IpDefaultTTL') continue
      text += line(name, prefix, value)
    }
  }
  return text
}

function line(name: string, prefix: string, value: number): string {
  const words = WORDS[name]
  const isSaid = words?.startsWith('!') === true
  const histogram = HISTOGRAMS[name] === undefined ? '' : `    ${HISTOGRAMS[name]}\n`
  if (value === 0 && !isSaid) return histogram
  if (words === undefined) return `    ${name.slice(prefix.length)}: ${value}\n${histogram}`
  const indent = words.startsWith('>') ? '        ' : '    '
  return `${indent}${words.replace(/^[!>]/, '').replace('%', String(value))}\n${histogram}`
}
