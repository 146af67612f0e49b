import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BlockFiles } from '../../executor/block-files.js';
import { bytesOf } from '../../ps/float-bytes.js';
import type { CommittedPart } from '../committed.js';
import { WatchLog } from './watch-log.js';

let path: string;
let blocks: BlockFiles;
let log: WatchLog;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'sheaf-watch-log-'));
  const home = { holder: 'driver', host: 'h', url: '', token: '', memoryDirectory: path, diskDirectory: path };
  blocks = new BlockFiles(home);
  log = new WatchLog(join(path, 'watched'), { plan: 'p', monitor: 'logLoss' });
});
afterEach(() => rmSync(path, { recursive: true }));

/** A state of three weights in two parts, each with a slot of the optimizer. */
async function state(epoch: number, [a, b, c]: [number, number, number]): Promise<CommittedPart[]> {
  const block = (id: string, ...values: number[]) => blocks.put(id, `app/${epoch}`, bytesOf(Float32Array.from(values)));
  return [
    { from: 0, to: 2, block: await block('one', a, b, 9, 9) },
    { from: 2, to: 3, block: await block('two', c, 9) },
  ];
}

it('keeps values and the newest best weights, of one plan and measure', async () => {
  expect(await log.read()).toBeUndefined();
  await log.keep(1, await state(1, [1, 2, 3]), blocks);
  await log.write([3]);
  await log.keep(3, await state(3, [4, 5, 6]), blocks);
  await log.write([3, Number.NaN, 2]);
  expect(await log.best(3)).toEqual(Float32Array.of(4, 5, 6));
  expect(readdirSync(log.path).sort()).toEqual(['best-3.bin', 'watched.json']);
  const later = new WatchLog(log.path, log.of);
  expect(await later.read()).toEqual({ values: [3, Number.NaN, 2], bestEpoch: 3 });
  expect(await later.best(3)).toEqual(Float32Array.of(4, 5, 6));
  expect(await new WatchLog(log.path, { plan: 'q', monitor: 'logLoss' }).read()).toBeUndefined();
  expect(await new WatchLog(log.path, { plan: 'p', monitor: 'brier' }).read()).toBeUndefined();
  truncateSync(join(log.path, 'best-3.bin'), 8);
  await expect(later.best(3)).rejects.toThrow('best-3.bin, the weights of the best epoch, is cut off');
  writeFileSync(join(log.path, 'best-3.bin'), 'other');
  expect(await later.read()).toBeUndefined();
});

it('leaves the committed state where it lies, and needs it no more', async () => {
  const parts = await state(1, [1, 2, 3]);
  await log.keep(1, parts, blocks);
  expect(await blocks.get(parts[0]!.block)).toHaveLength(16);
  blocks.release('app/1');
  expect(await log.best(3)).toEqual(Float32Array.of(1, 2, 3));
});
