import { createRequire } from 'node:module';
import { GraphBuilder } from '../graph/graph-builder.js';
import { matMul, placeholder } from '../graph/ops.js';
import { GraphSession } from '../graph/session.js';
import { loadLibrary, loadNative } from '../native.js';

/** Started by tests: multiplies (1 2) by (3 4)' in each of the ways named, in their order, and prints what came out as JSON. */
const ways: Readonly<Record<string, () => Promise<ArrayLike<number>>>> = {
  async graph() {
    const g = new GraphBuilder();
    const inputs = { a: placeholder(g, 'a', 'float32', [1, 2]), b: placeholder(g, 'b', 'float32', [2, 1]) };
    const outputs = { product: matMul(g, inputs.a, inputs.b) };
    const session = new GraphSession(await loadLibrary(), g.nodes, { multiply: { inputs, outputs } });
    const [product] = session.run('multiply', {
      a: { values: Float32Array.of(1, 2), shape: [1, 2] },
      b: { values: Float32Array.of(3, 4), shape: [2, 1] },
    });
    return product!;
  },
  async tfjs() {
    const tf = await loadNative();
    return tf.matMul([[1, 2]], [[3], [4]]).dataSync();
  },
};
const products: number[][] = [];
for (const way of process.argv.slice(2)) products.push(Array.from(await ways[way]!()));
/** Whether the JavaScript packages are there. */
const packages = Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('@tensorflow/tfjs/'));
process.stdout.write(JSON.stringify({ products, packages }));
