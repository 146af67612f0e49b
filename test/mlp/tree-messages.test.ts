import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClassifierOptions, EventBus, MLPClassifier, SheafContext } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { layoutOf } from '../../src/mlp/layout.js';
import type { TaskMessage } from '../../src/protocol/task.js';
import { abridged } from '../../src/protocol/template.js';
import { assignShards } from '../../src/ps/assign-shards.js';
import { planTree, vectorsBetween } from '../../src/ps/merge-plan.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-tree-messages-'));
  writeBlobs(directory, blobs(200), 4);
});
afterAll(() => rmSync(directory, { recursive: true }));

const EPOCHS = 3;
const STEPS = 7;
const OPTIONS = {
  ...{ hidden: [8], epochs: EPOCHS, batchSize: 32, seed: 5, shards: 8, aggregation: 'tree' },
} as const satisfies ClassifierOptions;

/** Trains, and listens to what the driver sends meanwhile and to what executors say of the bytes between them. */
async function trained(master: string, options: ClassifierOptions = {}) {
  const bus = new EventBus();
  let bytes = 0;
  bus.listen((event) => {
    if (event.event === 'round') bytes += event.bytes!;
  });
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.eventLog.enabled': 'false' } });
  const sent: TaskMessage[] = [];
  const { channel } = sc.tasks;
  const send = channel.send.bind(channel);
  channel.send = (messages) => {
    sent.push(...messages);
    return send(messages);
  };
  try {
    const model = await new MLPClassifier({ ...OPTIONS, ...options }).fit(readBlobs(sc, directory, 4, 3));
    const of = (module: string) => sent.filter(({ program }) => program.module === module);
    const length = layoutOf(model.plan.network).length;
    return { hash: model.weightsHash, steps: of('mlp/tree-step'), slots: of('mlp/train-program'), bytes, length };
  } finally {
    await sc.stop();
  }
}

let expected: Promise<string> | undefined;
const onOneSlot = () => {
  expected ??= trained('local[1]', { aggregation: 'allreduce' }).then(({ hash }) => hash);
  return expected;
};

it.each([
  ['local[3]', 1, 3, 5],
  ['local-cluster[1,2]', 1, 2, 2],
  ['local-cluster[2,2]', 2, 4, 2],
])('on %s a step is one small message to each of %i executors', async (master, executors, slots, sums) => {
  const { hash, steps, slots: direct, bytes, length } = await trained(master);
  expect(hash).toBe(await onOneSlot());
  // One more at the end of each epoch, before its state is written down: there is no next step that would apply the last sums.
  expect(steps).toHaveLength(executors * EPOCHS * (STEPS + 1));
  const whole = steps.filter(({ template }) => !template!.installed);
  expect(whole).toHaveLength(executors);
  const sizes = steps
    .filter(({ template }) => template!.installed)
    .map((each) => JSON.stringify(abridged(each)).length);
  expect(Math.max(...sizes)).toBeLessThan(90 + 11 * sums);
  // Slots hear of the driver when a generation begins, and one of them at the end of each epoch.
  expect(direct).toHaveLength(slots + EPOCHS);
  expect(bytes).toBe(executors * (executors - 1) * 4 * length * EPOCHS * STEPS);
});

it('what comes of a step is told with the next one, and with one message more at the end of a round', async () => {
  const options = { noiseScale: true } as const;
  const { hash, steps } = await trained('local[2]', options);
  expect(steps).toHaveLength(EPOCHS * (STEPS + 1));
  expect(hash).toBe(await onOneSlot());
});

it('where more sums are left than all should read, executors that merge some of them get a second message', async () => {
  const options = { shards: 32, epochs: 1 } as const;
  const members = assignShards(32, 3).map(({ from, to }) => [Array.from({ length: to - from }, (_, k) => from + k)]);
  const plan = planTree(members, 32);
  const merging = new Set(plan.between.map(({ executor }) => executor)).size;
  expect(merging).toBeGreaterThan(0);
  const { hash, steps, bytes, length } = await trained('local-cluster[3,1]', options);
  expect(steps).toHaveLength((3 + merging) * STEPS + 3);
  expect(bytes).toBe(vectorsBetween(plan, 3) * 4 * length * STEPS);
  expect(hash).toBe((await trained('local[1]', { ...options, aggregation: 'allreduce' })).hash);
});
