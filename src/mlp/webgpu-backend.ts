import { pathToFileURL } from 'node:url';
import { entryPoint } from '../protocol/entry.js';
import type { GradientSum, ValueNode } from '../ps/tree.js';
import {
  type CompiledNetwork,
  type CompileOptions,
  type ComputeBackend,
  moveInto,
  type ShardData,
  type SumRequest,
} from './backend.js';
import type { Network } from './network.js';
import { BlockingThread } from './tfjs/blocking-thread.js';
import type { WebGpuAdapter, WebGpuOrder } from './tfjs/webgpu-thread.js';

/** The backend, and how many tensors are there, for tests. */
export interface WebGpuBackend extends ComputeBackend {
  tensors(): number;
}

/**
 * TensorFlow.js ops on a GPU of any vendor, by WebGPU (Dawn: Vulkan, Metal, Direct3D 12): the ops of `tfjs-wasm`, on another
 * device. Results of a GPU come later and slots wait for theirs, so a thread of its own talks to the GPU.
 *
 * @throws Error when a package or a driver is missing
 */
export async function loadWebGpuBackend(): Promise<WebGpuBackend> {
  const thread = new BlockingThread(pathToFileURL(entryPoint('mlp/tfjs/webgpu-thread.js')).href);
  const call: Call = (order, transfer) => thread.call(order, transfer);
  const { version, vendor, architecture, device, description, software } = call({ op: 'open' }) as WebGpuAdapter;
  const adapter = description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unknown GPU';
  return {
    name: 'tfjs-webgpu',
    description: `TensorFlow.js ${version} (WebGPU, ${adapter})`,
    fingerprint: ['tfjs-webgpu', version, vendor, architecture, device, description].filter(Boolean).join(' '),
    device: software ? 'cpu' : 'gpu',
    async compile(network, options) {
      if (options?.loss) throw new TypeError("a loss function of one's own computes on tfjs-wasm only");
      return new WebGpuNetwork(call, network, options);
    },
    tensors: () => call({ op: 'tensors' }) as number,
  };
}

type Call = (order: WebGpuOrder, transfer?: ArrayBuffer[]) => unknown;

/** Its tensors live in the thread; every method waits for the thread's answer. */
class WebGpuNetwork implements CompiledNetwork {
  readonly #call: Call;
  readonly #id: number;

  constructor(call: Call, network: Network, options: CompileOptions | undefined) {
    this.#call = call;
    this.#id = call({ op: 'compile', network, options }) as number;
  }

  loadShard(shard: number, { features, labels, weights }: ShardData): void {
    const data = { features: own(features), labels: own(labels), ...(weights && { weights: own(weights) }) };
    const transfer = Object.values(data).map(({ buffer }) => buffer as ArrayBuffer);
    this.#call({ op: 'load', id: this.#id, shard, data }, transfer);
  }

  dropShard(shard: number): void {
    this.#call({ op: 'drop', id: this.#id, shard });
  }

  sums(requests: readonly SumRequest[], step: number, shards: number): ValueNode<GradientSum>[][] {
    const travelling = requests.map(({ theta, batches, seed }) => ({
      ...{ theta: own(theta), seed },
      batches: batches.map(({ shard, rows }) => ({ shard, rows: own(rows) })),
    }));
    const order = { op: 'sums', id: this.#id, requests: travelling, step, shards } as const;
    const results = this.#call(order) as ValueNode<GradientSum>[][];
    return results.map((nodes, m) => moveInto(nodes, requests[m]!.into));
  }

  predict(theta: Float32Array, features: Float32Array, rows: number): Float32Array {
    const order = { op: 'predict', id: this.#id, theta: own(theta), features: own(features), rows } as const;
    return this.#call(order, [order.features.buffer as ArrayBuffer]) as Float32Array;
  }

  dispose(): void {
    this.#call({ op: 'dispose', id: this.#id });
  }
}

/** A copy: of a part of a buffer the whole would travel, and what is transferred is gone. */
function own<T extends Float32Array | Int32Array>(values: T): T {
  return values.slice() as T;
}
