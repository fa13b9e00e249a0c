import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Packet } from '../../src/buf/packet.ts'
import { Random } from '../../src/sys/random.ts'
import { type OooNode, OooTree } from '../../src/tcp/ooo-tree.ts'

const packetAt = (seq: number): Packet => ({ seq }) as unknown as Packet

/** Black nodes from here to each leaf; all rules of a red-black tree hold (lib/rbtree.c). */
function blackHeight(node: OooNode | null, above: number, below: number): number {
  if (node === null) return 1
  const { left, right } = node
  assert.ok(node.packet.seq > above && node.packet.seq < below, 'in order')
  assert.ok(!node.isRed || (left?.isRed !== true && right?.isRed !== true), 'no red below red')
  for (const child of [left, right]) assert.ok(child === null || child.parent === node, 'knows its parent')
  const height = blackHeight(left, above, node.packet.seq)
  assert.equal(height, blackHeight(right, node.packet.seq, below), 'as many black nodes on both sides')
  return height + (node.isRed ? 0 : 1)
}

function insert(tree: OooTree, seq: number): void {
  let parent: OooNode | null = null
  let isLeft = false
  for (let node = tree.root; node !== null; node = isLeft ? node.left : node.right) {
    parent = node
    isLeft = seq < node.packet.seq
  }
  tree.insert(packetAt(seq), parent, isLeft)
}

test('packets come and go in any order: the tree stays balanced and holds just those that are there (lib/rbtree.c)', () => {
  const random = new Random(1, 2)
  for (let round = 0; round < 100; round++) {
    const tree = new OooTree()
    const there = new Set<number>()
    for (let i = 0; i < 300; i++) {
      const seq = random.below(150)
      if (there.delete(seq)) tree.erase(seq)
      else {
        there.add(seq)
        insert(tree, seq)
      }
      assert.notEqual(tree.root?.isRed, true)
      blackHeight(tree.root, -1, 150)
    }
    for (let seq = 0; seq < 150; seq++) assert.equal(tree.find(seq)?.packet.seq ?? -1, there.has(seq) ? seq : -1)
  }
})

test('a thousand packets are put behind one another: none lies deeper than 20 (rb_insert_color)', () => {
  const tree = new OooTree()
  for (let seq = 0; seq < 1000; seq++) tree.append(packetAt(seq))
  let depth = 0
  for (let node = tree.root; node !== null; node = node.right) depth++
  assert.ok(depth <= 20, `${depth}`)
  blackHeight(tree.root, -1, 1000)
})
