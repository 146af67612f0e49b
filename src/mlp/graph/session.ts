import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CallHandle, type GraphHandle, type NativeAddon, nativeAddon } from '../../ps/native-addon.js';
import type { TensorFlow } from '../native.js';
import { type GraphNode, reference, type Signature } from './graph-builder.js';
import { TAG, writeSavedModel } from './saved-model.js';

export interface Feed {
  readonly values: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** A signature made ready to be called. */
interface Call {
  readonly handle: CallHandle;
  readonly inputs: readonly string[];
}

const ANYWHERE: readonly undefined[] = [];

/**
 * A graph loaded into a session of its own, in the TensorFlow library that tfjs-node has loaded into this process. Calls
 * are synchronous and block the thread. They go through Sheaf's add-on: tfjs-node's `TFSavedModel.predict` wraps every
 * array in two tensors, looks every name up again and makes new memory for every output.
 *
 * An array given to `run` may be read until `run` returns, and never after it.
 */
export class GraphSession<Name extends string> {
  readonly #addon: NativeAddon;
  readonly #graph: GraphHandle;
  readonly #calls: Readonly<Record<Name, Call>>;

  /** @param _loaded TensorFlow must be in this process. @throws Error when the add-on has not been compiled, or TensorFlow refuses the graph */
  constructor(_loaded: TensorFlow, nodes: readonly GraphNode[], signatures: Readonly<Record<Name, Signature>>) {
    const addon = nativeAddon();
    if (!addon) throw new Error("Sheaf's own add-on is not there: npm run native compiles it");
    this.#addon = addon;
    // In a slot or service: where it is removed with the process, should that be killed meanwhile.
    const directory = mkdtempSync(join(process.env.SHEAF_SCRATCH ?? tmpdir(), 'sheaf-graph-'));
    try {
      writeSavedModel(directory, nodes, signatures);
      this.#graph = addon.openGraph(directory, TAG);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    const calls = Object.entries<Signature>(signatures).map(([name, { inputs, outputs }]) => {
      const names = (tensors: Signature['inputs']) => Object.values(tensors).map(reference);
      const handle = addon.prepareCall(this.#graph, names(inputs), names(outputs));
      return [name, { handle, inputs: Object.keys(inputs) }];
    });
    this.#calls = Object.fromEntries(calls) as Record<Name, Call>;
  }

  /**
   * Runs a signature; gives its outputs in the signature's order.
   * @param into arrays that take outputs, by their place; others come as new arrays of the caller's own
   */
  run(
    signature: Name,
    feeds: Readonly<Record<string, Feed>>,
    into: readonly (Float32Array | Int32Array | undefined)[] = ANYWHERE,
  ): (Float32Array | Int32Array)[] {
    const { handle, inputs } = this.#calls[signature];
    const fed = inputs.map((name) => feeds[name]!);
    return this.#addon.runCall(
      handle,
      fed.map(({ values }) => values),
      fed.map(({ shape }) => shape),
      into,
    );
  }

  /** Ends the session and frees everything resident in it. */
  dispose(): void {
    this.#addon.closeGraph(this.#graph);
  }
}
