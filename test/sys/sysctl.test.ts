/** Sysctls by name (Documentation/networking/ip-sysctl.rst): which there are, defaults, bounds. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { EINVAL, ENOENT } from '../../src/sys/errno.ts'
import { NO_SUCH_SYSCTL, Sysctls } from '../../src/sys/sysctl.ts'
import { SYSCTL_DIRECTORIES } from '../../src/sys/sysctl-table.ts'

test('every name of the table can be read, with dots and with slashes', () => {
  const sysctl = new Sysctls()
  for (const [directory, names] of Object.entries(SYSCTL_DIRECTORIES)) {
    for (const name of names) {
      // Made up as it is read (proc(5)).
      if (name === 'file-nr') continue
      assert.notEqual(sysctl.get(`${directory}/${name}`), NO_SUCH_SYSCTL, name)
      assert.deepEqual(sysctl.get(`${directory}/${name}`.replaceAll('/', '.')), sysctl.get(`${directory}/${name}`))
    }
  }
})

test('a name of another directory or of none does not exist: ENOENT', () => {
  const sysctl = new Sysctls()
  for (const name of [
    'net.ipv4.rmem_max',
    'net.core.tcp_rmem',
    'net.ipv4.nothing',
    'net.ipv6.conf.all.forwarding',
    'rmem_max',
    '',
    'net.core.get',
  ]) {
    assert.equal(sysctl.get(name), NO_SUCH_SYSCTL, name)
    assert.equal(sysctl.set(name, 1), -ENOENT, name)
  }
})

test('what is only kept has Linux’s default and bounds, and is read back (proc_dointvec_minmax)', () => {
  const sysctl = new Sysctls()
  const cases: readonly (readonly [string, number, number, number])[] = [
    ['net.core.optmem_max', 131072, 0, 0x7fffffff],
    ['net.core.busy_poll', 0, 0, 0x7fffffff],
    ['net.ipv4.fib_multipath_hash_policy', 0, 0, 3],
    ['net.ipv4.ip_early_demux', 1, 0, 255],
    ['net.ipv4.tcp_plb_cong_thresh', 128, 0, 256],
    ['net.ipv4.neigh.default.proxy_qlen', 64, 0, 0x7fffffff],
  ]
  for (const [name, initial, least, largest] of cases) {
    assert.equal(sysctl.get(name), initial, name)
    for (const value of [least, largest]) {
      assert.equal(sysctl.set(name, value), 0, name)
      assert.equal(sysctl.get(name), value)
    }
    assert.equal(sysctl.set(name, least - 1), -EINVAL, name)
    assert.equal(sysctl.get(name), largest)
  }
})

test('ip_local_reserved_ports takes ports and ranges and gives them sorted and joined (proc_do_large_bitmap, tried on Linux 6.18)', () => {
  const sysctl = new Sysctls()
  const name = 'net.ipv4.ip_local_reserved_ports'
  for (const [text, expected] of [
    ['8080,9148', '8080,9148'],
    ['40000-40010,8080', '8080,40000-40010'],
    ['1,2,3', '1-3'],
    ['3,1-2,9', '1-3,9'],
    ['65535', '65535'],
    ['7,', '7'],
  ] as const) {
    assert.equal(sysctl.set(name, text), 0, text)
    assert.equal(sysctl.get(name), expected)
  }
  for (const bad of ['5-3', '70000', 'abc', '1, 2', ' 7', '65536', '1-', '1,,2']) {
    assert.equal(sysctl.set(name, bad), -EINVAL, bad)
    assert.equal(sysctl.get(name), '7')
  }
  assert.equal(sysctl.write(name, '\n'), 1)
  assert.equal(sysctl.get(name), '')
})
