import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClassifierOptions, MLPClassifier, type SheafContext, type TimedEvent } from 'sheaf';
import { describe, expect, it } from 'vitest';
import { initialTheta } from '../../src/mlp/layout.js';
import { elasticRate, epochOrder, localStepsOf, type NumericalPlan, stepRows } from '../../src/mlp/numerical-plan.js';
import { addReferencePenalty, referenceApply, referenceGradient, referencePredict } from '../../src/mlp/reference.js';
import { reportData } from '../../src/mlp/report/report.js';
import { optimizerSlots } from '../../src/ps/optimizer/optimizer.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { runExamples } from '../support/guide.js';
import { type Blobs, blobs, readBlobs, writeBlobs } from './blobs.js';

const directory = directoryOfAllTests('learning');
const events: TimedEvent[] = [];
const one = contextOfAllTests('local[1]');
const two = contextOfAllTests('local[2]', { listen: (event) => void events.push(event) });

// With a shard more than slots, and rows that do not fill the last step.
const DATA = blobs(250, { distance: 2 });
const SGD = { kind: 'sgd', learningRate: 0.05, momentum: 0.9 } as const;
const BASE = {
  ...{ hidden: [8], activation: 'tanh', epochs: 3, batchSize: 32, seed: 5, shards: 5, l2: 0.01, optimizer: SGD },
} as const satisfies ClassifierOptions;

const folders = new Map<Blobs, string>();
function trained(context: () => SheafContext, options: ClassifierOptions, data = DATA) {
  const folder = folders.get(data) ?? writeBlobs(join(directory, `data-${folders.size}`), data, 4);
  folders.set(data, folder);
  return new MLPClassifier({ ...BASE, ...options }).fit(readBlobs(context(), folder, 4, 3));
}

const WAYS = {
  'gradients merged, batch normalization': { normalization: 'batch' },
  'the noise of gradients measured': { noiseScale: true, clipNorm: 0.5 },
  'a batch that grows with it': { batchSize: { min: 16, max: 128 }, optimizer: 'adam' },
  'AdaScale alone': { learningRateScaling: 'adascale', baseBatchSize: 8 },
  'local steps': {
    localSteps: 3,
    optimizer: { kind: 'adam', learningRate: 0.01 },
    normalization: 'batch',
    dropout: 0.1,
  },
  'local steps through an epoch': { localSteps: 'partition', clipNorm: 0.5 },
  'elastic averaging': { elastic: { period: 3 }, normalization: 'batch' },
  'l-bfgs': { optimizer: 'l-bfgs', batchSize: undefined, epochs: 8, normalization: 'batch' },
} as const satisfies Record<string, ClassifierOptions>;

describe.each(Object.entries(WAYS))('with %s', (name, options: ClassifierOptions) => {
  const modes = ['tree', 'ps', 'allreduce'] as const;

  it('the weights and losses are the same bits in every mode, on any number of slots', async () => {
    const { weightsHash, losses, measured } = await trained(one, { ...options, aggregation: 'tree' });
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    for (const aggregation of modes) {
      if (name === 'l-bfgs' && aggregation === 'ps') continue;
      const model = await trained(two, { ...options, aggregation });
      expect(model, aggregation).toMatchObject({ weightsHash, losses });
      expect(model.measured, aggregation).toEqual(measured);
    }
  });

  it('it goes on from a checkpoint on other slots to the same bits', async () => {
    const whole = await trained(one, options);
    const checkpoint = { path: join(directory, `checkpoint ${name}`), everySteps: 2 };
    // In the middle of an epoch, where it has one; only some updates are in the newest checkpoint.
    const last = name === 'local steps through an epoch' ? 2 : 5;
    await trained(two, { ...options, checkpoint, onStep: ({ step }) => step < last });
    const again = await trained(one, { ...options, checkpoint: { ...checkpoint, resume: 'always' } });
    expect(again).toMatchObject({ weightsHash: whole.weightsHash, losses: whole.losses });
    expect(again.measured).toEqual(whole.measured);
  });
});

describe('beside a plain loop over logical workers in float64', () => {
  it.each([
    ['local steps', { localSteps: 3 }],
    // With a large epsilon: a fresh Adam takes the sign of a gradient, and that of almost none is rounding.
    ['local steps of Adam', { localSteps: 2, optimizer: { kind: 'adam', learningRate: 0.01, epsilon: 1e-3 } }],
    ['local steps through an epoch', { localSteps: 'partition' }],
    ['elastic averaging', { elastic: { period: 3, rate: 0.1 } }],
  ] as const)('%s', async (_name, options: ClassifierOptions) => {
    const model = await trained(two, options);
    const { theta, losses } = replay(model.plan, DATA);
    expect(largestDifference(model.theta, theta)).toBeLessThan(2e-5);
    expect(largestDifference(model.losses, losses)).toBeLessThan(1e-5);
  });

  /** A worker a shard; each has its weights and its optimizer's slots in one array. */
  function replay(plan: NumericalPlan, { x, y }: Blobs) {
    const local = plan.local!;
    const begin = initialTheta(plan.network, plan.seed, plan.initializer);
    let centre = Float64Array.from(begin);
    const slots = optimizerSlots(plan.update.optimizer).length;
    const fresh = () => Float64Array.of(...centre, ...new Float64Array(slots * centre.length));
    let workers = Array.from({ length: plan.shards }, fresh);
    const losses: number[] = [];
    for (let epoch = 0; epoch < plan.epochs; epoch++) {
      let lossSum = 0;
      for (let from = 0; from < plan.stepsPerEpoch; from += localStepsOf(plan)) {
        const to = Math.min(from + localStepsOf(plan), plan.stepsPerEpoch);
        const seen = workers.map(() => 0);
        if (local.kind === 'average') workers = workers.map(fresh);
        workers = workers.map((begun, shard) => {
          let state = begun;
          for (let step = from; step < to; step++) {
            const own = stepRows(plan, epoch, shard, step, epochOrder(plan, epoch, shard));
            const rows = Array.from(own, (row) => row * plan.shards + shard);
            if (rows.length === 0) continue;
            const theta = state.subarray(0, centre.length);
            const sum = referenceGradient(plan.network, theta, x.flat(), y, rows);
            const mean = sum.gradient.map((value) => value / rows.length);
            addReferencePenalty({ ...plan.network, l2: plan.update.l2 }, theta, mean);
            const count = local.kind === 'average' ? step - from : epoch * plan.stepsPerEpoch + step;
            state = referenceApply(plan.update.optimizer, state, mean, count + 1) as typeof state;
            lossSum += sum.lossSum;
            seen[shard]! += rows.length;
          }
          return state;
        });
        const rows = seen.reduce((a, b) => a + b);
        const mean = centre.map((_, i) => workers.reduce((sum, own, g) => sum + (seen[g]! / rows) * own[i]!, 0));
        if (local.kind === 'average') centre = mean;
        else {
          const rate = elasticRate(plan);
          workers = workers.map((own) =>
            own.map((value, i) => value + (i < mean.length ? rate * (centre[i]! - value) : 0)),
          );
          centre = centre.map((value, i) => value + plan.shards * rate * (mean[i]! - value));
        }
      }
      losses.push(lossSum / plan.rows);
    }
    return { theta: centre, losses };
  }
});

describe('what is exchanged', () => {
  it('shrinks with the number of local steps', async () => {
    const bytesOf = async (options: ClassifierOptions) => {
      events.length = 0;
      await trained(two, { ...options, aggregation: 'allreduce', epochs: 1 });
      return events.reduce((sum, event) => sum + (event.event === 'round' ? event.bytes! : 0), 0);
    };
    const every = await bytesOf({});
    // 8 steps an epoch: 8, 3 and 1 merges.
    expect(await bytesOf({ localSteps: 3 })).toBe((3 / 8) * every);
    expect(await bytesOf({ localSteps: 'partition' })).toBe(every / 8);
    expect(await bytesOf({ elastic: { period: 4 } })).toBe(every / 4);
  });

  it('is averaged by parameter servers as it arrives, where they do not wait', async () => {
    const { losses } = await trained(two, { localSteps: 2, consistency: 'async', epochs: 6 });
    expect(losses).toHaveLength(6);
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
  });

  it('is told merge by merge', async () => {
    const rows: number[] = [];
    await trained(two, { localSteps: 3, epochs: 1, onStep: (report) => void rows.push(report.rows) });
    expect(rows).toHaveLength(3);
    expect(rows.reduce((a, b) => a + b)).toBe(250);
  });
});

describe('a batch that follows the noise', () => {
  it('grows from epoch to epoch, and every choice is told with its reason', async () => {
    events.length = 0;
    const seen: number[] = [];
    const reports: object[] = [];
    const model = await trained(two, {
      ...{ batchSize: { min: 16, max: 100, growth: 3 }, epochs: 4 },
      onStep: ({ noiseScale }) => void seen.push(noiseScale!),
      onEpoch: (report) => void reports.push(report),
    });
    const batches = model.measured!.map(({ batch }) => batch);
    expect(batches[0]).toBe(16);
    expect(batches.toSorted((a, b) => a - b)).toEqual(batches);
    expect(batches.at(-1)!).toBeGreaterThan(16);
    expect(batches.at(-1)!).toBeLessThanOrEqual(100);
    expect(seen).toHaveLength(batches.reduce((sum, batch) => sum + Math.ceil(250 / batch), 0));
    expect(seen.every((rows) => rows > 0)).toBe(true);
    expect(reports).toMatchObject(batches.map((batch, k) => ({ epoch: k + 1, batch, goodput: expect.any(Number) })));
    const plans = events.filter((event) => event.event === 'plan').filter(({ what }) => what.startsWith('batch of'));
    expect(plans.map(({ choice }) => choice)).toEqual(batches.slice(1));
    expect(plans[0]!.reason).toMatch(/^gradient noise scale [\d.]+ rows, goodput [\d.]+ rows\/s with 16 rows$/);
  });

  it('changes no bit when it is only measured', async () => {
    const [plain, measured] = [await trained(two, {}), await trained(two, { noiseScale: true })];
    expect(measured.weightsHash).toBe(plain.weightsHash);
    expect(measured.plan.hash).toBe(plain.plan.hash);
    expect(plain.measured).toBeUndefined();
  });

  it("is measured as it is: beside the covariance of all rows' gradients", async () => {
    // Weights that hardly move, so that there is one true gradient.
    const optimizer = { kind: 'sgd', learningRate: 1e-6 } as const;
    const model = await trained(two, { optimizer, l2: 0, noiseScale: true, epochs: 20, batchSize: 60 });
    const { plan, theta } = model;
    const { network, rows } = plan;
    const each = Array.from({ length: rows }, (_, row) => {
      return referenceGradient(network, theta, DATA.x.flat(), DATA.y, [row]).gradient;
    });
    const mean = each.reduce(
      (sum, gradient) => sum.map((value, i) => value + gradient[i]! / rows),
      new Float64Array(theta.length),
    );
    const squareOf = (vector: Float64Array) => vector.reduce((sum, value) => sum + value ** 2, 0);
    const variance = each.reduce((sum, g) => sum + squareOf(g.map((value, i) => value - mean[i]!)), 0) / (rows - 1);
    expect(model.measured!.at(-1)!.noiseScale! / (variance / squareOf(mean))).toBeCloseTo(1, 0);
    expect(reportData({ model }).figures.map(({ title }) => title)).toEqual(['loss', 'batch', 'noise scale']);
  });
});

describe('l-bfgs', () => {
  const CONVEX = { hidden: [], optimizer: 'l-bfgs', batchSize: undefined, l2: 0.01, epochs: 100 } as const;

  it('finds the optimum of a convex problem: no gradient is left, and no step made it worse', async () => {
    const model = await trained(two, CONVEX);
    const { plan, theta } = model;
    const all = Array.from({ length: plan.rows }, (_, row) => row);
    const sum = referenceGradient(plan.network, theta, DATA.x.flat(), DATA.y, all);
    const mean = sum.gradient.map((value) => value / plan.rows);
    addReferencePenalty({ ...plan.network, l2: 0.01 }, theta, mean);
    expect(Math.hypot(...mean)).toBeLessThan(2e-3);
    expect(model.losses.every((loss, k) => k === 0 || loss <= model.losses[k - 1]!)).toBe(true);
    const square = theta.subarray(0, 12).reduce((total, value) => total + value ** 2, 0);
    expect(model.losses.at(-1)!).toBeCloseTo(sum.lossSum / plan.rows + 0.005 * square, 5);
    expect(model.losses.length).toBeLessThan(40);
  });

  it('agrees with scikit-learn and its limit of iterations counts iterations', async () => {
    const model = await trained(two, { ...CONVEX, optimizer: { kind: 'l-bfgs', tolerance: 0 } });
    const expected = SCIKIT_LEARN;
    expect(largestDifference(model.theta.subarray(0, 12), expected.kernel)).toBeLessThan(1e-3);
    const probabilities = referencePredict(model.network, model.theta, DATA.x.slice(0, 2).flat());
    expect(largestDifference(probabilities, expected.probabilities)).toBeLessThan(1e-4);
    expect((await trained(two, { ...CONVEX, epochs: 3 })).losses).toEqual(model.losses.slice(0, 3));
  });

  it('needs no more epochs than it needs', async () => {
    const epochs: number[] = [];
    const model = await trained(two, { ...CONVEX, onEpoch: ({ epoch }) => void epochs.push(epoch) });
    expect(epochs).toEqual(model.losses.map((_, k) => k + 1));
  });
});

it('docs/learning.md says what its examples give', async () => {
  const guide = readFileSync(new URL('../../docs/learning.md', import.meta.url), 'utf8');
  const train = readBlobs(two(), writeBlobs(join(directory, 'guide'), blobs(200), 2)).cache();
  expect(await runExamples(guide, { MLPClassifier, train }, (found, value) => expect(found).toEqual(value))).toBe(9);
});

describe('options that exclude each other are refused at once', () => {
  it.each([
    [{ elastic: {}, localSteps: 2 }, 'elastic and localSteps exclude each other'],
    [{ noiseScale: true, localSteps: 2 }, 'the noise of gradients is not known with localSteps'],
    [{ batchSize: 'auto', consistency: 'async' }, "measuring the noise of gradients needs consistency 'sync'"],
    [{ elastic: {}, consistency: { staleness: 2 } }, "elastic needs consistency 'sync'"],
    [{ batchSize: { min: 64, max: 32 } }, "batchSize's max 32 is below its min 64"],
    [{ batchSize: 'auto', noiseScale: false }, 'noiseScale cannot be false'],
    [{ batchSize: 'auto', learningRateScaling: 'sqrt' }, "needs learningRateScaling 'adascale', not 'sqrt'"],
    [{ baseBatchSize: 64 }, 'baseBatchSize is what learningRateScaling scales from'],
    [{ optimizer: 'l-bfgs', localSteps: 2 }, 'l-bfgs takes all rows at once and no localSteps'],
    [{ optimizer: 'l-bfgs', aggregation: 'ps' }, "take aggregation 'allreduce' or 'tree'"],
    [
      { batchSize: { minimum: 3 } },
      "batchSize must be a whole number of at least 1, 'auto', { auto: 'noise' or 'goodput', min, max",
    ],
  ] as const)('%o', (options, message) => {
    expect(() => new MLPClassifier(options as unknown as ClassifierOptions)).toThrow(message);
  });

  it('and what only the shards show, before training', async () => {
    await expect(trained(two, { noiseScale: true, shards: 1 })).rejects.toThrow('give at least 2 shards, not 1');
    await expect(trained(two, { elastic: { rate: 0.5 } })).rejects.toThrow(
      "elastic's rate 0.5 times 5 shards is above 1",
    );
  });
});

/** LogisticRegression(C=1 / (250 * 0.01), tol=1e-12).fit(x, y) of version 1.9.1 on the same rows: coef_.T, and predict_proba of two. */
const SCIKIT_LEARN = {
  kernel: [
    ...[1.368902, -0.605667, -0.763235, -0.620776, 1.045542, -0.424765],
    ...[-0.540435, -0.531712, 1.072147, 0.088286, -0.011116, -0.07717],
  ],
  probabilities: [0.936122, 0.057892, 0.005986, 0.014014, 0.979927, 0.006059],
};

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

describe('a batch by goodput', () => {
  const NOISY = blobs(250, { distance: 0.3 });

  it.each(['tree', 'ps', 'allreduce'] as const)(
    'is told to all slots, and a list of them repeats its bits (%s)',
    async (aggregation) => {
      const options = { ...BASE, epochs: 5, aggregation } as const;
      events.length = 0;
      const model = await trained(two, { ...options, batchSize: { auto: 'goodput', min: 8, max: 100 } }, NOISY);
      const batches = model.measured!.map(({ batch }) => batch);
      expect(batches).toHaveLength(5);
      // The first is given, and the second does not follow from time yet.
      expect(batches.slice(0, 2)).toEqual([8, 16]);
      for (const batch of batches) expect(batch).toBeGreaterThanOrEqual(8);
      for (const batch of batches) expect(batch).toBeLessThanOrEqual(100);
      const chosen = events.flatMap((event) =>
        event.event === 'plan' && event.what.startsWith('batch of') ? [event.choice] : [],
      );
      expect(chosen).toEqual(batches.slice(1));
      const { weightsHash, losses } = await trained(
        one,
        { ...options, aggregation: 'allreduce', batchSize: batches },
        NOISY,
      );
      expect(model).toMatchObject({ weightsHash, losses });
    },
  );

  it('a list of batches goes on from a checkpoint to the same bits', async () => {
    const options = { batchSize: [16, 40, 25] };
    const whole = await trained(one, options);
    expect(whole.measured!.map(({ batch }) => batch)).toEqual([16, 40, 25]);
    const checkpoint = { path: join(directory, 'checkpoint of a list'), everySteps: 2 };
    await trained(two, { ...options, checkpoint, onStep: ({ step }) => step < 19 || 'stop' });
    expect((await trained(two, { ...options, checkpoint })).weightsHash).toBe(whole.weightsHash);
  });
});
