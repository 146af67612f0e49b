import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';
import { type AddonState, addonState } from '../native/addon.js';
import { lackText } from './lack.js';

/** TensorFlow's library in this process: all that graphs need (graph/session.ts). */
export interface TensorFlowLibrary {
  /** Of TensorFlow itself, as the loaded library tells it. */
  readonly version: string;
  /** Whether it computes on the GPU: a CUDA build without a working driver computes on the CPU, silently. */
  readonly gpu: boolean;
}

/** TensorFlow's library in this process, with tfjs-node's API around it. */
export type TensorFlow = typeof import('@tensorflow/tfjs-node-gpu');

/** What `npm run native` left: TensorFlow linked and Sheaf's own add-on compiled, or why not and the command that mends it. */
export type NativeState =
  | {
      readonly installed: true;
      /** Version of TensorFlow itself, not of tfjs-node. */
      readonly tensorflow: string;
      /** Kind of build: a CUDA build also computes on a machine without a GPU. */
      readonly device: 'cpu' | 'cuda';
      /** Whether the GPU was in use when the part was linked. */
      readonly gpu: boolean;
    }
  | { readonly installed: false; readonly reason: string; readonly advice: string };

/** Native TensorFlow cannot be used here; the message says why, and what mends it. */
export class NoNativeError extends Error {
  override readonly name = 'NoNativeError';

  constructor(reason: string, advice: string, options?: ErrorOptions) {
    super(`no native TensorFlow: ${lackText({ reason, advice })}`, options);
  }
}

const PACKAGE = '@tensorflow/tfjs-node-gpu';
/** Where tfjs-node looks for its binding, in its package's folder. */
const BINDING = join('lib', 'napi-v8', 'tfjs_binding.node');
const require = createRequire(import.meta.url);

/**
 * Looks, and loads no TensorFlow: two small files are read, and the add-on is loaded, some two milliseconds in all.
 * `SHEAF_NATIVE=off` hides what is there, to try what a machine without it does.
 * @example const state = nativeState(); if (!state.installed) console.warn(state.reason, state.advice);
 */
export function nativeState(folder: string | undefined = packageFolder(), own: AddonState = addonState()): NativeState {
  const missing = (reason: string, advice = 'npm run native'): NativeState => ({ installed: false, reason, advice });
  if (process.env.SHEAF_NATIVE === 'off') return missing('SHEAF_NATIVE=off hides it', 'unset SHEAF_NATIVE');
  if (!folder) return missing(`the optional npm package ${PACKAGE} is not installed`, 'npm ci --include=optional');
  const record = readRecord(join(folder, 'lib', 'sheaf-native.json'));
  if (!record) return missing('TensorFlow has not been linked yet');
  if (record.reason !== undefined) return missing(record.reason, record.advice);
  if (!resolves(join(folder, BINDING))) {
    return missing(`TensorFlow was linked, and its files are gone from ${record.folder}`);
  }
  // It runs the graphs.
  if (!own.addon) return missing(own.reason, own.advice);
  return { installed: true, tensorflow: record.tensorflow!, device: record.device!, gpu: record.gpu === true };
}

/**
 * Loads TensorFlow's library into this process, by tfjs-node's binding alone: without its JavaScript, which takes as long
 * again. 470 MB, mostly shared with other processes. Call it only where networks are trained or used, in a process's main
 * thread (the add-on cannot be loaded in a second thread). Thread counts (`TF_NUM_INTRAOP_THREADS`) are the caller's to set
 * before.
 * @throws NoNativeError with the reason and the command that mends it, when the native part is absent or does not load.
 * @example const session = new GraphSession(await loadLibrary(), nodes, signatures);
 */
export async function loadLibrary(): Promise<TensorFlowLibrary> {
  const binding = requireNative<Binding>(join(packageFolder() ?? '', BINDING));
  return { version: binding.TF_Version, gpu: binding.isUsingGpuDevice() };
}

/**
 * Loads tfjs-node, for operations one by one; never beside another copy of `@tensorflow/tfjs`. Before `loadLibrary` or after
 * it: both find the same binding.
 * @throws NoNativeError as `loadLibrary`
 * @example const tf = await loadNative(); tf.matMul(a, b);
 */
export async function loadNative(): Promise<TensorFlow> {
  // tfjs-node 4.22 calls what Node 22 warns of and Node 23 removed.
  Object.assign(util, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  });
  return requireNative(PACKAGE);
}

function requireNative<T>(module: string): T {
  const state = nativeState();
  if (!state.installed) throw new NoNativeError(state.reason, state.advice);
  // TensorFlow reads these once, when its libraries are loaded.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  try {
    return require(module) as T;
  } catch (error) {
    const reason = `TensorFlow ${state.tensorflow} does not load: ${(error as Error).message.split('\n', 1)[0]}`;
    throw new NoNativeError(reason, 'npm run native', { cause: error });
  }
}

function packageFolder(): string | undefined {
  try {
    return dirname(require.resolve(`${PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}

/** What is used here of the binding's exports. */
interface Binding {
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}

interface LinkRecord {
  tensorflow?: string;
  device?: 'cpu' | 'cuda';
  gpu?: boolean;
  folder?: string;
  reason?: string;
  advice?: string;
}

function readRecord(path: string): LinkRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LinkRecord;
  } catch {
    return undefined;
  }
}

/** The binding is a link into a cache that may have been deleted. */
function resolves(path: string): boolean {
  try {
    return existsSync(realpathSync(path));
  } catch {
    return false;
  }
}
