/** Files as text, by system calls. */
import type { Process } from '../host/process.ts'
import { O_RDONLY, O_WRONLY } from '../sock/constants.ts'

const PIECE = 65536

/** All of a file, or what of it comes before `most` characters are there. A SystemError tells why not. */
export async function readFile(process: Process, path: string, most: number = Infinity): Promise<string> {
  const fd = process.open(path, O_RDONLY)
  try {
    const decoder = new TextDecoder()
    const bytes = new Uint8Array(PIECE)
    let text = ''
    for (;;) {
      const n = await process.read(fd, bytes)
      if (n === 0 || text.length >= most) return text + decoder.decode()
      text += decoder.decode(bytes.subarray(0, n), { stream: true })
    }
  } finally {
    await process.close(fd)
  }
}

/** Writes `text` to a file that exists, in one call. */
export async function writeFile(process: Process, path: string, text: string): Promise<void> {
  const fd = process.open(path, O_WRONLY)
  try {
    await process.write(fd, new TextEncoder().encode(text))
  } finally {
    await process.close(fd)
  }
}

/** The names in a directory, sorted, without `.` and `..`. */
export async function namesIn(process: Process, path: string): Promise<string[]> {
  const fd = process.open(path, O_RDONLY)
  try {
    const names = process.getdents(fd).map((entry) => entry.name)
    return names.filter((name) => name !== '.' && name !== '..').sort()
  } finally {
    await process.close(fd)
  }
}
