/**
 * Accurate ECN: RFC 9768 and what Linux 6.18 does. Its client side was seen at work (it takes a SYN-ACK that speaks AccECN also
 * after a SYN of RFC 3168); test/packetdrill/scripts/accecn-*.pkt are recordings of it. Its sysctl refuses 3 to 5.
 */
import assert from 'node:assert/strict'
import { cable } from '../../src/link/cable.ts'
import { impair } from '../../src/link/impair.ts'
import { F_ALL, F_WIRE, type Link } from '../../src/link/link.ts'
import { Stack } from '../../src/stack/stack.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { fillTcpInfo, TcpInfo } from '../../src/tcp/info.ts'
import { Tcb } from '../../src/tcp/tcb.ts'
import { Tcp } from '../../src/tcp/tcp.ts'
import { listening, type Peer, type Setup, synSent, tcp } from './dsl.ts'
import { Middlebox } from './middlebox.ts'
import { Flow } from './path.ts'

/** The three flags by their number, as this DSL writes them. */
const ACE: readonly string[] = ['', 'E', 'W', 'EW', 'e', 'Ee', 'We', 'EWe']

function info(t: Tcb): TcpInfo {
  const filled = new TcpInfo()
  fillTcpInfo(t, filled)
  return filled
}

/** SYN-SENT with tcp_ecn=3. */
const asking = (sysctl: Setup['sysctl'] = {}): Peer => synSent({ sysctl: { tcp_ecn: 3, ...sysctl } })

/** ESTABLISHED, passively; the SYN asks with all three flags, the third ACK says `ace`. */
function served(ace: number, setup: Setup = {}, raw?: readonly number[], synTos = 0): Peer {
  const c = listening({ ...setup, sysctl: { tcp_ecn: 3, ...setup.sysctl } })
  const listener = c.t
  c.sendSyn({ flags: 'SEWe', tos: synTos })
  c.take()
  c.advance(100)
  c.send({ seq: 1, ack: 1, flags: `.${ACE[ace]}`, ...(raw === undefined ? {} : { raw }) })
  c.acceptFrom(listener)
  return c
}

tcp('AccECN: what each value of tcp_ecn says in a SYN, and answers to SYNs of three kinds (ip-sysctl)', () => {
  const wanted: readonly (readonly string[])[] = [
    ['S.', 'S.', 'S.'],
    ['S.E', 'S.E', 'S.'],
    ['S.E', 'S.E', 'S.'],
    ['S.W', 'S.E', 'S.W'],
    ['S.W', 'S.E', 'S.W'],
    ['S.W', 'S.E', 'S.W'],
  ]
  for (const [mode, answers] of wanted.entries()) {
    for (const [i, flags] of ['SEWe', 'SEW', 'Se'].entries()) {
      const c = listening({ sysctl: { tcp_ecn: mode } })
      c.sendSyn({ flags })
      c.expect({ flags: answers[i] as string })
    }
    // Looks at the flags.
    synSent({ sysctl: { tcp_ecn: mode } })
  }
})

tcp(
  'AccECN: the third ACK tells how the SYN-ACK came, and what it answers decides (RFC 9768 table 2; Linux 6.18)',
  () => {
    for (let ace = 0; ace < 8; ace++)
      for (let tos = 0; tos < 4; tos++) {
        const c = asking()
        c.advance(10)
        c.sendSyn({ flags: `S.${ACE[ace]}`, ack: 1, tos })
        const isAccurate = [2, 3, 4, 6].includes(ace)
        // A mark on the way here, and one told of that we cannot have caused.
        const isBroken = isAccurate && tos === 3 && ace !== 2
        const ect = isAccurate && !isBroken ? 2 : 0
        c.expect({ flags: isAccurate ? `.${ACE[[2, 3, 4, 6][tos] as number]}` : '.', tos: ect })
        c.write(10)
        const isCounted = ace === 2 && tos === 3
        const dataEct = ace === 1 || ace === 5 ? 2 : ect
        c.expect({ flags: isAccurate ? `.${ACE[isCounted ? 6 : 5]}` : '.', tos: dataEct })
        const told = info(c.t)
        assert.equal(told.tcpi_accecn_fail_mode, isBroken ? 2 : 0)
        assert.equal(told.tcpi_received_ce, isCounted ? 1 : 0)
        assert.equal((told.tcpi_options & 8) !== 0, ace !== 0 && ace !== 7)
        c.send({ ack: 11, flags: isAccurate ? '.Ee' : '.' })
      }
  },
)

tcp('AccECN: the SYN-ACK tells how the SYN came (RFC 9768 §3.1.2)', () => {
  for (const [tos, flags] of ['S.W', 'S.EW', 'S.e', 'S.We'].entries()) {
    const c = listening({ sysctl: { tcp_ecn: 3 } })
    c.sendSyn({ flags: 'SEWe', tos })
    c.expect({ flags, tos: 0, layout: 'mss,174,nop' })
  }
})

tcp('AccECN: the option of a SYN-ACK shares the padding of others (tcp_synack_options_combine_saving)', () => {
  const layouts: readonly (readonly [Setup, string])[] = [
    [{}, 'mss,174,nop'],
    [{ sack: true }, 'mss,174,nop,nop,nop,sackOK'],
    [{ sack: true, wscale: 7 }, 'mss,174,nop,nop,nop,sackOK,nop,wscale'],
    [{ ts: true }, 'mss,nop,nop,TS,174,nop'],
    [{ ts: true, sack: true, wscale: 7 }, 'mss,sackOK,TS,174,nop,nop,wscale'],
  ]
  for (const [setup, layout] of layouts) {
    const c = listening({ ...setup, sysctl: { tcp_ecn: 3 } })
    c.sendSyn({ flags: 'SEWe' })
    c.expect({ flags: 'S.W', layout })
    // Sent again it goes without: a middlebox may have dropped it for the option.
    c.advance(1000)
    c.expect({ flags: 'S.W', layout: layout.replace('174,nop,nop,nop,', 'nop,nop,').replace(/,174,nop/, '') })
  }
})

tcp('AccECN: a SYN that was lost asks once again, then no more (RFC 9768 §3.1.4.1; tcp_ecn_fallback)', () => {
  const c = asking()
  c.advance(1000)
  c.expect({ flags: 'SEWe' })
  c.advance(1000)
  c.expect({ flags: 'S' })
  // The first got through after all.
  c.sendSyn({ flags: 'S.W', ack: 1 })
  c.expect({ flags: '.W', tos: 2 })
  const stubborn = asking({ tcp_ecn_fallback: 0 })
  for (let i = 0; i < 3; i++) {
    stubborn.advance(1000)
    stubborn.expect({ flags: 'SEWe' })
  }
})

tcp('AccECN: the third SYN-ACK tells nothing, and what follows is not ECT (RFC 9768 §3.2.3.2.2)', () => {
  const c = listening({ sysctl: { tcp_ecn: 3 } })
  c.sendSyn({ flags: 'SEWe' })
  c.expect({ flags: 'S.W' })
  c.advance(1000)
  c.expect({ flags: 'S.W' })
  c.advance(2000)
  c.expect({ flags: 'S.' })
  const listener = c.t
  c.send({ seq: 1, ack: 1, flags: '.W' })
  c.acceptFrom(listener)
  c.write(10)
  c.expect({ flags: '.Ee', tos: 0 })
  assert.equal(info(c.t).tcpi_accecn_fail_mode, 1)
})

tcp('AccECN: a third ACK that was marked is counted (RFC 9768 §3.2.2; tcp_ecn_openreq_child)', () => {
  const c = listening({ sysctl: { tcp_ecn: 3 } })
  const listener = c.t
  c.sendSyn({ flags: 'SEWe' })
  c.take()
  c.send({ seq: 1, ack: 1, flags: '.W', tos: 3 })
  c.acceptFrom(listener)
  c.write(10)
  // ACE counts from 5: AE and CWR.
  c.expect({ flags: '.We', tos: 2 })
  assert.equal(info(c.t).tcpi_received_ce, 1)
})

tcp('AccECN: a server learns from the third ACK how its SYN-ACK came (RFC 9768 §3.2.2.1; tcp_accecn_third_ack)', () => {
  for (let ace = 0; ace < 8; ace++) {
    const c = served(ace)
    c.write(10)
    // Zeroed, or of a codepoint we did not send: the path breaks ECN.
    const isBroken = ![1, 2, 5, 7].includes(ace)
    c.expect({ flags: '.Ee', tos: isBroken ? 0 : 2 })
    assert.equal(info(c.t).tcpi_accecn_fail_mode, isBroken ? 2 : 0)
    assert.equal(info(c.t).tcpi_delivered_ce, 0)
    c.send({ ack: 11, flags: '.Ee' })
  }
})

tcp('AccECN: the option of the third ACK lets ours go; without it none goes (RFC 9768 §3.2.3.2)', () => {
  const silent = served(2)
  silent.write(10)
  silent.expect({ layout: '' })
  silent.send({ ack: 11, flags: '.Ee' })
  const speaking = served(2, {}, [174, 11, 0, 0, 1, 0, 0, 0, 0, 0, 1])
  speaking.write(10)
  speaking.expect({ layout: '174,nop' })
  assert.equal(info(speaking.t).tcpi_accecn_opt_seen, 2)
  speaking.send({ ack: 11, flags: '.Ee' })
})

tcp('AccECN: two that open to each other at once (RFC 9768 §3.1.2; tcp_ecn_rcv_syn, tcp_ecn_send_synack)', () => {
  const answers: readonly (readonly [string, string])[] = [
    ['SEWe', 'S.EW'],
    ['SEW', 'S.'],
    ['S', 'S.'],
  ]
  for (const [flags, answer] of answers) {
    const c = asking()
    c.sendSyn({ flags, tos: flags === 'SEWe' ? 1 : 0 })
    const { flags: sent } = c.expect({ seq: 0, ack: 1 })
    assert.equal(sent, flags === 'SEW' ? 'S.E' : answer)
    c.send({ flags: 'R.', seq: 1, ack: 1 })
  }
})

tcp('AccECN: with SYN cookies the ACE of the ACK tells AccECN from RFC 3168 (cookie_accecn_ok)', () => {
  for (const [flags, third, ect] of [
    ['SEWe', '.W', 'e'],
    ['SEW', '.', ''],
  ] as const) {
    const c = listening({ ts: true, sysctl: { tcp_ecn: 3, tcp_syncookies: 2 } })
    const listener = c.t
    c.sendSyn({ flags })
    c.take()
    c.ts = true
    c.advance(10)
    c.send({ seq: 1, ack: 1, flags: third })
    c.acceptFrom(listener)
    c.write(10)
    const { flags: sent, tos } = c.expect({ seq: 1 })
    assert.equal(sent.includes('e'), ect === 'e')
    assert.equal(tos & 3, 2)
    c.send({ ack: 11, flags: ect === 'e' ? '.Ee' : '.' })
  }
})

tcp('AccECN: counters count in every mode, the flag ECN_SEEN as well (Linux 6.18, tcp_ecn=0)', () => {
  const c = listening({ sysctl: { tcp_ecn: 0 } })
  const listener = c.t
  c.sendSyn()
  c.take()
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  for (const tos of [0, 2, 1, 3, 3, 2]) c.send({ data: 10, tos })
  c.send({ tos: 3 })
  for (const sent of c.drain()) assert.equal(sent.flags, '.')
  const { tcpi_received_ce, tcpi_received_e1_bytes, tcpi_received_e0_bytes, tcpi_received_ce_bytes, tcpi_options } =
    info(c.t)
  assert.deepEqual(
    [tcpi_received_ce, tcpi_received_e1_bytes, tcpi_received_e0_bytes, tcpi_received_ce_bytes, tcpi_options & 24],
    [3, 10, 20, 20, 16],
  )
})

/** Whoever is connected on `tcp`. */
const connected = (of: Tcp): Tcb => [...of.table.values()].find((entry) => entry instanceof Tcb) as Tcb

tcp('AccECN: over a path that marks, each end knows exactly what the other got (RFC 9768 §1.2)', () => {
  for (const features of [F_WIRE, F_ALL])
    for (const option of [0, 1, 2]) {
      const clock = new VirtualClock()
      const random = new Random(7 + option)
      const [near, far] = cable(clock, { features })
      const box = new Middlebox(
        impair(near, { delayMs: 5, rate: 100_000_000 }, clock, random.fork()),
        random.fork(),
        0.02,
      )
      const stack = (name: string, link: Link, address: string): Tcp => {
        const made = new Stack({ name, clock, random: random.fork() })
        made.sysctl.tcp_ecn = 3
        made.sysctl.tcp_ecn_option = option
        made.addInterface('eth0', link, { addresses: [address] })
        return new Tcp(made)
      }
      const [a, b] = [stack('a', box, '192.0.2.1/24'), stack('b', far, '192.0.2.2/24')]
      const flow = new Flow(a, b, 5000, 'cubic')
      const bytes = new Uint8Array(65536)
      for (let busy = true; flow.received < 1_500_000; ) {
        for (busy = true; busy; clock.settle()) busy = flow.work(bytes)
        assert.ok(clock.stepSync())
      }
      // What is under way arrives and is acknowledged.
      const end = clock.now() + 1_000_000
      while (clock.stepSync(end));
      const [sender, receiver] = [info(flow.sender), info(connected(b))]
      assert.ok(box.markedOut > 10 && box.markedIn > 3)
      // A mark on a duplicate is no news (tcp_validate_incoming comes before the counters).
      const missed = box.markedOut - receiver.tcpi_received_ce
      assert.ok(missed >= 0 && missed <= b.counters.TcpExtTCPDSACKOldSent, `${missed} marks missed`)
      assert.equal(sender.tcpi_received_ce, box.markedIn)
      // Without the bytes the safest likely is assumed of an ACK of more than seven segments.
      if (option === 0) assert.ok(sender.tcpi_delivered_ce >= receiver.tcpi_received_ce)
      else assert.equal(sender.tcpi_delivered_ce, receiver.tcpi_received_ce)
      if (option === 2) {
        assert.equal(sender.tcpi_delivered_e0_bytes, receiver.tcpi_received_e0_bytes)
        assert.equal(sender.tcpi_delivered_ce_bytes, receiver.tcpi_received_ce_bytes)
      }
    }
})
