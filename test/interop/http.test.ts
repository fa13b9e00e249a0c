/** HTTP by Node's own module on our sockets, with curl of the kernel's side over a TAP device. */
import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, createReadStream, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Lab, numbers, OURS, skipReason } from './lab.ts'
import { frames, wrongFrames } from './tshark.ts'

const skip = skipReason('curl', 'tshark')
const MiB = 1 << 20
const DOWNLOAD = 1024 * MiB
const UPLOAD = 256 * MiB
/** What is transferred with every byte captured, for tshark. */
const CAPTURED = 24 * MiB
/** Connections that share the large download through a bad wire: each alone is slowed by its losses. */
const PARTS = 16
/** Faults both ways, put in by us. */
const FAULTS = 'loss=2%,duplicate=1%,reorder=1%,delay=50us,direction=both,seed=1'

/** Writes `length` bytes of noise; their SHA-256. */
function noise(file: string, length: number): string {
  const hash = createHash('sha256')
  const block = new Uint8Array(MiB)
  const fd = openSync(file, 'w')
  for (let at = 0; at < length; at += MiB) {
    randomFillSync(block)
    writeSync(fd, block)
    hash.update(block)
  }
  closeSync(fd)
  return hash.digest('hex')
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: MiB })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

describe('HTTP with curl over TAP', { skip }, () => {
  let lab: Lab
  let root: string
  let big: string
  let upload: string
  let part: string

  before(() => {
    lab = new Lab('http')
    root = lab.file('root')
    mkdirSync(root)
    big = noise(`${root}/big`, DOWNLOAD)
    upload = noise(lab.file('upload'), UPLOAD)
    const text = numbers(CAPTURED)
    writeFileSync(`${root}/part`, text)
    part = createHash('sha256').update(text).digest('hex')
    writeFileSync(`${root}/small`, 'small\n')
  })
  after(() => lab.close())

  /** Runs `body` while our end serves; what our end printed. */
  async function during(args: readonly string[], body: () => Promise<void>): Promise<string> {
    const serving = await lab.serve('--http', '80', '--root', root, ...args)
    try {
      await body()
    } catch (error) {
      throw new Error(`${(error as Error).message}; our end: ${serving.stderr.slice(0, 2000)}`, { cause: error })
    } finally {
      serving.child.kill('SIGTERM')
    }
    const { status, stdout, stderr } = await serving.end()
    assert.equal(status, 0, stderr)
    return stdout
  }
  const rate = (stdout: string): string => `${((Number(stdout.trim().split('\n').at(-1)) * 8) / 1e9).toFixed(2)} Gbit/s`

  async function download(name: string): Promise<{ digest: string; rate: string }> {
    const got = lab.file('got')
    const { stdout, stderr, status } = await lab.run(
      'curl',
      '-sS',
      '-o',
      got,
      '-w',
      '%{speed_download}',
      `http://${OURS}/${name}`,
    )
    assert.equal(status, 0, stderr)
    return { digest: await sha256(got), rate: rate(stdout) }
  }

  async function put(file: string): Promise<{ digest: string; rate: string }> {
    const { stdout, stderr, status } = await lab.run(
      'curl',
      '-sS',
      '-T',
      file,
      '-w',
      '%{speed_upload}',
      `http://${OURS}/put`,
    )
    assert.equal(status, 0, stderr)
    return { digest: (JSON.parse(stdout.split('\n')[0] as string) as { sha256: string }).sha256, rate: rate(stdout) }
  }

  test('curl fetches 1 GiB and uploads 256 MiB, SHA-256 equal', async (t) => {
    await during([], async () => {
      const down = await download('big')
      const up = await put(lab.file('upload'))
      t.diagnostic(`download ${down.rate}, upload ${up.rate}`)
      assert.equal(down.digest, big)
      assert.equal(up.digest, upload)
    })
  })

  test('the same with 2 % loss, 1 % duplication and reordering both ways, SHA-256 equal', async (t) => {
    const statistics = await during(['--impair', FAULTS], async () => {
      const size = DOWNLOAD / PARTS
      const begin = Date.now()
      const line = `for i in $(seq 0 ${PARTS - 1}); do curl -sS -r $((i * ${size}))-$((i * ${size} + ${size - 1})) -o ${lab.file('part')}$i http://${OURS}/big || echo failed & done; wait`
      const { stdout, stderr } = await lab.shell(line)
      assert.equal(stdout + stderr, '')
      t.diagnostic(
        `download ${((DOWNLOAD * 8) / (Date.now() - begin) / 1e6).toFixed(2)} Gbit/s over ${PARTS} connections`,
      )
      const names = Array.from({ length: PARTS }, (_, i) => `${lab.file('part')}${i}`)
      await lab.shell(`cat ${names.join(' ')} > ${lab.file('got')}; rm ${names.join(' ')}`)
      assert.equal(await sha256(lab.file('got')), big)
      const up = await put(lab.file('upload'))
      t.diagnostic(`upload ${up.rate}`)
      assert.equal(up.digest, upload)
    })
    assert.match(statistics, /impair out: .*loss \d+.*duplicated \d+.*reordered \d+/)
    assert.match(statistics, /impair in: .*loss \d+.*duplicated \d+.*reordered \d+/)
  })

  test('a capture of a transfer both ways has nothing that tshark calls wrong', async () => {
    const capture = lab.capture('clean')
    await during(['--pcap', capture], async () => {
      const down = await download('part')
      const up = await put(`${root}/part`)
      assert.deepEqual([down.digest, up.digest], [part, part])
    })
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('a capture of a transfer with faults shows what was dropped, and nothing missing that was not', async () => {
    const capture = lab.capture('faults')
    await during(['--pcap', capture, '--impair', FAULTS], async () => {
      const down = await download('part')
      const up = await put(`${root}/part`)
      assert.deepEqual([down.digest, up.digest], [part, part])
    })
    assert.deepEqual(wrongFrames(capture), [])
    assert.ok(frames(capture, 'frame.comment contains "dropped: impair.loss"').length > 100)
  })

  test('2,000 requests one after the other, each with a connection of its own, all succeed', async () => {
    await during([], async () => {
      const format = '%{http_code} %{size_download} %{num_connects}\\n'
      const { stdout } = await lab.shell(
        `curl -sS -H 'Connection: close' -o /dev/null -w '${format}' 'http://${OURS}/small?[1-2000]' | sort | uniq -c`,
      )
      assert.equal(stdout.trim(), '2000 200 6 1')
    })
  })

  test('256 requests at the same time, each with a connection of its own, all succeed', async () => {
    await during([], async () => {
      const options = "--parallel-immediate --parallel-max 256 -H 'Connection: close'"
      const { stdout } = await lab.shell(
        `curl -sS -Z ${options} -o /dev/null -w '%{http_code} %{size_download}\\n' 'http://${OURS}/small?[1-256]' | sort | uniq -c`,
      )
      assert.equal(stdout.trim(), '256 200 6')
    })
  })

  test('a range, a missing file, a path out of the folder and a second request on one connection are answered as HTTP says', async () => {
    await during([], async () => {
      const curl = async (...args: string[]): Promise<string> =>
        (await lab.run('curl', '-sS', '--path-as-is', ...args)).stdout
      assert.equal(await curl('-r', '1-3', `http://${OURS}/small`), 'mal')
      assert.equal(await curl('-o', '/dev/null', '-w', '%{http_code}', `http://${OURS}/none`), '404')
      assert.equal(await curl('-o', '/dev/null', '-w', '%{http_code}', `http://${OURS}/../upload`), '404')
      assert.equal(
        await curl('-w', '%{num_connects} ', `http://${OURS}/small`, `http://${OURS}/small`),
        'small\n1 small\n0 ',
      )
      assert.match(await curl('-I', `http://${OURS}/small`), /^HTTP\/1\.1 200 OK\r\n.*Content-Length: 6\r\n/s)
    })
  })
})
