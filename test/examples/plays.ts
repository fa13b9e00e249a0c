/** The examples that make sense on a real kernel too: who plays, told where the server is. */
import { acceptedClient, acceptingServer } from '../../examples/accept4/programs.ts'
import { chattyServer, type Ending, endingClient } from '../../examples/close-or-shutdown/programs.ts'
import { silentServer, watchfulClient } from '../../examples/keep-alive/programs.ts'
import { carelessServer, lineClient, lineServer } from '../../examples/local-lines/programs.ts'
import { oneShotClient } from '../../examples/one-shot/client.ts'
import { oneShotServer } from '../../examples/one-shot/server.ts'
import { restartingClient, restartingServer } from '../../examples/restart/programs.ts'
import { bytes } from '../../examples/stage.ts'
import type { Program } from '../../src/host/process.ts'

/** Where the server is: for TCP, and for local sockets. */
export interface Place {
  readonly address: string
  readonly port: number
  readonly path: string
}

/** Programs in the order they start, 100 ms apart. */
export type Play = (place: Place) => Readonly<Record<string, Program>>

const ending =
  (how: Ending): Play =>
  ({ address, port }) => ({ server: chattyServer(port), client: endingClient(address, port, how) })

export const PLAYS: Readonly<Record<string, Play>> = {
  'one-shot': ({ address, port }) => ({
    server: oneShotServer(port, bytes('one answer\n')),
    client: oneShotClient(address, port, 'one answer, please'),
  }),
  restart: ({ address, port }) => ({
    server: restartingServer(port, false),
    client: restartingClient(address, port),
  }),
  accept4: ({ address, port }) => ({ server: acceptingServer(port), client: acceptedClient(address, port) }),
  'keep-alive': ({ address, port }) => ({ server: silentServer(port), client: watchfulClient(address, port, 0) }),
  'local-lines': ({ path }) => ({
    careless: carelessServer(path),
    server: lineServer(path, 2),
    ann: lineClient(path, ['first', 'second']),
    ben: lineClient(path, ['hello']),
  }),
  close: ending('close'),
  'shutdown 0': ending(0),
  'shutdown 1': ending(1),
  'shutdown 2': ending(2),
}

/** 100 ms in microseconds: from the start of one program to that of the next. */
export const APART = 1e5
