import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fitMany, MLPClassifier, type SheafContext, type TimedEvent } from '../../src/index.js';
import { blobs } from '../mlp/blobs.js';
import { clusterOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';

let rounds = 0;
/** Called when slots begin to train for the n-th time. */
let meddle: (round: number) => void = () => {};
const listen = (event: TimedEvent) => {
  if (event.event === 'stage-start' && event.name === 'train many networks') meddle(++rounds);
};
beforeEach(() => {
  rounds = 0;
});

/** Weights of six networks. */
async function weights(sc: SheafContext, watched: boolean): Promise<string[]> {
  const { x, y } = blobs(400, { classes: 3, seed: 2, distance: 5 });
  const columns = Object.fromEntries(
    [0, 1, 2, 3].map((k) => [`x${k}`, Float32Array.from(x, (row) => row[k]!)] as const),
  );
  const table = sc.table({ ...columns, label: y }, { partitions: 3 }).assemble(Object.keys(columns));
  const options = { hidden: [16], epochs: watched ? 12 : 60, batchSize: 32, shards: 3 };
  const earlyStopping = watched && { validation: table, patience: 3, minDelta: 0.01 };
  const estimators = [1, 2, 3, 4, 5, 6].map((seed) => new MLPClassifier({ ...options, seed, earlyStopping }));
  const models = await fitMany(estimators, table);
  return models.map((model) => model.weightsHash);
}

const one = clusterOfAllTests('local[1]');
const WAYS = [
  ['trained in one round', false],
  ['watched after every epoch', true],
] as const;
const expected = new Map<boolean, string[]>();
beforeAll(async () => {
  for (const [, watched] of WAYS) expected.set(watched, await weights(one.sc(), watched));
});

describe.each([
  ['a slot', 'local[2]'],
  ['an executor with the rows it held', 'local-cluster[2,1]'],
])('many networks are the same after kill -9 of %s', (what, master) => {
  const { footprint, sc } = clusterOfAllTests(master, { listen });

  test.each(WAYS)('%s', async (_, watched) => {
    // Where they are watched, in the middle of training.
    const when = watched ? 4 : 1;
    meddle = (round) => {
      if (round !== when) return;
      kill(what === 'a slot' ? footprint().slots()[1]!.pid : sc().tasks.executors()[1]!.pid);
    };
    expect(await weights(sc(), watched)).toEqual(expected.get(watched));
    expect(rounds).toBeGreaterThanOrEqual(when);
  });
});
