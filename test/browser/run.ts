/**
 * `node --import tsx test/browser/run.ts`: the stack and blocking calls from workers in a browser. A server of this process gives the
 * sources, translated one by one, with the headers that shared memory needs; Chromium without a window loads the page. Exit code 0 if
 * the page says so; 77 where there is no Chromium (apt-get install chromium), a failure in CI.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome']
const SECONDS = 30
const SKIPPED = 77

const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}
/** Errors before the page itself can tell, too: a module that does not load, an exception. */
const PAGE = `<!doctype html><title>Sockeye</title><script>
const tell = (what) => fetch('/result', { method: 'POST', body: String(what) })
addEventListener('error', (event) => tell(event.message ?? 'not loaded: ' + event.target.src), true)
addEventListener('unhandledrejection', (event) => tell(event.reason))
</script><script type="module" src="/test/browser/page.ts"></script>`

/** Answers one request; what the page says about itself goes to `tell`. */
function serve(request: IncomingMessage, response: ServerResponse, tell: (result: string) => void): void {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const send = (status: number, type: string, body: string): void => {
    response.writeHead(status, { ...HEADERS, 'Content-Type': type })
    response.end(body)
  }
  if (request.method === 'POST') {
    let body = ''
    request.on('data', (part: Uint8Array) => (body += String(part)))
    request.on('end', () => {
      send(204, 'text/plain', '')
      tell(body)
    })
  } else if (pathname === '/') send(200, 'text/html', PAGE)
  else if (/^\/(src|test)\/[\w/.-]+\.ts$/.test(pathname) && !pathname.includes('..')) {
    const source = readFileSync(join(ROOT, pathname), 'utf8')
    send(200, 'text/javascript', transformSync(source, { loader: 'ts', target: 'es2022' }).code)
  } else send(404, 'text/plain', '')
}

/** Starts the first browser that is installed; undefined if there is none. */
async function startBrowser(url: string, profile: string): Promise<ChildProcess | undefined> {
  for (const name of BROWSERS) {
    const options = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`, url]
    const browser = spawn(name, options, { stdio: ['ignore', 'ignore', 'pipe'] })
    const isStarted = await new Promise<boolean>((resolve) => {
      browser.once('spawn', () => resolve(true))
      browser.once('error', () => resolve(false))
    })
    if (isStarted) return browser
  }
  return undefined
}

async function main(): Promise<number> {
  let tell = (_result: string): void => {}
  const told = new Promise<string>((resolve) => {
    tell = resolve
  })
  const server = createServer((request, response) => serve(request, response, tell))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const profile = mkdtempSync(join(tmpdir(), 'sockeye-browser-'))
  const browser = await startBrowser(`http://127.0.0.1:${port}/`, profile)
  let log = ''
  browser?.stderr?.on('data', (part: Uint8Array) => (log += String(part)))
  const timer = setTimeout(() => tell(`no answer in ${SECONDS} s`), SECONDS * 1000)
  const result = browser === undefined ? 'no browser' : await told
  clearTimeout(timer)
  if (browser !== undefined) {
    const gone = new Promise((resolve) => browser.once('exit', resolve))
    browser.kill()
    await gone
  }
  server.close()
  server.closeAllConnections()
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  if (browser === undefined) {
    console.log('browser: skipped, no Chromium (apt-get install chromium)')
    return process.env.CI === undefined ? SKIPPED : 1
  }
  console.log(`browser: ${result}`)
  if (result.startsWith('ok ')) return 0
  console.error(log)
  return 1
}

process.exitCode = await main()
