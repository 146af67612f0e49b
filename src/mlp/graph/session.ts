import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TensorFlow } from '../native.js';
import { type GraphNode, reference, type Signature } from './graph-builder.js';
import { TAG, writeSavedModel } from './saved-model.js';

/** The methods of tfjs-node's add-on that a session needs (`NodeJSKernelBackend.binding`). */
interface Binding {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  createTensor(shape: readonly number[], dtype: number, values: Float32Array | Int32Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array;
  loadSavedModel(directory: string, tags: string): number;
  deleteSavedModel(id: number): void;
  runSavedModel(id: number, inputs: readonly number[], inputNames: string, outputNames: string): { id: number }[];
  getNumOfTensors(): number;
}

export function bindingOf(tf: TensorFlow): Binding {
  return (tf.backend() as unknown as { binding: Binding }).binding;
}

export interface Feed {
  readonly values: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** A signature made ready to be called: names in a fixed order, as the add-on takes them. */
interface Call {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly inputNames: string;
  readonly outputNames: string;
}

/**
 * A graph loaded into a TensorFlow session of its own. Calls are synchronous and block the thread. They go to the
 * add-on directly: tfjs-node's `TFSavedModel.predict` would wrap every array in two tensors and look every name up again.
 *
 * An array given to `run` may be read until `run` returns, and never after it.
 */
export class GraphSession<Name extends string> {
  readonly #binding: Binding;
  readonly #session: number;
  readonly #calls: Readonly<Record<Name, Call>>;

  constructor(tf: TensorFlow, nodes: readonly GraphNode[], signatures: Readonly<Record<Name, Signature>>) {
    this.#binding = bindingOf(tf);
    // In a slot or service: where it is removed with the process, should that be killed meanwhile.
    const directory = mkdtempSync(join(process.env.SHEAF_SCRATCH ?? tmpdir(), 'sheaf-graph-'));
    try {
      writeSavedModel(directory, nodes, signatures);
      this.#session = this.#binding.loadSavedModel(directory, TAG);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    const calls = Object.entries<Signature>(signatures).map(([name, { inputs, outputs }]) => [
      name,
      {
        inputs: Object.keys(inputs),
        outputs: Object.keys(outputs),
        inputNames: Object.values(inputs).map(reference).join(),
        outputNames: Object.values(outputs).map(reference).join(),
      },
    ]);
    this.#calls = Object.fromEntries(calls) as Record<Name, Call>;
  }

  /** Runs a signature; gives its outputs in the signature's order, as arrays of the caller's own. */
  run(signature: Name, feeds: Readonly<Record<string, Feed>>): (Float32Array | Int32Array)[] {
    const binding = this.#binding;
    const { inputs, inputNames, outputNames } = this.#calls[signature];
    const held: number[] = [];
    try {
      for (const name of inputs) {
        const { values, shape } = feeds[name]!;
        held.push(
          binding.createTensor(shape, values instanceof Int32Array ? binding.TF_INT32 : binding.TF_FLOAT, values),
        );
      }
      const fetched = binding.runSavedModel(this.#session, held, inputNames, outputNames).map(({ id }) => id);
      held.push(...fetched);
      return fetched.map((id) => binding.tensorDataSync(id));
    } finally {
      for (const id of held) binding.deleteTensor(id);
    }
  }

  /** Ends the session and frees everything resident in it. */
  dispose(): void {
    this.#binding.deleteSavedModel(this.#session);
  }
}
