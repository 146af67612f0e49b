import { createRequire } from 'node:module';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../ps/tree.js';
import {
  type Batch,
  type CompiledNetwork,
  type CompileOptions,
  type ComputeBackend,
  moveInto,
  type ShardData,
  type SumRequest,
} from './backend.js';
import { checkLength, checkRows, type HeldShard, prepareShard, weightOf } from './checks.js';
import { wasmFingerprint } from './fingerprint.js';
import { type Layout, layoutOf } from './layout.js';
import type { Network } from './network.js';
import type { Tfjs } from './tfjs/activations.js';
import {
  type GradientTensors,
  type ParameterTensors,
  readGradient,
  tfjsGradient,
  tfjsPredict,
} from './tfjs/gradient.js';
import { type Reading, readAtOnce } from './tfjs/reading.js';

/**
 * TensorFlow.js ops on WebAssembly: needs nothing but npm packages, several times slower than native TensorFlow.
 * One thread: the threads of its wasm build do not start in Node.
 */
export async function loadTfjsBackend(): Promise<ComputeBackend> {
  const require = createRequire(import.meta.url);
  const tf = require('@tensorflow/tfjs-core') as Tfjs;
  require('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js does not start its WebAssembly backend');
  await tf.ready();
  const fingerprint = wasmFingerprint(tf.version_core, tf.env().getBool('WASM_HAS_SIMD_SUPPORT'));
  return {
    name: 'tfjs-wasm',
    description: fingerprint.description,
    fingerprint: fingerprint.text,
    device: 'cpu',
    async compile(network, options) {
      if (options?.loss) registerGradients(require);
      return new TfjsNetwork(tf, network, options);
    },
  };
}

/** TensorFlow.js' core differentiates nothing by itself. @throws Error when the whole library is not installed */
function registerGradients(require: NodeJS.Require): void {
  try {
    require('@tensorflow/tfjs');
  } catch (error) {
    const message =
      'a loss function of one\'s own needs the npm package "@tensorflow/tfjs", which differentiates it: npm install @tensorflow/tfjs';
    throw new Error(message, { cause: error });
  }
}

interface ResidentShard extends HeldShard {
  readonly features: Tensor2D;
  /** Values, or ones at the classes; rows x outputs. (The wasm kernel of oneHot gives wrong float32 values.) */
  readonly targets: Tensor2D;
  readonly weightTensor: Tensor1D | undefined;
}

/** Theta becomes tensors anew at each call. */
export class TfjsNetwork implements CompiledNetwork {
  readonly #layout: Layout;
  readonly #shards = new Map<number, ResidentShard>();

  constructor(
    readonly tf: Tfjs,
    readonly network: Network,
    readonly options: CompileOptions = {},
  ) {
    this.#layout = layoutOf(network);
  }

  loadShard(shard: number, data: ShardData): void {
    const { rows, features, labels, weights } = prepareShard(this.network, shard, data);
    this.dropShard(shard);
    const { inputs, outputs } = this.network;
    const { tensor1d, tensor2d } = this.tf;
    this.#shards.set(shard, {
      ...{ rows, weights },
      features: tensor2d(features, [rows, inputs]),
      targets: tensor2d(labels instanceof Int32Array ? oneHot(labels, outputs) : labels, [rows, outputs]),
      weightTensor: weights && tensor1d(weights),
    });
  }

  dropShard(shard: number): void {
    const held = this.#shards.get(shard);
    const tensors = [held?.features, held?.targets, held?.weightTensor];
    this.tf.dispose(tensors.filter((tensor) => tensor !== undefined));
    this.#shards.delete(shard);
  }

  sums(requests: readonly SumRequest[], step: number, shards: number): ValueNode<GradientSum>[][] {
    return readAtOnce(this.summing(requests, step, shards));
  }

  *summing(requests: readonly SumRequest[], step: number, shards: number): Reading<ValueNode<GradientSum>[][]> {
    const all: ValueNode<GradientSum>[][] = [];
    for (const { theta, batches, seed = 0, into } of requests) {
      checkLength('theta', theta, this.#layout.length);
      const parameters = this.#tensorsOf(theta);
      try {
        const leaves: ValueNode<GradientSum>[] = [];
        for (const batch of batches) {
          const value = yield* this.#gradient(parameters, batch, step, seed);
          leaves.push({ level: 0, index: batch.shard, value });
        }
        all.push(moveInto(mergeNodes(leaves, shards, addGradientSums), into));
      } finally {
        this.tf.dispose([...parameters.values()]);
      }
    }
    return all;
  }

  *#gradient(parameters: ParameterTensors, { shard, rows }: Batch, step: number, seed: number): Reading<GradientSum> {
    const held = checkRows(this.#shards, shard, rows);
    const weight = weightOf(held, rows);
    if (rows.length === 0) return { gradient: new Float32Array(this.#layout.length), lossSum: 0, rows: 0, weight };
    const { tf } = this;
    const { precision = 'float32', loss } = this.options;
    let sums: GradientTensors | undefined;
    const tensors = tf.tidy(() => {
      const indices = tf.tensor1d(rows, 'int32');
      sums = tfjsGradient(tf, this.network, this.#layout, parameters, {
        ...{ seed, shard, step, weight, loss, precision },
        features: tf.gather(held.features, indices),
        labels: tf.gather(held.targets, indices),
        weights: held.weightTensor && tf.gather(held.weightTensor, indices),
      });
      return [...sums.parameters.values(), sums.perRow];
    });
    yield tensors;
    const read = readGradient(this.#layout, sums!);
    tf.dispose(tensors);
    return { ...read, rows: rows.length, weight };
  }

  predict(theta: Float32Array, features: Float32Array, rows: number): Float32Array {
    return readAtOnce(this.predicting(theta, features, rows));
  }

  *predicting(theta: Float32Array, features: Float32Array, rows: number): Reading<Float32Array> {
    checkLength('theta', theta, this.#layout.length);
    checkLength('features', features, rows * this.network.inputs);
    if (rows === 0) return new Float32Array(0);
    const { tf } = this;
    const parameters = this.#tensorsOf(theta);
    const outputs = tf.tidy(() =>
      tfjsPredict(tf, this.network, this.#layout, parameters, tf.tensor2d(features, [rows, this.network.inputs])),
    );
    yield [outputs];
    const values = outputs.dataSync<'float32'>();
    tf.dispose([outputs, ...parameters.values()]);
    return values;
  }

  dispose(): void {
    for (const shard of [...this.#shards.keys()]) this.dropShard(shard);
  }

  #tensorsOf(theta: Float32Array): ParameterTensors {
    return new Map(
      this.#layout.parameters.map((parameter) => {
        const { offset, size, shape } = parameter;
        return [parameter, this.tf.tensor(theta.slice(offset, offset + size), [...shape])];
      }),
    );
  }
}

function oneHot(labels: Int32Array, classes: number): Float32Array {
  const ones = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    ones[row * classes + label] = 1;
  });
  return ones;
}
