/** The web server of `sockeye serve`: files of one folder, ranges, uploads. What runs it is Node's http module. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, type Stats, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Bytes read from a file at once. */
const FILE_BUFFER = 262144
const UPLOAD = '/upload/'
const UPLOAD_NAME = /^[\w][\w.-]{0,254}$/

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
}

/** A server of the files in `root` (none: no files), not yet listening. */
export function webServer(root: string | undefined): Server {
  return createServer((request, response) => {
    answer(root, request, response).catch(() => response.destroy())
  })
}

async function answer(root: string | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = pathOf(request.url ?? '/')
  if (path === undefined) return refuse(response, 400)
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return root === undefined ? refuse(response, 404) : sendFile(join(root, path), request, response)
    case 'PUT':
    case 'POST':
      return receive(root, path, request, response)
    default:
      response.setHeader('Allow', 'GET, HEAD, PUT, POST')
      return refuse(response, 405)
  }
}

/** The path of a request target, made absolute so that it cannot leave the folder it is joined to. */
function pathOf(target: string): string | undefined {
  try {
    const path = decodeURIComponent((target.split('?')[0] as string) || '/')
    return path.includes('\0') || !path.startsWith('/') ? undefined : normalize(path)
  } catch {
    return undefined
  }
}

function refuse(response: ServerResponse, status: number): void {
  const body = `${status}\n`
  response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': body.length }).end(body)
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false })
}

async function sendFile(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let file = path
  let stat = statOf(file)
  if (stat?.isDirectory() === true) {
    file = join(path, 'index.html')
    stat = statOf(file)
  }
  if (stat === undefined || !stat.isFile()) return refuse(response, 404)
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('Last-Modified', stat.mtime.toUTCString())
  response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream')
  const range = rangeOf(request.headers.range, stat.size)
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${stat.size}`)
    return refuse(response, 416)
  }
  const { start, end } = range ?? { start: 0, end: stat.size - 1 }
  response.setHeader('Content-Length', end - start + 1)
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${start}-${end}/${stat.size}`)
  response.writeHead(range === undefined ? 200 : 206)
  if (request.method === 'HEAD' || end < start) {
    response.end()
    return
  }
  await pipeline(createReadStream(file, { start, end, highWaterMark: FILE_BUFFER }), response)
}

/** The single range of a Range header (RFC 9110 §14.1.2); undefined if there is none to be heeded. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  if (match[1] === '') {
    const last = Math.min(Number(match[2]), size)
    return last === 0 ? 'unsatisfiable' : { start: size - last, end: size - 1 }
  }
  const start = Number(match[1])
  const end = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  if (match[2] !== '' && Number(match[2]) < start) return undefined
  return start >= size ? 'unsatisfiable' : { start, end }
}

/** Takes a body, answers with its length and SHA-256; below /upload/ it is kept under its name. */
async function receive(
  root: string | undefined,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const hash = createHash('sha256')
  let bytes = 0
  const digest = new Transform({
    highWaterMark: FILE_BUFFER,
    transform(chunk: Buffer, _encoding, done): void {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  let status = 200
  if (path.startsWith(UPLOAD)) {
    const name = path.slice(UPLOAD.length)
    if (root === undefined || !UPLOAD_NAME.test(name)) return refuse(response, root === undefined ? 403 : 400)
    await pipeline(request, digest, createWriteStream(join(root, name), { highWaterMark: FILE_BUFFER }) as Writable)
    status = 201
  } else {
    digest.resume()
    await pipeline(request, digest)
  }
  const body = `${JSON.stringify({ bytes, sha256: hash.digest('hex') })}\n`
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body)
}
