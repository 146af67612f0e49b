import { expect, it } from 'vitest';
import type { ExecutorInfo } from '../protocol/channel.js';
import { EventBus } from '../scheduler/event-bus.js';
import { warnOfUnreachable } from './driver-home.js';

const driver = { holder: 'app', host: 'here', token: '', memoryDirectory: '', diskDirectory: '' };

function warningsOf(url: string, joining: readonly (readonly [host: string, blockUrl: string])[]): string[] {
  const bus = new EventBus();
  const warnings: string[] = [];
  bus.listen((event) => event.event === 'warning' && warnings.push(event.message));
  const executors: ExecutorInfo[] = [];
  warnOfUnreachable({ ...driver, url }, bus, { executors: () => executors });
  for (const [k, [host, blockUrl]] of joining.entries()) {
    const id = `e${k}`;
    executors.push({ ...{ id, host, hostname: `name-of-${host}`, pid: 1, slots: [], blockUrl, fingerprint: '' } });
    bus.emit({ event: 'executor-joined', executor: id, slots: 1, fingerprint: '' });
  }
  return warnings;
}

it('warns once that executors of other hosts cannot read the blocks of a driver on loopback', () => {
  const far = ['there', 'http://there:1'] as const;
  const [warning, ...more] = warningsOf('http://127.0.0.1:4000', [['here', 'http://127.0.0.1:1'], far, far]);
  expect(warning).toMatch(/executor e1 .*name-of-there.*127\.0\.0\.1:4000.*SHEAF_BIND.*SHEAF_ADVERTISE/);
  expect(more).toEqual([]);
  expect(warningsOf('http://0.0.0.0:4000', [far])).toHaveLength(1);
});

it('warns of an executor of another host that offers its blocks on loopback', () => {
  const warnings = warningsOf('http://driver:4000', [['there', 'http://[::1]:1']]);
  expect(warnings).toEqual([expect.stringMatching(/executor e0 .*--bind and --advertise/)]);
});

it('is quiet where all is reached, or stays on one host', () => {
  expect(warningsOf('http://driver:4000', [['there', 'http://there:1']])).toEqual([]);
  expect(warningsOf('http://127.0.0.1:4000', [['here', 'http://localhost:1']])).toEqual([]);
});
