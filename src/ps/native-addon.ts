import { createRequire } from 'node:module';

export type GraphHandle = object;
export type CallHandle = object;

/** Sheaf's own add-on (`native/`): functions on typed arrays, which may lie in shared memory. */
export interface NativeAddon {
  /**
   * Maps the first `bytes` bytes of a file, shared with whoever maps it too; unmapped when the buffer is collected.
   * @param lazily read where they are looked at; default: all at once
   */
  map(path: string, bytes: number, lazily?: boolean): ArrayBuffer;
  /** Rows of a mapped matrix begin to be read from their file, and the caller goes on. */
  willRead(matrix: Float32Array, width: number, rows: Int32Array): void;
  /** Returns when `words[index]` is not `value`, when somebody woke it, or after so many milliseconds; blocks the thread. */
  wait(words: Int32Array, index: number, value: number, milliseconds: number): void;
  /** Wakes everybody who waits for `words[index]`, in whatever process. */
  wake(words: Int32Array, index: number): void;
  /** Whether graphs may use the op `SheafMatMul`: products on the processor's matrix units (Intel AMX). */
  hasMatrixUnits(): boolean;
  /**
   * An empty graph with a session in the TensorFlow library that this process has loaded.
   * @param inCallingThread whether it computes there, or in threads of TensorFlow's
   */
  newGraph(inCallingThread: boolean): GraphHandle;
  /** Adds the nodes of a serialised GraphDef, their names as `prefix/name`. */
  extendGraph(graph: GraphHandle, definition: Uint8Array, prefix: string): void;
  /** Zeros, aligned to 64 bytes: what is fed from there is not copied. */
  alignedMemory(bytes: number): ArrayBuffer;
  /** Looks up what a call feeds and fetches (`node:port`); keep the graph as long as the call. */
  prepareCall(graph: GraphHandle, inputs: readonly string[], outputs: readonly string[]): CallHandle;
  /**
   * Runs the graph; blocks the thread.
   * @param into arrays that take the outputs at their places; a new array is made where there is none
   */
  runCall(
    call: CallHandle,
    arrays: readonly (Float32Array | Int32Array)[],
    shapes: readonly (readonly number[])[],
    into: readonly (Float32Array | Int32Array | undefined)[],
  ): (Float32Array | Int32Array)[];
  /** Ends the session and frees what is resident in it. */
  closeGraph(graph: GraphHandle): void;
}

let loaded: NativeAddon | null | undefined;

/** The add-on, or undefined where it has not been compiled (`npm run native`) or `SHEAF_NATIVE=off` hides it. */
export function nativeAddon(): NativeAddon | undefined {
  if (loaded === undefined) loaded = load();
  return loaded ?? undefined;
}

function load(): NativeAddon | null {
  if (process.env.SHEAF_NATIVE === 'off') return null;
  try {
    return createRequire(import.meta.url)('../../native/build/sheaf.node') as NativeAddon;
  } catch {
    return null;
  }
}
