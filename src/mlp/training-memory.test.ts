import { describe, expect, it } from 'vitest';
import { MLPClassifier } from './classifier.js';
import { MLPRegressor } from './regressor.js';
import { type MemoryPlan, memoryNeeded, requireMemory } from './training-memory.js';

const plan: MemoryPlan = {
  network: { inputs: 1000, hidden: [{ units: 1000, activation: 'relu' }], outputs: 10, loss: 'softmax-cross-entropy' },
  update: { optimizer: { kind: 'adam', learningRate: 0.001 } },
  shards: 4,
  rows: 512,
};
const vector = 4 * (1000 * 1000 + 1000 + 1000 * 10 + 10);

describe('the memory of a training', () => {
  it('is that of weights, gradients, the optimizer and layers', () => {
    expect(memoryNeeded(plan, 2)).toEqual({
      weights: 2 * vector,
      gradients: 2 * vector,
      adam: 2 * vector,
      "shards' own weights": 0,
      "layers' values": 2 * 4 * 2 * 128 * 1010,
    });
    // More slots than shards have nothing to do.
    expect(memoryNeeded(plan, 16).gradients).toBe(4 * vector);
    const elastic = { ...plan, local: { kind: 'elastic', steps: 10 } } as const;
    expect(memoryNeeded(elastic, 2)["shards' own weights"]).toBe(4 * 3 * vector);
    const search = { ...plan, update: { optimizer: { kind: 'l-bfgs' } } } as const;
    expect(memoryNeeded(search, 2)['l-bfgs']).toBe(2 * 10 * 2 * vector);
    const sgd = { ...plan, update: { optimizer: { kind: 'sgd', learningRate: 1 } } } as const;
    expect(memoryNeeded(sgd, 2).sgd).toBe(0);
  });

  it('that a machine has not is refused, with what takes it and what to do', () => {
    expect(() => requireMemory('MLPClassifier.fit', plan, 2, 30e6)).not.toThrow();
    expect(() => requireMemory('MLPClassifier.fit', plan, 2, 20e6)).toThrow(
      'MLPClassifier.fit: the network has 1,011,010 weights (layer0/kernel, 1000 x 1000: 1,000,000); to train it on 2 slots takes at least ' +
        "26 MB (weights 8.1 MB, gradients 8.1 MB, adam 8.1 MB, layers' values 2.1 MB), and this machine has 20 MB. Make hidden layers smaller",
    );
  });

  it('beyond any machine is refused with the options', () => {
    expect(() => new MLPClassifier({ hidden: [1e9] })).toThrow(
      /^MLPClassifier: the network has 4,000,000,002 weights \(layer1\/kernel, 1000000000 x 2: 2,000,000,000\), 16 GB; networks have at most 2,147,483,647\. Make hidden layers smaller$/,
    );
    expect(() => new MLPRegressor({ hidden: [1e5, 1e5] })).toThrow(RangeError);
    expect(() => new MLPClassifier({ hidden: [10_000, 10_000] })).not.toThrow();
  });
});
