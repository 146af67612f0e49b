import { describe, expect, it } from 'vitest';
import { MLPClassifier } from './classifier.js';
import { MLPRegressor } from './regressor.js';
import { aggregationOf } from './training-options.js';

describe('options of exchanges', () => {
  it.each([
    [{ aggregation: 'tree', servers: 3 }, "MLPClassifier: servers needs aggregation 'ps', not 'tree'"],
    [
      { aggregation: 'allreduce', replicas: 1, filters: { wire: 'bf16' } },
      "replicas, filters need aggregation 'ps', not 'allreduce'",
    ],
    [{ aggregation: 'allreduce', consistencyOf: () => 'sync' }, "consistencyOf needs aggregation 'ps'"],
    [{ aggregation: 'allreduce', consistency: 'async' }, "consistency other than 'sync' needs aggregation 'ps'"],
    [
      { aggregation: 'ps', allReduce: { wire: { kind: 'top-k', share: 0.1 } } },
      "allReduce needs aggregation 'allreduce', not 'ps'",
    ],
    [{ aggregation: 'tree', allReduce: {} }, "allReduce needs aggregation 'allreduce', not 'tree'"],
    [{ servers: 2, allReduce: { wire: 'bf16' } }, 'allReduce and servers exclude each other'],
    [
      { allReduce: { algorithm: 'ring', wire: { kind: 'top-k', share: 0.1 } } },
      "allReduce's algorithm 'ring' takes wire float32 or bf16, not { kind: 'top-k', share: 0.1 }, which goes with 'sliced'",
    ],
    [
      { allReduce: { algorithm: 'halving-doubling', wire: 'bf16' } },
      "allReduce's algorithm 'halving-doubling' takes wire float32, not 'bf16'",
    ],
    [{ aggregation: 'ps', dynSGD: true }, "dynSGD needs consistency other than 'sync'"],
    [{ consistency: { staleness: 0 }, filters: { cache: true } }, 'filters.cache needs consistency { staleness }'],
    [{ allReduce: [] }, 'allReduce must be { algorithm'],
    [{ optimizer: 'l-bfgs', consistency: 'async' }, 'l-bfgs searches on the slots'],
  ])('%o are refused where nobody would follow them', (options, message) => {
    expect(() => new MLPClassifier(options as never)).toThrow(message);
  });

  it('choose the exchange that follows them', () => {
    expect(aggregationOf({}, 'auto')).toBe('allreduce');
    expect(aggregationOf({ servers: 'auto', replicas: 0, dynSGD: false, consistency: 'sync' }, 'auto')).toBe(
      'allreduce',
    );
    expect(aggregationOf({ servers: 2 }, 'auto')).toBe('ps');
    expect(aggregationOf({ consistencyOf: () => 'async' }, 'auto')).toBe('ps');
    expect(aggregationOf({ consistency: 'async' }, 'auto')).toBe('ps');
    expect(aggregationOf({ servers: 2 }, 'tree')).toBe('tree');
    expect(aggregationOf({ aggregation: 'tree' }, 'auto')).toBe('tree');
  });
});

it('an algorithm takes what it can send', () => {
  new MLPClassifier({ allReduce: { algorithm: 'ring', wire: 'bf16' } });
  new MLPClassifier({ allReduce: { algorithm: 'sliced', wire: { kind: 'threshold', threshold: 1 } } });
  new MLPClassifier({ allReduce: { algorithm: 'halving-doubling' } });
});

describe('measures that a training is watched by', () => {
  it('are those of its models, told before any data is read', () => {
    const watched = (monitor: string) => ({ earlyStopping: { monitor } }) as never;
    expect(() => new MLPClassifier(watched('r2'))).toThrow("monitor must be 'accuracy' or 'macroF1'");
    expect(() => new MLPRegressor(watched('accuracy'))).toThrow("monitor must be 'rmse' or 'mse'");
    new MLPClassifier(watched('rocAuc'));
    new MLPRegressor(watched('r2'));
    expect(() => new MLPClassifier({ earlyStopping: [] } as never)).toThrow('earlyStopping must be true');
  });
});

describe('parts of a network', () => {
  it('that are null are refused by name', () => {
    expect(() => new MLPClassifier({ activation: null } as never)).toThrow('hidden[0].activation must be one of relu');
    expect(() => new MLPClassifier({ kernelInitializer: null } as never)).toThrow('kernelInitializer must be one of');
  });
});
