/**
 * Data out of order by its sequence number: a red-black tree beside the list, as Linux keeps it (out_of_order_queue, lib/rbtree.c).
 * It finds a place in few steps, and what overlaps is met in Linux's order.
 */
import type { Packet } from '../buf/packet.ts'
import { before, type Seq } from './seq.ts'

export class OooNode {
  packet: Packet
  left: OooNode | null = null
  right: OooNode | null = null
  parent: OooNode | null = null
  isRed = true

  constructor(packet: Packet) {
    this.packet = packet
  }
}

const isBlack = (node: OooNode | null): boolean => node === null || !node.isRed

export class OooTree {
  root: OooNode | null = null

  /** The node of the packet that begins at `seq`; numbers are there once. */
  find(seq: Seq): OooNode | null {
    let node = this.root
    while (node !== null && node.packet.seq !== seq) node = before(seq, node.packet.seq) ? node.left : node.right
    return node
  }

  /** Puts the packet below `parent`, which has no child on that side (rb_link_node, rb_insert_color). */
  insert(packet: Packet, parent: OooNode | null, isLeft: boolean): void {
    const node = new OooNode(packet)
    node.parent = parent
    if (parent === null) this.root = node
    else if (isLeft) parent.left = node
    else parent.right = node
    this.#balanceInserted(node)
  }

  /** Puts the packet behind all others. */
  append(packet: Packet): void {
    let last = this.root
    while (last !== null && last.right !== null) last = last.right
    this.insert(packet, last, false)
  }

  /** Takes the packet that begins at `seq` out (rb_erase). */
  erase(seq: Seq): void {
    const found = this.find(seq)
    if (found === null) return
    let node = found
    if (node.left !== null && node.right !== null) {
      // The next one takes its place.
      let next = node.right
      while (next.left !== null) next = next.left
      node.packet = next.packet
      node = next
    }
    const child = node.left ?? node.right
    const { parent } = node
    this.#replace(node, child)
    if (node.isRed) return
    if (child !== null) child.isRed = false
    else if (parent !== null) this.#balanceErased(parent)
  }

  #replace(node: OooNode, by: OooNode | null): void {
    const { parent } = node
    if (parent === null) this.root = by
    else if (parent.left === node) parent.left = by
    else parent.right = by
    if (by !== null) by.parent = parent
  }

  /** The child on the other side takes the node's place, and the node becomes its child on this one. */
  #rotate(node: OooNode, isLeft: boolean): void {
    const up = (isLeft ? node.right : node.left) as OooNode
    const inner = isLeft ? up.left : up.right
    if (isLeft) node.right = inner
    else node.left = inner
    if (inner !== null) inner.parent = node
    this.#replace(node, up)
    if (isLeft) up.left = node
    else up.right = node
    node.parent = up
  }

  #balanceInserted(inserted: OooNode): void {
    let node = inserted
    for (let { parent } = node; parent?.isRed; parent = node.parent) {
      const top = parent.parent as OooNode
      const isLeft = top.left === parent
      const uncle = isLeft ? top.right : top.left
      if (uncle?.isRed) {
        uncle.isRed = parent.isRed = false
        top.isRed = true
        node = top
        continue
      }
      if (node === (isLeft ? parent.right : parent.left)) {
        this.#rotate(parent, isLeft)
        parent = node
      }
      parent.isRed = false
      top.isRed = true
      this.#rotate(top, !isLeft)
      break
    }
    ;(this.root as OooNode).isRed = false
  }

  /** Below `parent` one side, empty at first, has a black node fewer than the other. */
  #balanceErased(below: OooNode): void {
    let node: OooNode | null = null
    for (let parent: OooNode | null = below; parent !== null; ) {
      const isLeft: boolean = parent.left === node
      let sibling = (isLeft ? parent.right : parent.left) as OooNode
      if (sibling.isRed) {
        sibling.isRed = false
        parent.isRed = true
        this.#rotate(parent, isLeft)
        sibling = (isLeft ? parent.right : parent.left) as OooNode
      }
      const near = isLeft ? sibling.left : sibling.right
      let far = isLeft ? sibling.right : sibling.left
      if (isBlack(near) && isBlack(far)) {
        sibling.isRed = true
        if (parent.isRed) {
          parent.isRed = false
          return
        }
        node = parent
        parent = parent.parent
        continue
      }
      if (isBlack(far)) {
        ;(near as OooNode).isRed = false
        sibling.isRed = true
        this.#rotate(sibling, !isLeft)
        far = sibling
        sibling = near as OooNode
      }
      sibling.isRed = parent.isRed
      parent.isRed = false
      ;(far as OooNode).isRed = false
      this.#rotate(parent, isLeft)
      return
    }
  }
}
