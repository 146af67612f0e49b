import { describe, expect, it } from 'vitest';
import { type NumericalPlanInput, numericalPlan } from '../numerical-plan.js';
import { planDifferences } from './plan-differences.js';

const hidden = [{ units: 16, activation: 'relu' }, { units: 8 }] as const;
const network = { inputs: 2, hidden, outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'adam', learningRate: 0.1 } as const;
const settings: NumericalPlanInput = { rows: 1024, batchSize: 512, epochs: 3, seed: 0, network, optimizer };
const differing = (other: Partial<NumericalPlanInput>) =>
  planDifferences(JSON.parse(JSON.stringify(numericalPlan(settings))), numericalPlan({ ...settings, ...other }));

describe('differences of two plans', () => {
  it('are none of equal ones, though one has been JSON', () => {
    expect(differing({})).toEqual([]);
  });

  it.each<[Partial<NumericalPlanInput>, string[]]>([
    [{ epochs: 5 }, ['epochs 3 became 5']],
    [{ batchSize: 256 }, ['batchSize 512 became 256', 'shards 4 became 2']],
    [{ rows: 1025, seed: 1 }, ['training rows 1024 became 1025', 'seed 0 became 1']],
    [{ update: { clipNorm: 1, l2: 0.1 } }, ['clipNorm absent became 1', 'l2 absent became 0.1']],
    [{ optimizer: { ...optimizer, learningRate: 1 } }, ['optimizer.learningRate 0.1 became 1']],
    [
      { optimizer: { kind: 'sgd', learningRate: 1 } },
      ['optimizer {"kind":"adam","learningRate":0.1} became {"kind":"sgd","learningRate":1}'],
    ],
    [
      { network: { ...network, hidden: [{ ...hidden[0], units: 4 }, hidden[1]], inputs: 3 } },
      ['features 2 became 3', 'hidden[0].units 16 became 4'],
    ],
    [
      { network: { ...network, hidden: [hidden[1]] } },
      ['hidden [{"units":16,"activation":"relu"},{"units":8}] became [{"units":8}]'],
    ],
    [{ precision: 'bf16' }, ['precision absent became "bf16"']],
    [{ warmStart: 'ab'.repeat(32) }, ['weights of warmStart (hash) absent became abababab']],
    [{ local: { kind: 'average', steps: 4 } }, ['localSteps or elastic absent became {"kind":"average","steps":4}']],
  ])('are told in the names of options: %j', (other, told) => {
    expect(differing(other)).toEqual(told);
  });
});
