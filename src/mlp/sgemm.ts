import { GraphBuilder } from './graph/graph-builder.js';
import { afterwards, constant, gather, matMul, placeholder, variable } from './graph/ops.js';
import { GraphSession } from './graph/session.js';
import type { TensorFlowLibrary } from './native.js';

/** A product of resident square float32 matrices: what the device can do at most, by the library that trains on it. */
export interface Sgemm {
  /** Multiplies once; GFLOP/s by the wall clock. */
  measure(): number;
  dispose(): void;
}

/**
 * @param size of the matrices; 1536 is large enough to reach the peak and takes 50 ms a product on one core
 * @example const sgemm = sgemmProbe(await loadLibrary()); sgemm.measure(); // 143
 */
export function sgemmProbe(library: TensorFlowLibrary, size = 1536): Sgemm {
  const g = new GraphBuilder();
  const [left, right] = ['left', 'right'].map((name) => variable(g, name, [size, size]));
  const values = placeholder(g, 'values', 'float32', [size, size]);
  const done = constant(g, 'int32', 0);
  const session = new GraphSession(library, g.nodes, {
    load: { inputs: { values }, outputs: { done: afterwards(g, done, [left!.assign(values), right!.assign(values)]) } },
    // One row of the product is fetched: without a use the product would not be computed.
    multiply: {
      inputs: {},
      outputs: { row: gather(g, matMul(g, left!.read(), right!.read()), constant(g, 'int32', [0])) },
    },
  });
  const matrix = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
  session.run('load', { values: { values: matrix, shape: [size, size] } });
  session.run('multiply', {});
  return {
    measure() {
      const start = process.hrtime.bigint();
      session.run('multiply', {});
      return (2 * size ** 3) / Number(process.hrtime.bigint() - start);
    },
    dispose: () => session.dispose(),
  };
}
