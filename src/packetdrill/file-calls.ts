/** The system calls of scripts on files and pipes: open, pipe, read, write, splice. */
import { Pipe, PipeReader, PipeWriter } from '../host/pipe.ts'
import { Splice } from '../host/splice.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { EAGAIN, EBADF, ENOENT } from '../sys/errno.ts'
import { FileHandle, ZeroFile } from './handles.ts'
import { done, install, type Operation, ok, WAIT, zeros } from './operation.ts'
import type { Expression, SystemCall } from './script.ts'
import { items, numberOr } from './values.ts'
import type { World } from './world.ts'

export function open(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const path = args[0]?.kind === 'string' ? args[0].text : ''
  const size = world.files.get(path)
  if (size === undefined) return done(-ENOENT)
  return done(install(world, call, new FileHandle(new ZeroFile(size))), true)
}

/** pipe([reader, writer]): the numbers the script expects. */
export function pipe(world: World, args: readonly Expression[]): Operation {
  const [reader, writer] = items(args[0])
  const made = new Pipe(world.stack)
  world.handles.set(numberOr(reader, -1), new FileHandle(new PipeReader(made, 0)))
  world.handles.set(numberOr(writer, -1), new FileHandle(new PipeWriter(made, 0)))
  return done(0)
}

/** read or write of a file. */
export function transfer({ file }: FileHandle, length: number, isWrite: boolean): Operation {
  const bytes = zeros(length)
  return waiting([file], () => {
    const result = isWrite ? file.write(bytes, 0, length) : file.read(bytes, 0, length)
    return result === -EAGAIN && !file.isNonBlocking ? WAIT : result
  })
}

/** splice(in, NULL, out, NULL, n, flags). */
export function splice(world: World, args: readonly Expression[]): Operation {
  const from = world.handles.get(numberOr(args[0], -1))
  const to = world.handles.get(numberOr(args[2], -1))
  if (from === undefined || to === undefined) return done(-EBADF)
  const call = new Splice({
    from: from.file,
    out: to.file,
    length: numberOr(args[4], 0),
    flags: numberOr(args[5], 0),
  })
  return waiting([from.file, to.file], () => {
    const result = call.step()
    return result === -EAGAIN && call.maySleep ? WAIT : result
  })
}

function waiting(files: readonly OpenFile[], attempt: () => number): Operation {
  const queues = files.flatMap(({ wait }) => (wait === null ? [] : [wait]))
  return { queues, deadline: Infinity, givesFd: false, attempt, check: ok }
}
