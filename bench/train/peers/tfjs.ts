/** tfjs-node as its users write it: a layers model, `fit` on tensors. TF_NUM_INTRAOP_THREADS says how many threads. */
import { readFileSync } from 'node:fs';
import { loadNative } from '../../../src/mlp/native.js';
import type { Case } from '../cases.js';
import type { Files } from '../data.js';
import { type Finish, serveFits } from './fits.js';

const tf = await loadNative();

const read = ({ images, labels }: Files) => {
  const pixels = readFileSync(images).subarray(16);
  const answers = readFileSync(labels).subarray(8);
  const x = tf.tensor2d(
    Float32Array.from(pixels, (byte) => byte / 255),
    [answers.length, 784],
  );
  return { x, y: tf.tensor1d(Float32Array.from(answers)) };
};
const loaded = new Map<string, ReturnType<typeof read>>();
const resident = (files: Files) => {
  const data = loaded.get(files.images) ?? read(files);
  loaded.set(files.images, data);
  return data;
};

function network({ widths, optimizer }: Case) {
  const last = widths.length - 1;
  const layers = widths.slice(1).map((units, layer) =>
    tf.layers.dense({
      units,
      ...(layer === 0 ? { inputShape: [widths[0]!] } : {}),
      ...(layer === last - 1 ? { activation: 'softmax' } : { activation: 'relu', kernelInitializer: 'heUniform' }),
    }),
  );
  const model = tf.sequential({ layers });
  const { learningRate } = optimizer;
  const chosen =
    optimizer.kind === 'adam' ? tf.train.adam(learningRate) : tf.train.momentum(learningRate, optimizer.momentum);
  model.compile({ optimizer: chosen, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

await serveFits({
  async fit({ case: work, train }) {
    if (work.precision !== 'f32') return { skipped: 'no bf16 in TensorFlow.js' };
    const { x, y } = resident(train);
    const start = performance.now();
    const model = network(work);
    const ends: number[] = [];
    const { history } = await model.fit(x, y, {
      ...{ epochs: work.epochs, batchSize: work.batch, verbose: 0, yieldEvery: 'never' },
      callbacks: { onEpochEnd: async () => void ends.push(performance.now()) },
    });
    const seconds = (performance.now() - start) / 1000;
    model.dispose();
    const epochSeconds = ends.map((end, epoch) => (end - (ends[epoch - 1] ?? start)) / 1000);
    return { seconds, epochSeconds, losses: history.loss as number[] };
  },
  async race({ race, train, test }): Promise<Finish | { skipped: string }> {
    const [{ x, y }, held] = [resident(train), resident(test)];
    const model = network(race.case);
    let [seconds, accuracy] = [0, 0];
    for (let epochs = 1; epochs <= race.maxEpochs; epochs++) {
      const start = performance.now();
      await model.fit(x, y, { epochs: 1, batchSize: race.case.batch, verbose: 0, yieldEvery: 'never' });
      seconds += (performance.now() - start) / 1000;
      const [, measured] = model.evaluate(held.x, held.y, {
        batchSize: 10_000,
      }) as import('@tensorflow/tfjs-node-gpu').Scalar[];
      accuracy = (await measured!.data())[0]!;
      if (accuracy >= race.target) return { seconds, epochs, accuracy };
    }
    return { skipped: `${accuracy.toFixed(4)} after ${race.maxEpochs} epochs` };
  },
});
process.exit();
