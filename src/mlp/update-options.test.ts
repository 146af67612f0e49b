import { describe, expect, it } from 'vitest';
import type { UpdateSpec } from '../ps/optimizer/update-spec.js';
import { checkUpdate } from './update-options.js';

const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;

describe('checkUpdate', () => {
  it.each<UpdateSpec>([
    { optimizer },
    { optimizer: { kind: 'l-bfgs' }, l2: 0.1 },
    { optimizer: { ...optimizer, momentum: 0.9, nesterov: true }, clipNorm: 1, l1: 0, l2: 1e-4, weightDecay: 0.01 },
    { optimizer: { kind: 'adamw', learningRate: 1, weightDecay: 0 }, clipValue: 0.5, schedule: undefined },
    { optimizer, schedule: { kind: 'cosine', over: { epochs: 3 }, warmup: { over: { steps: 10 }, from: 0.1 } } },
    { optimizer, schedule: { kind: 'piecewise', boundaries: [{ epochs: 1 }], factors: [1, 0.1] } },
    { optimizer, batchScaling: { rule: 'linear', batchSize: 1024, baseBatchSize: 256 } },
  ])('takes %o', (update) => {
    expect(checkUpdate('Owner', update)).toBe(update);
  });

  it.each([
    [{}, 'Owner needs the option "optimizer"'],
    [{ optimizer: 'adam' }, "Owner: optimizer must be an object, not 'adam'"],
    [{ optimizer: { kind: 'adamax' } }, "optimizer must have a kind, 'sgd' or 'adagrad' or 'rmsprop' or 'adam'"],
    [{ optimizer: { kind: 'sgd' } }, 'Owner: optimizer sgd needs the option "learningRate"'],
    [
      { optimizer: { ...optimizer, momentun: 0.9 } },
      'optimizer sgd has no option "momentun"; the options are learning',
    ],
    [{ optimizer: { ...optimizer, momentum: 1 } }, 'momentum must be a number of at least 0, below 1, not 1'],
    [{ optimizer: { ...optimizer, nesterov: true } }, 'nesterov needs a momentum'],
    [{ optimizer, clip: 1 }, 'Owner has no option "clip"'],
    [{ optimizer, l2: -1 }, 'l2 must be a number of at least 0, not -1'],
    [{ optimizer, clipNorm: 1, clipValue: 1 }, 'clipValue and clipNorm exclude each other'],
    [{ optimizer: { kind: 'adamw', learningRate: 1, weightDecay: 1 }, weightDecay: 1 }, 'weightDecay is given twice'],
    [{ optimizer: { kind: 'l-bfgs' }, clipNorm: 1, l1: 1 }, 'takes no clipNorm, l1'],
    [{ optimizer, schedule: { kind: 'cosine' } }, 'schedule cosine needs the option "over"'],
    [
      { optimizer, schedule: { kind: 'cosine', over: 3 } },
      'over must be { steps } or { epochs } with a number above 0',
    ],
    [{ optimizer, schedule: { kind: 'step', every: { epoch: 3 } } }, 'every must be { steps } or { epochs }'],
    [{ optimizer, schedule: { kind: 'constant', warmup: { steps: 3 } } }, 'warmup must be { over: { steps }'],
    [{ optimizer, schedule: { kind: 'one-cycle', over: { steps: 3 }, warmup: {} } }, 'has no option "warmup"'],
    [{ optimizer, schedule: { kind: 'piecewise', boundaries: [], factors: [] } }, 'one factor more than boundaries'],
    [
      { optimizer, schedule: { kind: 'cosine', over: { epochs: 2 }, warmup: { over: { epochs: 5 } } } },
      'schedule cosine ends, { epochs: 2 }, before its warm-up does, { epochs: 5 }',
    ],
    [{ optimizer, batchScaling: { rule: 'linear', batchSize: 3 } }, 'batchScaling needs the option "baseBatchSize"'],
  ])('refuses %o', (update, message) => {
    expect(() => checkUpdate('Owner', update as never)).toThrow(TypeError);
    expect(() => checkUpdate('Owner', update as never)).toThrow(message);
  });
});
