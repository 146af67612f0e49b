import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClassifierOptions, MLPClassifier } from 'sheaf';
import { expect, it, vi } from 'vitest';
import { treeOf } from '../../bench/common/memory.js';
import { nativeAddon } from '../../src/native/addon.js';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';

const data = writeBlobs(join(directoryOfAllTests('mailbox'), 'data'), blobs(300), 4);
const context = contextOfAllTests('local[2]');

/** Mailboxes that each server process below this one has mapped. */
function mapped(): number[] {
  const read = (pid: number, name: string) => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, 'utf8');
    } catch {
      return ''; // it has ended
    }
  };
  const servers = treeOf(process.pid).filter((pid) => {
    const [program = '', ...options] = read(pid, 'cmdline').split('\0');
    return /\bnode$/.test(program) && options.some((option) => option.endsWith('service-main.js'));
  });
  return servers.map((pid) => new Set(read(pid, 'maps').match(/\/mailbox%3A.*$/gm)).size);
}

async function train(options: ClassifierOptions) {
  await vi.waitFor(() => expect(mapped()).toEqual([]), 10_000); // those of an earlier training have ended
  let boxes: number[] = [];
  const model = await new MLPClassifier({
    ...{ hidden: [64], epochs: 2, batchSize: 32, seed: 5, shards: 4 },
    ...options,
    onEpoch: () => {
      boxes = mapped();
    },
  }).fit(readBlobs(context(), data, 4, 3));
  return { model, boxes };
}

it.runIf(nativeAddon())(
  'servers read sums in the memory of their host’s slots, and come to the bits of every other exchange',
  async () => {
    const shared = await train({ aggregation: 'ps', servers: 2 });
    expect(shared.boxes).toEqual([2, 2]);
    const reduced = await train({ aggregation: 'allreduce' });
    expect(reduced.boxes).toEqual([]);
    expect(shared.model.weightsHash).toBe(reduced.model.weightsHash);
  },
);

it('sums that are encoded are sent', async () => {
  const { boxes } = await train({ aggregation: 'ps', servers: 1, filters: { wire: 'bf16' } });
  expect(boxes).toEqual([0]);
});
