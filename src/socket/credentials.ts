/** Who a process is (credentials(7)), as far as sockets ask: user ids, and what stands for capabilities(7). */

import type { FsStruct } from '../fs/tree.ts'

/** User and group ids of a process; 0 is root and may do everything. */
export class Credentials {
  uid = 0
  euid = 0
  gid = 0
  egid = 0
  /** The process itself. */
  pid = 0
  /** Where paths begin, and the umask. */
  fs?: FsStruct

  /** CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, …: all of them or none. */
  get isPrivileged(): boolean {
    return this.euid === 0
  }

  clone(): Credentials {
    const copy = new Credentials()
    copy.uid = this.uid
    copy.euid = this.euid
    copy.gid = this.gid
    copy.egid = this.egid
    copy.pid = this.pid
    if (this.fs !== undefined) copy.fs = this.fs.clone()
    return copy
  }
}
