import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EventBus, writeEventLog } from './event-bus.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'event-log-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('writes every event as a line, in order, with its time', () => {
  let now = 5;
  const bus = new EventBus({ now: () => now++, after: () => () => {} });
  const path = join(directory, 'deep', 'app-1.jsonl');
  const log = writeEventLog(bus, path);
  bus.emit({ event: 'warning', message: 'one' });
  bus.emit({ event: 'app-end' });
  log.close();
  bus.emit({ event: 'warning', message: 'after the end' });
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { event: 'warning', message: 'one', at: 5 },
    { event: 'app-end', at: 6 },
  ]);
});

it('keeps the newest 200 logs of a directory, and nothing but logs is removed', () => {
  for (let k = 0; k < 205; k++) {
    const path = join(directory, `app-${k}.jsonl`);
    writeFileSync(path, '');
    utimesSync(path, k, k);
  }
  writeFileSync(join(directory, 'notes.jsonl'), '');
  const bus = new EventBus();
  const log = writeEventLog(bus, join(directory, 'app-new.jsonl'));
  bus.emit({ event: 'app-end' });
  log.close();
  const left = readdirSync(directory);
  expect(left).toHaveLength(201);
  expect(left).toContain('notes.jsonl');
  expect(left).toContain('app-new.jsonl');
  expect(left).not.toContain('app-5.jsonl');
  expect(left).toContain('app-6.jsonl');
});

it('that cannot be written, from the beginning or later, costs one warning and nothing else', () => {
  const bus = new EventBus();
  const warnings: string[] = [];
  bus.listen((event) => event.event === 'warning' && warnings.push(event.message));
  writeFileSync(join(directory, 'file'), '');
  const never = writeEventLog(bus, join(directory, 'file', 'app-1.jsonl'));
  bus.emit({ event: 'app-end' });
  never.close();
  expect(warnings).toEqual([expect.stringMatching(/the event log is not written: EEXIST/)]);

  const later = new EventBus({ now: () => 0, after: () => () => {} });
  const told: string[] = [];
  later.listen((event) => event.event === 'warning' && told.push(event.message));
  const log = writeEventLog(later, join(directory, 'gone', 'app-2.jsonl'));
  later.emit({ event: 'app-end' });
  rmSync(join(directory, 'gone'), { recursive: true });
  log.close();
  log.close();
  expect(told).toEqual([expect.stringMatching(/not written: ENOENT/)]);
});
