/** stat(2): what an inode is, in Linux's fields. */

import type { Inode, Volume } from '../fs/inode.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { type TimeSpec, toSpec } from './time.ts'

/** struct stat. `mode` is a kind (S_IFREG, S_IFSOCK, …) and permission bits; `blocks` are of 512 bytes. */
export interface Stat {
  readonly dev: number
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
  readonly blksize: number
  readonly blocks: number
  readonly atime: TimeSpec
  readonly mtime: TimeSpec
  readonly ctime: TimeSpec
}

const BLOCK_SIZE = 4096
const SECTOR = 512
/** Devices of sockets, pipes and anonymous inodes (sockfs, pipefs, anon_inodefs): one for all here. */
const NO_DEVICE = 8

/** The state of an inode. */
export function statInode(inode: Inode): Stat {
  const { volume, number, mode, links, uid, gid, rdev, size, allocated, atime, mtime, ctime } = inode
  return {
    dev: volume.device,
    ino: number,
    mode,
    nlink: links,
    uid,
    gid,
    rdev,
    size,
    blksize: BLOCK_SIZE,
    blocks: Math.ceil(allocated / SECTOR),
    atime: toSpec(atime),
    mtime: toSpec(mtime),
    ctime: toSpec(ctime),
  }
}

/** The state of what a descriptor refers to; what is not in the tree has a kind and a number only. */
export function statFile(file: OpenFile, { now }: Volume): Stat {
  const { inode } = file
  if (inode !== null) return statInode(inode)
  const time = toSpec(now())
  return {
    dev: NO_DEVICE,
    ino: file.inodeNumber,
    mode: file.mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: 0,
    blksize: BLOCK_SIZE,
    blocks: 0,
    atime: time,
    mtime: time,
    ctime: time,
  }
}
