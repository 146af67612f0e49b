import { createRequire } from 'node:module';
import type { CompileOptions, ShardData, SumRequest } from '../backend.js';
import type { Network } from '../network.js';
import { TfjsNetwork } from '../tfjs-backend.js';
import type { Tfjs } from './activations.js';
import { readLater } from './reading.js';

/** What the thread is asked for; networks by the number that `compile` gave. */
export type WebGpuOrder =
  | { readonly op: 'open' }
  | { readonly op: 'compile'; readonly network: Network; readonly options: CompileOptions | undefined }
  | { readonly op: 'load'; readonly id: number; readonly shard: number; readonly data: ShardData }
  | { readonly op: 'drop'; readonly id: number; readonly shard: number }
  | { readonly op: 'sums'; readonly id: number; readonly requests: SumRequest[]; readonly step: number; shards: number }
  | { readonly op: 'predict'; readonly id: number; theta: Float32Array; features: Float32Array; rows: number }
  | { readonly op: 'dispose'; readonly id: number }
  /** How many tensors there are. */
  | { readonly op: 'tensors' };

/** What computes. */
export interface WebGpuAdapter {
  readonly version: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** Whether it is a processor that plays a GPU. */
  readonly software: boolean;
}

/**
 * TensorFlow.js' product by tiles, for all shapes: left to itself it sums some shapes' pieces by atomic additions, in whatever
 * order they come (`MatMulSplitKProgram`), and others by programs that a software GPU takes 100 times longer for.
 */
const PACKED = 3;

let tf: Tfjs;
const networks = new Map<number, TfjsNetwork>();
let compiled = 0;

export function carryOut(order: WebGpuOrder): unknown {
  switch (order.op) {
    case 'open':
      return open();
    case 'compile':
      networks.set(compiled, new TfjsNetwork(tf, order.network, order.options));
      return compiled++;
    case 'load':
      return networks.get(order.id)!.loadShard(order.shard, order.data);
    case 'drop':
      return networks.get(order.id)!.dropShard(order.shard);
    case 'sums':
      return readLater(networks.get(order.id)!.summing(order.requests, order.step, order.shards));
    case 'predict':
      return readLater(networks.get(order.id)!.predicting(order.theta, order.features, order.rows));
    case 'dispose':
      networks.get(order.id)?.dispose();
      return void networks.delete(order.id);
    case 'tensors':
      return tf.memory().numTensors;
  }
}

/** @throws Error when packages or a driver are missing */
async function open(): Promise<WebGpuAdapter> {
  const { create, globals } = await dawn();
  for (const [name, value] of Object.entries(globals)) (globalThis as Record<string, unknown>)[name] ??= value;
  const gpu = create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new Error(
      "WebGPU finds no GPU here: install the GPU's Vulkan driver and the Vulkan loader (Debian: libvulkan1), which vulkaninfo then lists",
    );
  // Where TensorFlow.js looks, when it is loaded; Node has a navigator since 21.
  const browser = globalThis as { navigator?: object };
  browser.navigator ??= {};
  Object.defineProperty(browser.navigator, 'gpu', { value: gpu, configurable: true });
  const require = createRequire(import.meta.url);
  tf = require('@tensorflow/tfjs-core') as Tfjs;
  require('@tensorflow/tfjs-backend-webgpu');
  // Small tensors too: where an op is computed must not depend on what happens to be in the processor's memory.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', PACKED);
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js does not start its WebGPU backend');
  await tf.ready();
  const { vendor, architecture, device, description } = adapter.info;
  const software = /swiftshader|llvmpipe|lavapipe|warp/i.test(`${architecture} ${device} ${description}`);
  return { version: tf.version_core, vendor, architecture, device, description, software };
}

async function dawn() {
  try {
    return await import('webgpu');
  } catch (error) {
    const message =
      'the backend tfjs-webgpu needs two npm packages: npm install webgpu @tensorflow/tfjs-backend-webgpu';
    throw new Error(message, { cause: error });
  }
}
