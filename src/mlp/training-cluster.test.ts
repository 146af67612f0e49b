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
  const context = {
    bus: { emit: ({ message }: { message: string }) => warnings.push(message) },
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
  return { warnings, form: () => cluster.form({ step: 0, parts: [] }, undefined) };
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
});
