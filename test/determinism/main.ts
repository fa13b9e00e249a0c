/** `node --import tsx test/determinism/main.ts FILE [SEED]`: writes the scenario's capture and prints its SHA-256. */
import { writeFileSync } from 'node:fs'
import { scenario, sha256 } from './capture.ts'

const [file = 'scenario.pcapng', seed = '1'] = process.argv.slice(2)
const { bytes, ...rest } = await scenario(Number(seed))
writeFileSync(file, bytes)
console.log(await sha256(bytes), bytes.length, 'bytes', JSON.stringify(rest))
