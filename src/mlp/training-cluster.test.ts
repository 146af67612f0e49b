import { describe, expect, it } from 'vitest';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import type { TaskSet } from '../scheduler/task-set.js';
import { numericalPlan } from './numerical-plan.js';
import { TrainingCluster } from './training-cluster.js';
import type { TrainingSpec } from './training-spec.js';

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const plan = numericalPlan({ rows: 20, batchSize: 10, epochs: 2, seed: 0, network, optimizer, shards: 2 });

/** A cluster of one slot, and what it warns of. @param checksums of the shards, each time they are loaded */
function world(...checksums: readonly (readonly number[])[]) {
  const warnings: string[] = [];
  const loads = [...checksums];
  const answer = { description: 'backend', fingerprint: 'f', meeting: null };
  const computeOn = (fingerprint: string) => Object.assign(answer, { fingerprint });
  const context = {
    bus: { emit: ({ message }: { message: string }) => warnings.push(message), clock: { now: () => 0 } },
    conf: { get: () => 'auto' },
    blocks: { put: async () => ({}) },
    runJob: async () => loads.shift(),
    tasks: {
      release: () => {},
      slotsAvailable: async () => {},
      slots: () => [{ key: 'x#0', device: 'cpu' }],
      executors: () => [{ id: 'x', host: 'h', hostname: 'h' }],
      run: async ({ tasks }: TaskSet) => tasks.map(({ partition }) => ({ partition, value: answer, at: 'x#0' })),
    },
  } as unknown as SheafContext;
  const spec = { model: 'a', plan } as unknown as TrainingSpec;
  const cluster = new TrainingCluster(context, spec, {} as ArrowRDD);
  return { cluster, warnings, computeOn, form: (step = 0) => cluster.form({ step, parts: [] }, undefined) };
}

describe('a generation', () => {
  it('of the same rows as the one before is nothing to speak of', async () => {
    const { warnings, form } = world([1, 2], [1, 2]);
    for (let generation = 0; generation < 2; generation++) await form();
    expect(warnings).toEqual([]);
  });

  it('whose rows are not those of the one before is warned of, with what to do', async () => {
    const { warnings, form } = world([1, 2], [1, 3], [1, 3]);
    for (let generation = 0; generation < 3; generation++) await form();
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the training rows of a differ from one computation to the next .* checkpoint the input before training/,
      ),
    ]);
  });

  it('that computes with another build than the one before, or than its checkpoint, is warned of, both named', async () => {
    const { cluster, warnings, computeOn, form } = world([1, 2], [1, 2], [1, 2], [1, 2]);
    await form(0);
    computeOn('g'); // before the first update nothing is mixed
    await form(0);
    expect(warnings).toEqual([]);
    computeOn('h');
    for (let generation = 0; generation < 2; generation++) await form(7);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^a after 7 updates: until here .* by g, .* by h, so its weights may differ in their last bits/,
      ),
    ]);
    expect(cluster.builds).toEqual(['h']);
  });

  it('that goes on from a checkpoint of another build is warned of', async () => {
    const { cluster, warnings, form } = world([1, 2]);
    cluster.builds = ['e'];
    await form(7);
    expect(warnings).toEqual([expect.stringMatching(/computed by e, from here on by f/)]);
  });
});
