import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type GraphHandle = object;
export type CallHandle = object;

/** Sheaf's own add-on (`native/`): functions on typed arrays, which may lie in shared memory. */
export interface NativeAddon {
  /**
   * Maps the first `bytes` bytes of a file, shared with whoever maps it too; unmapped when the buffer is collected.
   * @param lazily read where they are looked at; default: all at once
   */
  map(path: string, bytes: number, lazily?: boolean): ArrayBuffer;
  /**
   * Maps a part of a file; what is written into the buffer reaches nobody else. Read where it is looked at. Unmapped by a
   * later turn of the event loop than the one in which the buffer is collected.
   * @throws Error when 16,384 files are mapped
   */
  mapToRead(path: string, offset: number, bytes: number): ArrayBuffer;
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

/** The add-on, or why it is not used and the command that mends it. */
export type AddonState =
  | { readonly addon: NativeAddon }
  | { readonly addon?: undefined; readonly reason: string; readonly advice: string };

const SOURCES = fileURLToPath(new URL('../../native/', import.meta.url));

let state: AddonState | undefined;

/** The add-on, or undefined where there is none that can be used: `addonState` says why. */
export function nativeAddon(): NativeAddon | undefined {
  return addonState().addon;
}

/** Looked up once in a process. `SHEAF_NATIVE=off` hides it. */
export function addonState(): AddonState {
  state ??=
    process.env.SHEAF_NATIVE === 'off'
      ? { reason: 'SHEAF_NATIVE=off hides it', advice: 'unset SHEAF_NATIVE' }
      : loadAddon(join(SOURCES, 'build', 'sheaf.node'), SOURCES);
  return state;
}

/**
 * Loads an add-on, unless it was compiled from other sources than those that lie here: what calls it is as new as they are,
 * and would fail, or compute other numbers, in ways hard to trace back. Where no sources lie it is taken as it is.
 */
export function loadAddon(path: string, sources: string): AddonState {
  const advice = 'npm run native';
  const missing = (what: string): AddonState => ({ reason: `Sheaf's own add-on ${what}`, advice });
  if (!existsSync(path)) return missing('has not been compiled');
  try {
    const addon = createRequire(import.meta.url)(path) as NativeAddon & { readonly sources?: string };
    const here = sourcesHash(sources);
    // Compiled by hand it knows nothing of its sources.
    if (here === undefined || addon.sources === '' || addon.sources === here) return { addon };
    return missing('was compiled from other sources than lie in native/');
  } catch (error) {
    return missing(`does not load (${(error as Error).message.split('\n', 1)})`);
  }
}

/** As `scripts/addon.mjs` computes it; half a millisecond. @returns undefined where there are no sources */
export function sourcesHash(folder: string): string | undefined {
  const names = readdirSync(folder).filter((name) => /\.(cc|h)$/.test(name));
  if (names.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const name of names.sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex').slice(0, 16);
}
