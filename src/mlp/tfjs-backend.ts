import { createRequire } from 'node:module';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { CompiledNetwork, CompileOptions, ComputeBackend, ShardData, ShardGradient } from './backend.js';
import { checkLength, checkRows, type HeldShard, prepareShard, weightOf } from './checks.js';
import { wasmFingerprint } from './fingerprint.js';
import { type Layout, layoutOf, type Parameter } from './layout.js';
import type { Network } from './network.js';
import { applyStep, slotCount } from './optimizer-step.js';
import type { OptimizerSpec } from './optimizers.js';
import type { Tfjs } from './tfjs/activations.js';
import type { CustomLoss } from './tfjs/custom-loss.js';
import { tfjsGradient, tfjsPredict } from './tfjs/gradient.js';

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
    async compile(network, optimizer, options) {
      if (options?.loss) registerGradients(require);
      return new TfjsNetwork(tf, network, optimizer, options);
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

/** State begins as zeros; it lives in JavaScript, where the optimizer's step is one loop. */
export class TfjsNetwork implements CompiledNetwork {
  readonly stateLength: number;
  readonly #tf: Tfjs;
  readonly #network: Network;
  readonly #optimizer: OptimizerSpec;
  readonly #layout: Layout;
  readonly #seed: number;
  readonly #loss: CustomLoss | undefined;
  readonly #state: Float32Array;
  readonly #shards = new Map<number, ResidentShard>();
  /** Tensors of the current theta; made when first needed after a change. */
  #tensors: Map<Parameter, Tensor> | undefined;

  constructor(tf: Tfjs, network: Network, optimizer: OptimizerSpec, { seed = 0, loss }: CompileOptions = {}) {
    this.#seed = seed;
    this.#loss = loss;
    this.#tf = tf;
    this.#network = network;
    this.#optimizer = optimizer;
    this.#layout = layoutOf(network);
    this.stateLength = this.#layout.length * (1 + slotCount(optimizer));
    this.#state = new Float32Array(this.stateLength);
  }

  setState(state: Float32Array): void {
    checkLength('state', state, this.stateLength);
    this.#state.set(state);
    this.#forgetTensors();
  }

  state(): Float32Array {
    return this.#state.slice();
  }

  theta(): Float32Array {
    return this.#state.slice(0, this.#layout.length);
  }

  setTheta(theta: Float32Array): void {
    checkLength('theta', theta, this.#layout.length);
    this.#state.set(theta);
    this.#forgetTensors();
  }

  /** Its tensors are copies. */
  shareTheta(): boolean {
    return false;
  }

  loadShard(shard: number, data: ShardData): void {
    const { rows, features, labels, weights } = prepareShard(this.#network, shard, data);
    this.dropShard(shard);
    const { inputs, outputs } = this.#network;
    const { tensor1d, tensor2d } = this.#tf;
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
    this.#tf.dispose(tensors.filter((tensor) => tensor !== undefined));
    this.#shards.delete(shard);
  }

  gradient(shard: number, rows: Int32Array, step: number, into?: Float32Array): ShardGradient {
    const held = checkRows(this.#shards, shard, rows);
    if (rows.length === 0)
      return { gradient: into?.fill(0) ?? new Float32Array(this.#layout.length), lossSum: 0, weight: 0 };
    const tf = this.#tf;
    const theta = this.#currentTensors();
    const weight = weightOf(held, rows);
    let sums: Omit<ShardGradient, 'weight'> | undefined;
    // Assigned, not returned: tidy searches what is returned for tensors, element by element.
    tf.tidy(() => {
      const indices = tf.tensor1d(rows, 'int32');
      sums = tfjsGradient(tf, this.#network, this.#layout, theta, {
        ...{ seed: this.#seed, shard, step, weight, loss: this.#loss },
        features: tf.gather(held.features, indices),
        labels: tf.gather(held.targets, indices),
        weights: held.weightTensor && tf.gather(held.weightTensor, indices),
      });
    });
    if (!into) return { ...sums!, weight };
    into.set(sums!.gradient);
    return { gradient: into, lossSum: sums!.lossSum, weight };
  }

  apply(meanGradient: Float32Array, step: number): void {
    checkLength('gradient', meanGradient, this.#layout.length);
    applyStep(this.#optimizer, this.#state, meanGradient, step);
    this.#forgetTensors();
  }

  predict(features: Float32Array, rows: number): Float32Array {
    checkLength('features', features, rows * this.#network.inputs);
    if (rows === 0) return new Float32Array(0);
    const tf = this.#tf;
    const theta = this.#currentTensors();
    const outputs = tf.tidy(() =>
      tfjsPredict(tf, this.#network, this.#layout, theta, tf.tensor2d(features, [rows, this.#network.inputs])),
    );
    const values = outputs.dataSync<'float32'>();
    outputs.dispose();
    return values;
  }

  dispose(): void {
    for (const shard of [...this.#shards.keys()]) this.dropShard(shard);
    this.#forgetTensors();
  }

  #currentTensors(): Map<Parameter, Tensor> {
    this.#tensors ??= new Map(
      this.#layout.parameters.map((parameter) => {
        const { offset, size, shape } = parameter;
        return [parameter, this.#tf.tensor(this.#state.slice(offset, offset + size), [...shape])];
      }),
    );
    return this.#tensors;
  }

  #forgetTensors(): void {
    this.#tf.dispose([...(this.#tensors?.values() ?? [])]);
    this.#tensors = undefined;
  }
}

function oneHot(labels: Int32Array, classes: number): Float32Array {
  const ones = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    ones[row * classes + label] = 1;
  });
  return ones;
}
