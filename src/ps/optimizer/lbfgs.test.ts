import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../../rdd/random.js';
import { javascriptKernels } from '../vector/javascript-kernels.js';
import { Lbfgs, type LbfgsDecision, type LbfgsOptions, type LbfgsState } from './lbfgs.js';
import { addPenalty } from './penalty.js';

type Loss = (theta: Float32Array) => { loss: number; gradient: Float32Array };

function minimise(f: Loss, start: Float32Array, options?: LbfgsOptions) {
  const search = new Lbfgs(start.length, options);
  let evaluations = 0;
  const at = (theta: Float32Array): LbfgsDecision => {
    evaluations++;
    const { loss, gradient } = f(theta);
    return search.next(theta, gradient, loss);
  };
  let decision = at(start);
  while (!decision.done) decision = at(decision.theta);
  return { ...decision, evaluations };
}

const rosenbrock: Loss = (theta) => {
  const [x, y] = theta as unknown as [number, number];
  return {
    loss: (1 - x) ** 2 + 100 * (y - x ** 2) ** 2,
    gradient: Float32Array.of(-2 * (1 - x) - 400 * x * (y - x ** 2), 200 * (y - x ** 2)),
  };
};

/** Σ i (x_i - i)² / 2, i from 1: condition number n. */
const quadratic: Loss = (theta) => ({
  loss: theta.reduce((sum, x, i) => sum + ((i + 1) * (x - i - 1) ** 2) / 2, 0),
  gradient: theta.map((x, i) => (i + 1) * (x - i - 1)),
});

/** Rows of normal features, labels by a known separator with noise, so that the minimum is finite. */
function logisticRegression(rows: number, width: number): Loss {
  const random = keyedRandom(1, 'lbfgs-test');
  const features = Array.from({ length: rows }, () => Array.from({ length: width }, () => 2 * random.uniform() - 1));
  const labels = features.map((row) =>
    row.reduce((z, x, i) => z + x * (i - 2), 0) + 4 * random.uniform() - 2 > 0 ? 1 : 0,
  );
  return (theta) => {
    let loss = 0;
    const gradient = new Float64Array(width);
    features.forEach((row, r) => {
      const z = row.reduce((sum, x, i) => sum + x * theta[i]!, 0);
      loss += Math.log1p(Math.exp(-Math.abs(z))) + Math.max(z, 0) - labels[r]! * z;
      const error = 1 / (1 + Math.exp(-z)) - labels[r]!;
      row.forEach((x, i) => {
        gradient[i] = gradient[i]! + error * x;
      });
    });
    return { loss: loss / rows, gradient: Float32Array.from(gradient, (g) => g / rows) };
  };
}

describe('Lbfgs', () => {
  it("finds the floor of Rosenbrock's valley", () => {
    const { theta, loss, evaluations } = minimise(rosenbrock, Float32Array.of(-1.2, 1), { tolerance: 1e-10 });
    expect(theta[0]).toBeCloseTo(1, 3);
    expect(theta[1]).toBeCloseTo(1, 3);
    expect(loss).toBeLessThan(1e-7);
    expect(evaluations).toBeLessThan(80);
  });

  it('minimises a quadratic of 50 dimensions in fewer steps than it has', () => {
    const { theta, reason, iterations } = minimise(quadratic, new Float32Array(50), { tolerance: 1e-9 });
    theta.forEach((x, i) => {
      expect(x).toBeCloseTo(i + 1, 1);
    });
    expect(reason).toMatch(/converged/);
    expect(iterations).toBeLessThan(50);
  });

  it('fits a logistic regression: the gradient vanishes', () => {
    const f = logisticRegression(200, 5);
    const { theta, loss, reason } = minimise(f, new Float32Array(5));
    expect(reason).toMatch(/converged/);
    expect(Math.max(...f(theta).gradient.map(Math.abs))).toBeLessThan(1e-3);
    expect(loss).toBeLessThan(0.6);
  });

  it('minimises with a penalty: the gradient of both vanishes, which draws kernels and leaves biases', () => {
    const segments = [{ from: 0, to: 4, kind: 'kernel' } as const, { from: 4, to: 5, kind: 'bias' } as const];
    const f = logisticRegression(200, 5);
    const penalised: Loss = (theta) => {
      const { loss, gradient } = f(theta);
      return { loss: loss + addPenalty(0.1, segments, theta, gradient), gradient };
    };
    const { theta, reason } = minimise(penalised, new Float32Array(5), { tolerance: 1e-8 });
    expect(reason).toMatch(/converged|failed/);
    f(theta).gradient.forEach((g, i) => {
      expect(g).toBeCloseTo(i < 4 ? -0.1 * theta[i]! : 0, 3);
    });
  });

  it('stops after so many iterations, or when no step improves', () => {
    expect(minimise(rosenbrock, Float32Array.of(-1.2, 1), { maxIterations: 3 })).toMatchObject({
      reason: 'iterations',
      iterations: 3,
    });
    const wrong: Loss = (theta) => ({ loss: -theta[0]!, gradient: Float32Array.of(1) });
    expect(minimise(wrong, Float32Array.of(1))).toMatchObject({ reason: 'search-failed', loss: -1 });
    expect(minimise(quadratic, Float32Array.of(1))).toMatchObject({ reason: 'gradient-converged', iterations: 0 });
  });

  it('steps back where the loss is no number', () => {
    const bounded: Loss = (theta) => ({
      loss: theta[0]! - Math.log(theta[0]!),
      gradient: Float32Array.of(1 - 1 / theta[0]!),
    });
    const { theta } = minimise(bounded, Float32Array.of(3), { tolerance: 1e-8 });
    expect(theta[0]).toBeCloseTo(1, 3);
  });

  it('has the same bits in JavaScript, and after going on from any state', () => {
    const f = logisticRegression(50, 5);
    const start = new Float32Array(5);
    const whole = minimise(f, start, { memory: 3 });
    expect(minimise(f, start, { memory: 3, kernels: javascriptKernels }).theta).toEqual(whole.theta);

    const states: LbfgsState[] = [];
    const first = new Lbfgs(5, { memory: 3 });
    let decision = first.next(start, f(start).gradient, f(start).loss);
    while (!decision.done) {
      if (states.length <= decision.iterations) states.push(structuredClone(first.state()!));
      decision = first.next(decision.theta, f(decision.theta).gradient, f(decision.theta).loss);
    }
    expect(states.length).toBe(whole.iterations);
    for (const state of states) {
      const other = new Lbfgs(5, { memory: 3 });
      let next = other.resume(state);
      while (!next.done) next = other.next(next.theta, f(next.theta).gradient, f(next.theta).loss);
      expect(next).toEqual(decision);
    }
  });
});
