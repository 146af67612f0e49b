import { describe, expect, it } from 'vitest';
import { type OptimizerSpec, optimizerSlots } from '../../ps/optimizer/optimizer.js';
import { RangeOptimizer } from '../../ps/optimizer/range-optimizer.js';
import { EXAMPLE_OPTIMIZERS } from '../../ps/optimizer/testing/optimizers.js';
import { keyedRandom } from '../../rdd/random.js';
import { GraphBuilder } from '../graph/graph-builder.js';
import { afterwards, constant, placeholder, variable } from '../graph/ops.js';
import { GraphSession } from '../graph/session.js';
import { loadLibrary, nativeState, type TensorFlowLibrary } from '../native.js';
import { applyOps, SCHEDULE_LENGTH, scheduleAt } from './training-ops.js';

process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

const LENGTH = 1003; // not a multiple of a vector register's length

/** Of magnitudes 1e-6 to 1e2: what gradients are, and no square that float32 holds as a denormal. */
function numbers(key: number): Float32Array {
  const random = keyedRandom(5, 'training-ops-test', key);
  return Float32Array.from({ length: LENGTH }, () => (random.uniform() - 0.5) * 10 ** (8 * random.uniform() - 6));
}

function trainingOps(library: TensorFlowLibrary, optimizer: OptimizerSpec) {
  const g = new GraphBuilder();
  const names = ['theta', ...optimizerSlots(optimizer).map(({ name }) => name)];
  const variables = names.map((name) => variable(g, name, [LENGTH]));
  const values = names.map((name) => placeholder(g, `${name}_in`, 'float32', [LENGTH]));
  const gradient = placeholder(g, 'gradient', 'float32', [LENGTH]);
  const schedule = placeholder(g, 'schedule', 'float32', [SCHEDULE_LENGTH]);
  const done = constant(g, 'int32', 0);
  const [theta, ...slots] = variables;
  const applied = applyOps(g, optimizer, theta!, slots, gradient, schedule);
  return new GraphSession(library, g.nodes, {
    set: {
      inputs: Object.fromEntries(values.map((value, i) => [i, value])),
      outputs: {
        done: afterwards(
          g,
          done,
          variables.map((target, i) => target.assign(values[i]!)),
        ),
      },
    },
    apply: { inputs: { gradient, schedule }, outputs: { done: afterwards(g, done, [applied]) } },
    state: { inputs: {}, outputs: Object.fromEntries(variables.map((held, i) => [i, held.read()])) },
  });
}

describe.runIf(nativeState().installed)("TensorFlow's training ops", () => {
  it.each(EXAMPLE_OPTIMIZERS.filter(({ kind }) => kind !== 'adamw'))(
    'give the bits of RangeOptimizer: %o',
    async (optimizer) => {
      const session = trainingOps(await loadLibrary(), optimizer);
      const owner = new RangeOptimizer({ optimizer }, [{ from: 0, to: LENGTH, kind: 'kernel' }], {
        from: 0,
        to: LENGTH,
      });
      const theta = numbers(0);
      const state = [theta, ...owner.slots];
      session.run('set', Object.fromEntries(state.map((values, i) => [i, { values, shape: [LENGTH] }])));
      for (let step = 1; step <= 20; step++) {
        const gradient = numbers(step);
        const schedule = scheduleAt(optimizer, step);
        session.run('apply', {
          gradient: { values: gradient, shape: [LENGTH] },
          schedule: { values: schedule, shape: [SCHEDULE_LENGTH] },
        });
        owner.update(theta, gradient, 1, step);
      }
      expect(session.run('state', {}).map(bytes)).toEqual(state.map(bytes));
      session.dispose();
    },
  );
});

const bytes = (values: Float32Array | Int32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');
