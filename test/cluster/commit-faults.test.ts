import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ClassifierOptions, MLPClassifier } from 'sheaf';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CheckpointFolder } from '../../src/mlp/checkpoint/checkpoint-folder.js';
import { CommitInterval } from '../../src/mlp/commit-interval.js';
import { ParameterServerRounds } from '../../src/mlp/ps-rounds.js';
import { FailureError } from '../../src/protocol/failure.js';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { footprintOfAllTests } from '../support/tracked.js';

const directory = directoryOfAllTests('commits');
const data = writeBlobs(join(directory, 'data'), blobs(300), 4);

// 10 updates an epoch. Dropout and Adam: draws and the optimizer's state must come back too.
const OPTIONS = {
  ...{ hidden: [8], dropout: 0.2, epochs: 3, batchSize: 32, seed: 5, shards: 4 },
  optimizer: { kind: 'adam', learningRate: 0.01 },
} as const satisfies ClassifierOptions;

/** Of the training at hand, how often it went on after a loss. */
let lost = 0;
const footprint = footprintOfAllTests();
const sc = contextOfAllTests('local[2]', {
  listen: (event) => void (event.event === 'warning' && /^training goes on/.test(event.message) && lost++),
});
// After each step, whatever steps and commits take on this machine.
beforeEach(() => void vi.spyOn(CommitInterval.prototype, 'steps').mockReturnValue(1));
afterEach(() => void vi.restoreAllMocks());

/**
 * @param killedAfter updates after each of which a slot is killed, once
 * @returns also which updates were made again, and how many losses there were
 */
async function trained(options: ClassifierOptions, killedAfter: readonly number[] = []) {
  lost = 0;
  const steps: number[] = [];
  const epochs: number[] = [];
  const onStep = ({ step }: { step: number }) => {
    if (killedAfter.includes(step) && !steps.includes(step)) kill(footprint().slots()[step % 2]!.pid);
    steps.push(step);
  };
  const onEpoch = ({ epoch }: { epoch: number }) => void epochs.push(epoch);
  const hooks = killedAfter.length > 0 ? { onStep, onEpoch } : {};
  const model = await new MLPClassifier({ ...OPTIONS, ...options, ...hooks }).fit(readBlobs(sc(), data, 4, 3));
  const { weightsHash, losses, measured } = model;
  // The last before a kill may be: a commit that has not ended when the slot is gone is not made.
  const again = steps.filter((step, at) => steps.indexOf(step) < at);
  return { model: { weightsHash, losses, measured }, again, epochs, losses: lost };
}

describe('a slot killed in the middle of an epoch', () => {
  test.each([
    ['gradients', 'tree', {}],
    ['gradients', 'ps', {}],
    ['elastic averaging', 'allreduce', { elastic: { period: 1 } }],
    ['sums that are sent sparsely', 'allreduce', { allReduce: { wire: { kind: 'top-k', share: 0.1 } } }],
    ['a batch that grows with the noise', 'tree', { batchSize: { min: 32, max: 40 } }],
  ] as const)(
    '%s by %s: all goes on from the last commit of that epoch, to the same bits',
    async (_what, aggregation, options: ClassifierOptions) => {
      const undisturbed = await trained({ ...options, aggregation });
      const { model, again, epochs, losses } = await trained({ ...options, aggregation }, [15]);
      expect(model).toEqual(undisturbed.model);
      expect([15]).toEqual(expect.arrayContaining(again));
      expect(losses).toBeGreaterThanOrEqual(1);
      expect(epochs).toEqual([1, 2, 3]);
    },
  );

  test('however many in an epoch, where there was a commit after each: no reason to give up', async () => {
    const undisturbed = await trained({ aggregation: 'allreduce' });
    const kills = [11, 12, 13, 14, 15, 16, 17, 18];
    const { model, again, epochs, losses } = await trained({ aggregation: 'allreduce' }, kills);
    expect(model).toEqual(undisturbed.model);
    expect(kills).toEqual(expect.arrayContaining(again));

    expect(losses).toBeGreaterThan(1);
    expect(epochs).toEqual([1, 2, 3]);
  });
});

/** What becomes of a task whose executor ends. */
const gone = () => new FailureError({ kind: 'executor-lost', executor: 'x', message: 'an executor was lost' });

describe('what is lost beside a commit', () => {
  test.each(['allreduce', 'tree'] as const)(
    'a checkpoint that was being written is written then (%s)',
    async (mode) => {
      const path = join(directory, `checkpoints-${mode}`);
      const { write } = CheckpointFolder.prototype;
      const failedAt: number[] = [];
      vi.spyOn(CheckpointFolder.prototype, 'write').mockImplementation(function (this: CheckpointFolder, ...saved) {
        const { step } = saved[0];
        if (failedAt.includes(step)) return write.apply(this, saved);
        failedAt.push(step);
        return Promise.reject(gone());
      });
      const undisturbed = await trained({ aggregation: mode });
      const { model, losses } = await trained({ aggregation: mode, checkpoint: { path, everySteps: 15, keep: 9 } });
      expect(model).toEqual(undisturbed.model);
      expect([losses, failedAt]).toEqual([4, [10, 15, 20, 30]]);
      expect(readdirSync(path)).toEqual([10, 15, 20, 30].map((step) => `step-${String(step).padStart(12, '0')}`));
    },
  );

  test('is released, where servers have what is gone on from', async () => {
    const { commit } = ParameterServerRounds.prototype;
    let scopes: string[] = [];
    vi.spyOn(ParameterServerRounds.prototype, 'commit').mockImplementation(async function (
      this: ParameterServerRounds,
      step,
    ) {
      const { parts } = await commit.call(this, step);
      if (step !== 30 || scopes.length > 0) return { step, parts }; // of that epoch the last step is made once more
      scopes = parts.map(({ block }) => block.scope);
      throw gone();
    });
    const release = vi.spyOn(sc().tasks, 'release');
    const { losses } = await trained({ aggregation: 'ps', consistency: 'async' });
    expect([losses, new Set(scopes).size]).toEqual([1, 1]);
    expect(release.mock.calls.flat()).toContain(scopes[0]);
  });
});
