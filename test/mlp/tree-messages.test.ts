import { type ClassifierOptions, MLPClassifier, type SheafContext, type TimedEvent } from 'sheaf';
import { beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/mlp/layout.js';
import type { TaskMessage } from '../../src/protocol/task.js';
import { abridged } from '../../src/protocol/template.js';
import { assignShards } from '../../src/ps/assign-shards.js';
import { planTree, vectorsBetween } from '../../src/ps/merge-plan.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

const directory = writeBlobs(directoryOfAllTests('tree-messages'), blobs(200), 4);

const EPOCHS = 3;
const STEPS = 7;
const OPTIONS = {
  ...{ hidden: [8], epochs: EPOCHS, batchSize: 32, seed: 5, shards: 8, aggregation: 'tree' },
} as const satisfies ClassifierOptions;

let bytes = 0;
const listen = (event: TimedEvent) => {
  if (event.event === 'round') bytes += event.bytes!;
};
const trained = (sc: SheafContext, options: ClassifierOptions = {}) =>
  new MLPClassifier({ ...OPTIONS, ...options }).fit(readBlobs(sc, directory, 4, 3));

/** Trains, and listens to what the driver sends meanwhile and to what executors say of the bytes between them. */
async function overheard(sc: SheafContext, options: ClassifierOptions = {}) {
  bytes = 0;
  const sent: TaskMessage[] = [];
  const { channel } = sc.tasks;
  const send = channel.send;
  channel.send = (messages) => {
    sent.push(...messages);
    return send.call(channel, messages);
  };
  try {
    const model = await trained(sc, options);
    const of = (module: string) => sent.filter(({ program }) => program.module === module);
    const length = layoutOf(model.plan.network).length;
    return { hash: model.weightsHash, steps: of('mlp/tree-step'), slots: of('mlp/train-program'), bytes, length };
  } finally {
    channel.send = send;
  }
}

const one = contextOfAllTests('local[1]');
let expected: string;
beforeAll(async () => {
  expected = (await trained(one(), { aggregation: 'allreduce' })).weightsHash;
});

describe.each([
  ['local[3]', 1, 3, 5],
  ['local-cluster[1,2]', 1, 2, 2],
  ['local-cluster[2,2]', 2, 4, 2],
])('on %s', (master, executors, slots, sums) => {
  const sc = contextOfAllTests(master, { listen });

  it('a step is one small message to each executor', async () => {
    const { hash, steps, slots: direct, bytes, length } = await overheard(sc());
    expect(hash).toBe(expected);
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
    const { hash, steps } = await overheard(sc(), { noiseScale: true });
    expect(steps).toHaveLength(executors * EPOCHS * (STEPS + 1));
    expect(hash).toBe(expected);
  });
});

describe('on three executors', () => {
  const sc = contextOfAllTests('local-cluster[3,1]', { listen });

  it('where more sums are left than all should read, executors that merge some of them get a second message', async () => {
    const options = { shards: 32, epochs: 1 } as const;
    const members = assignShards(32, 3).map(({ from, to }) => [Array.from({ length: to - from }, (_, k) => from + k)]);
    const plan = planTree(members, 32);
    const merging = new Set(plan.between.map(({ executor }) => executor)).size;
    expect(merging).toBeGreaterThan(0);
    const { hash, steps, bytes, length } = await overheard(sc(), options);
    expect(steps).toHaveLength((3 + merging) * STEPS + 3);
    expect(bytes).toBe(vectorsBetween(plan, 3) * 4 * length * STEPS);
    expect(hash).toBe((await trained(one(), { ...options, aggregation: 'allreduce' })).weightsHash);
  });
});
