/** /proc of a host (proc(5)): processes, the network's tables and counters, sysctls. */

import {
  type Directory,
  type FileUser,
  FixedDirectory,
  GeneratedFile,
  type Inode,
  ROOT_USER,
  Symlink,
  Volume,
} from '../fs/inode.ts'
import { W_OK } from '../fs/mode.ts'
import { EACCES } from '../sys/errno.ts'
import type { Host } from './host.ts'
import { procIcmp, procNetlink, procPacket, procRaw, procUdp, UDP6_TEXT, UDPLITE_TEXT } from './proc-datagrams.ts'
import { PTYPE_TEXT, procArp, procDev, procIgmp, procNetstat, procRoute, procSnmp } from './proc-net.ts'
import { PidDirectory } from './proc-pid.ts'
import { procSockstat, procTcp, procUnix, TCP6_TEXT } from './proc-sockets.ts'
import { sysDirectory } from './proc-sys.ts'

const PROC_DEVICE = 5
const READ_ONLY = 0o444

/** The files of /proc/net by name. Those of IPv6 have no rows yet. */
const NET_FILES: Readonly<Record<string, (host: Host) => string>> = {
  arp: procArp,
  dev: procDev,
  icmp: procIcmp,
  igmp: procIgmp,
  netlink: procNetlink,
  netstat: procNetstat,
  packet: procPacket,
  ptype: () => PTYPE_TEXT,
  raw: procRaw,
  raw6: () => UDP6_TEXT,
  route: procRoute,
  snmp: procSnmp,
  sockstat: procSockstat,
  tcp: procTcp,
  tcp6: () => TCP6_TEXT,
  udp: procUdp,
  udp6: () => UDP6_TEXT,
  udplite: () => UDPLITE_TEXT,
  unix: procUnix,
}

/** A file of /proc/net: not even root opens it to write (seq_open_net). */
class NetFile extends GeneratedFile {
  override permission(user: FileUser, wanted: number): number {
    return (wanted & W_OK) !== 0 ? -EACCES : super.permission(user, wanted)
  }
}

/** /proc itself: a directory for each process that runs, and what is fixed. */
class ProcDirectory extends FixedDirectory {
  readonly #host: Host
  readonly #processes: Map<number, PidDirectory> = new Map()
  readonly #net: Directory
  /** /proc/sys: hundreds of files, made when somebody asks for them, which few hosts are. */
  #sys: Directory | null = null

  constructor(host: Host, volume: Volume) {
    super(volume, 0o555, ROOT_USER, host.tree.root, 'proc')
    this.#host = host
    this.#net = new FixedDirectory(volume, 0o555, ROOT_USER, this, 'net')
    for (const [name, text] of Object.entries(NET_FILES)) {
      this.#net.set(name, new NetFile(volume, READ_ONLY, ROOT_USER, () => text(host)))
    }
    this.set('net', new Symlink(volume, 'self/net', ROOT_USER))
    this.set('self', new SelfLink(volume, '', ROOT_USER))
    this.links++
  }

  override lookup(name: string, user: FileUser): Inode | undefined {
    if (name === 'sys') {
      this.#sys ??= sysDirectory(this.#host, this.volume, this)
      return this.#sys
    }
    return super.lookup(name, user) ?? (/^[1-9]\d*$/.test(name) ? this.#ofProcess(Number(name)) : undefined)
  }

  #ofProcess(pid: number): PidDirectory | undefined {
    const process = this.#host.processes.get(pid)
    if (process === undefined) {
      this.#processes.delete(pid)
      return undefined
    }
    let directory = this.#processes.get(pid)
    if (directory === undefined) {
      directory = new PidDirectory(process, this.volume, this, this.#net)
      this.#processes.set(pid, directory)
    }
    return directory
  }

  override *names(): Generator<string> {
    for (const pid of this.#processes.keys()) if (!this.#host.processes.has(pid)) this.#processes.delete(pid)
    yield* super.names()
    yield 'sys'
    for (const pid of this.#host.processes.keys()) yield String(pid)
  }
}

/** /proc/self: the number of whoever asks. */
class SelfLink extends Symlink {
  override text(user: FileUser): string {
    return String(user.pid)
  }
}

/** Mounts /proc on a host's file tree. */
export function mountProc(host: Host): void {
  const volume = new Volume(PROC_DEVICE, host.tree.volume.now)
  host.tree.mount('proc', new ProcDirectory(host, volume))
}
