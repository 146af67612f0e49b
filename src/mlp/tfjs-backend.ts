import { createRequire } from 'node:module';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { CompiledNetwork, ComputeBackend } from './backend.js';
import { checkLength, checkRows, checkShard, type ShardShape } from './checks.js';
import { wasmFingerprint } from './fingerprint.js';
import { type Layout, layoutOf } from './layout.js';
import type { Network } from './network.js';
import { applyStep, slotCount } from './optimizer-step.js';
import type { OptimizerSpec } from './optimizers.js';
import { type GradientSums, type LayerTensors, type Tfjs, tfjsGradient, tfjsPredict } from './tfjs-ops.js';

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
    compile: async (network, optimizer) => new TfjsNetwork(tf, network, optimizer),
  };
}

interface ResidentShard extends ShardShape {
  readonly features: Tensor2D;
  /** Values, or ones at the classes; rows x outputs. (The wasm kernel of oneHot gives wrong float32 values.) */
  readonly targets: Tensor2D;
}

/** State begins as zeros; it lives in JavaScript, where the optimizer's step is one loop. */
export class TfjsNetwork implements CompiledNetwork {
  readonly stateLength: number;
  readonly #tf: Tfjs;
  readonly #network: Network;
  readonly #optimizer: OptimizerSpec;
  readonly #layout: Layout;
  readonly #state: Float32Array;
  readonly #shards = new Map<number, ResidentShard>();
  /** Tensors of the current theta; made when first needed after a change. */
  #layers: LayerTensors[] | undefined;

  constructor(tf: Tfjs, network: Network, optimizer: OptimizerSpec) {
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
    this.#forgetLayers();
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
    this.#forgetLayers();
  }

  loadShard(shard: number, features: Float32Array, labels: Int32Array | Float32Array): void {
    const shape = checkShard(this.#network, shard, features, labels);
    this.dropShard(shard);
    const { inputs, outputs } = this.#network;
    const { tensor2d } = this.#tf;
    this.#shards.set(shard, {
      ...shape,
      features: tensor2d(features, [shape.rows, inputs]),
      targets: tensor2d(labels instanceof Int32Array ? oneHot(labels, outputs) : labels, [shape.rows, outputs]),
    });
  }

  dropShard(shard: number): void {
    const held = this.#shards.get(shard);
    this.#tf.dispose([held?.features, held?.targets].filter((tensor) => tensor !== undefined));
    this.#shards.delete(shard);
  }

  gradient(shard: number, rows: Int32Array): { gradient: Float32Array; lossSum: number } {
    checkRows(this.#shards, shard, rows);
    if (rows.length === 0) return { gradient: new Float32Array(this.#layout.length), lossSum: 0 };
    const tf = this.#tf;
    const layers = this.#currentLayers();
    const { features, targets } = this.#shards.get(shard)!;
    let sums: GradientSums | undefined;
    // Assigned, not returned: tidy searches what is returned for tensors, element by element.
    tf.tidy(() => {
      const indices = tf.tensor1d(rows, 'int32');
      const batch = [features, targets].map((matrix) => tf.gather(matrix, indices)) as [Tensor2D, Tensor2D];
      sums = tfjsGradient(tf, this.#network, this.#layout, layers, ...batch);
    });
    return this.#network.l2 ? this.#withPenalty(sums!, rows.length, this.#network.l2) : sums!;
  }

  apply(meanGradient: Float32Array, step: number): void {
    checkLength('gradient', meanGradient, this.#layout.length);
    applyStep(this.#optimizer, this.#state, meanGradient, step);
    this.#forgetLayers();
  }

  predict(features: Float32Array, rows: number): Float32Array {
    checkLength('features', features, rows * this.#network.inputs);
    if (rows === 0) return new Float32Array(0);
    const tf = this.#tf;
    const layers = this.#currentLayers();
    const outputs = tf.tidy(() =>
      tfjsPredict(tf, this.#network, layers, tf.tensor2d(features, [rows, this.#network.inputs])),
    );
    const values = outputs.dataSync<'float32'>();
    outputs.dispose();
    return values;
  }

  dispose(): void {
    for (const shard of [...this.#shards.keys()]) this.dropShard(shard);
    this.#forgetLayers();
  }

  #currentLayers(): LayerTensors[] {
    this.#layers ??= this.#layout.layers.map(({ kernel, bias }) => ({
      kernel: this.#matrix(kernel.offset, kernel.shape as [number, number]),
      bias: this.#matrix(bias.offset, [1, bias.size]),
    }));
    return this.#layers;
  }

  #matrix(offset: number, shape: [number, number]): Tensor2D {
    return this.#tf.tensor2d(this.#state.slice(offset, offset + shape[0] * shape[1]), shape);
  }

  #forgetLayers(): void {
    for (const { kernel, bias } of this.#layers ?? []) this.#tf.dispose([kernel, bias]);
    this.#layers = undefined;
  }

  #withPenalty({ gradient, lossSum }: GradientSums, rows: number, l2: number) {
    let squares = 0;
    for (const { kernel } of this.#layout.layers)
      for (let i = kernel.offset; i < kernel.offset + kernel.size; i++) {
        gradient[i]! += rows * l2 * this.#state[i]!;
        squares += this.#state[i]! ** 2;
      }
    return { gradient, lossSum: lossSum + 0.5 * l2 * squares * rows };
  }
}

function oneHot(labels: Int32Array, classes: number): Float32Array {
  const ones = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    ones[row * classes + label] = 1;
  });
  return ones;
}
