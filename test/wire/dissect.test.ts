import assert from 'node:assert/strict'
import test from 'node:test'
import { DissectContext, dissect, line, type TreeNode, tree } from '../../src/wire/dissect.ts'
import { A, B, packet, segment } from './build.ts'
import { VECTORS as BUILT } from './vectors/built.ts'
import { VECTORS as KERNEL } from './vectors/kernel.ts'
import { bytesOf } from './vectors/vector.ts'

for (const [name, vectors] of Object.entries({ kernel: KERNEL, built: BUILT })) {
  test(`each ${name} vector prints the line tcpdump 4.99.3 -n printed for it`, () => {
    const context = new DissectContext()
    for (const v of vectors) assert.equal(line(bytesOf(v), { context }).trimEnd(), v.line, v.name)
  })
}

test('without a context sequence numbers are absolute, as tcpdump -S', () => {
  const v = KERNEL.find((k) => k.line.includes('Flags [.], ack 1,'))
  assert.ok(v)
  assert.match(line(bytesOf(v)), /ack \d{6,}/)
})

test('a raw IP frame needs no Ethernet header', () => {
  const b = packet(6, segment(2, new Uint8Array(0)))
  assert.match(line(b, { medium: 'ip' }), /^IP 10\.0\.0\.1\.40000 > 10\.0\.0\.2\.9: Flags \[S\]/)
  assert.equal(tree(b, { medium: 'ip' })[0]?.name, 'ip')
})

test('a snapped frame shows the truncated layer, one short on the wire says how much is missing', () => {
  const v = KERNEL.find((k) => k.line.includes('Flags [S]'))
  assert.ok(v)
  const b = bytesOf(v)
  assert.match(line(b.slice(0, 44), { wireLength: b.length }), / \[\|tcp\]$/)
  assert.match(line(b.slice(0, 44)), /truncated-ip - \d+ bytes missing! .* \[\|tcp\]$/)
  assert.equal(line(b.slice(0, 10)), ' [|ether]')
  assert.equal(line(new Uint8Array(0)), ' [|ether]')
})

test('the context forgets the oldest conversation at its limit and refuses a bad limit', () => {
  const context = new DissectContext(3)
  for (let port = 1; port <= 10; port++) {
    line(packet(6, segment(0x10, new Uint8Array(0), '', port)), { medium: 'ip', context })
    assert.ok(context.size <= 3)
  }
  assert.equal(context.size, 3)
  assert.throws(() => new DissectContext(0), /limit must be a positive integer, got 0/)
})

test('IP inside IP is followed to a fixed depth, however often it is nested', () => {
  let b = packet(4, new Uint8Array(0))
  for (let i = 0; i < 500; i++) b = packet(4, b)
  assert.ok(line(b, { medium: 'ip' }).length < 1000)
  assert.ok(tree(b, { medium: 'ip' }).length < 20)
})

test('every row of a tree lies inside the frame and inside the row above, except layers an ICMP error quotes', () => {
  for (const v of [...KERNEL, ...BUILT]) {
    const b = bytesOf(v)
    const walk = (n: TreeNode, from: number, to: number): void => {
      assert.ok(n.offset >= from && n.offset + n.length <= to, `${v.name}: ${n.name} ${n.offset}+${n.length}`)
      for (const child of n.children) walk(child, n.offset, n.offset + n.length)
    }
    for (const layer of tree(b)) walk(layer, 0, b.length)
  }
})

test('layers of a tree follow one another and together cover the frame', () => {
  for (const v of KERNEL) {
    const b = bytesOf(v)
    let at = 0
    for (const layer of tree(b)) {
      assert.equal(layer.offset, at, v.name)
      at += layer.length
    }
    assert.equal(at, b.length, v.name)
  }
})

test('dissect gives both forms', () => {
  const b = packet(6, segment(2, new Uint8Array(0)))
  const both = dissect(b, { medium: 'ip' })
  assert.equal(both.line, line(b, { medium: 'ip' }))
  assert.deepEqual(both.tree, tree(b, { medium: 'ip' }))
  assert.equal(
    both.tree[1]?.text,
    `Transmission Control Protocol, Src Port: 40000, Dst Port: 9, Seq: 2147483632, Len: 0`,
  )
  assert.notEqual(A, B)
})
