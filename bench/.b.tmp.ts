import { Host } from '/work/main/src/host/host.ts'
import { RealClock } from '/work/main/src/platform/clock.ts'
import { Random } from '/work/main/src/sys/random.ts'
import type { Process } from '/work/main/src/host/process.ts'
import { sampleRate, median } from '/work/main/bench/harness.ts'
const CHUNK = Number(process.env.CH ?? 262144)
const pace = { samples: 5, seconds: 0.5, warmup: 0.7, isQuick: true }
function host() { const clock = new RealClock(); clock.ref(); return new Host({ name: 'h', clock, random: new Random(1) }) }
type Open = (p: Process) => Promise<number>
async function run(name: string, server: Open, client: Open, type: 'pair'|'') {
  const h = host()
  let received = 0
  h.spawn(async (p) => { const fd = await server(p); const b = new Uint8Array(CHUNK); for (;;) received += await p.read(fd, b) })
  h.spawn(async (p) => { const fd = await client(p); const b = new Uint8Array(CHUNK).fill(85); for (;;) await p.write(fd, b) })
  const r = await sampleRate(() => received, pace)
  console.log(name, (median(r) / 1e9).toFixed(2), 'GB/s', r.map((x) => (x / 1e9).toFixed(2)).join(' '))
  return h
}
async function polled(name: string, family: number, addr: any) {
  const h = host(); let received = 0
  h.spawn(async (p) => { const l = p.socket(family, 1); p.bind(l, addr); p.listen(l, 5); const fd = await p.accept4(l, null, 0o4000); const b = new Uint8Array(CHUNK); const fds=[{fd,events:1}]
    for (;;) { const n = p.sys.read(fd, b, 0, CHUNK); if (n > 0) received += n; else await p.poll(fds) } })
  h.spawn(async (p) => { const fd = p.socket(family, 1); await p.connect(fd, addr); const b = new Uint8Array(CHUNK).fill(85); const fds=[{fd,events:4}]; p.ioctl(fd, 0x5421, 1)
    for (;;) { const n = p.sys.write(fd, b, 0, CHUNK); if (n < 0) await p.poll(fds) } })
  const r = await sampleRate(() => received, pace)
  console.log(name, (median(r) / 1e9).toFixed(2), 'GB/s', r.map((x) => (x / 1e9).toFixed(2)).join(' '))
}
const [what] = process.argv.slice(2)
const inet = { address: '127.0.0.1', port: 7 }
const ux = { family: 1, path: '/tmp/s' }
const srv = (f: number, a: any): Open => async (p) => { const l = p.socket(f, 1); p.bind(l, a); p.listen(l, 5); return p.accept(l) }
const cli = (f: number, a: any): Open => async (p) => { const fd = p.socket(f, 1); await p.connect(fd, a); return fd }
if (what === 'tcp') await run('tcp awaited', srv(2, inet), cli(2, inet), '')
if (what === 'unix') await run('unix awaited', srv(1, ux), cli(1, ux), '')
if (what === 'tcpp') await polled('tcp polled', 2, inet)
if (what === 'unixp') await polled('unix polled', 1, ux)
if (what === 'pipe') {
  const h = host(); let received = 0
  h.spawn(async (p) => { const [r, w] = p.pipe(); const b = new Uint8Array(CHUNK); const wb = new Uint8Array(CHUNK)
    void (async () => { for (;;) await p.write(w, wb) })(); for (;;) received += await p.read(r, b) })
  const r = await sampleRate(() => received, pace)
  console.log('pipe awaited', (median(r) / 1e9).toFixed(2), 'GB/s')
}
process.exit(0)
