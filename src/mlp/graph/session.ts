import { type CallHandle, type GraphHandle, type NativeAddon, nativeAddon } from '../../native/addon.js';
import type { Precision } from '../backend.js';
import type { TensorFlowLibrary } from '../native.js';
import { type GraphNode, reference, type Signature } from './graph-builder.js';
import { onMatrixUnits } from './matrix-units.js';
import { encodeGraph } from './saved-model.js';

export type Values = Float32Array | Int32Array;

export interface Feed {
  readonly values: Values;
  readonly shape: readonly number[];
}

/** A signature made ready to be called. */
export interface Call {
  readonly handle: CallHandle;
  /** Names of what is fed, in order. */
  readonly inputs: readonly string[];
}

const ANYWHERE: readonly undefined[] = [];

/**
 * A graph in a session of its own, in the TensorFlow library of this process. It can grow.
 * Calls are synchronous and block the thread. They go through Sheaf's add-on: tfjs-node wraps every array in two tensors,
 * looks every name up again and makes new memory for every output.
 *
 * An array given to a call may be read until it returns, and never after it; one aligned to 64 bytes is not copied.
 */
export class GraphSession<Name extends string> {
  readonly #addon: NativeAddon;
  readonly #graph: GraphHandle;
  readonly #calls: Readonly<Record<Name, Call>>;
  #parts = 0;

  /**
   * @param library from `loadLibrary`: TensorFlow must be in this process
   * @param units the precision of products on the processor's matrix units; absent: TensorFlow's own products
   * @throws Error when the add-on has not been compiled, or TensorFlow refuses the graph
   */
  constructor(
    library: TensorFlowLibrary,
    nodes: readonly GraphNode[],
    signatures: Readonly<Record<Name, Signature>>,
    units?: Precision,
  ) {
    const addon = nativeAddon();
    if (!addon) throw new Error("Sheaf's own add-on is not there: npm run native compiles it");
    this.#addon = addon;
    this.#graph = addon.newGraph(!library.gpu);
    this.#calls = this.extend(nodes, signatures, units);
  }

  /**
   * Adds nodes, of any names, to the graph. They share variables and shards with those there by the names of resources.
   * @returns the calls, for `call`
   */
  extend<N extends string>(
    nodes: readonly GraphNode[],
    signatures: Readonly<Record<N, Signature>>,
    units?: Precision,
  ): Readonly<Record<N, Call>> {
    const prefix = `part${this.#parts++}`;
    const computed = units ? onMatrixUnits(nodes, Object.values(signatures), units) : nodes;
    this.#addon.extendGraph(this.#graph, encodeGraph(computed), prefix);
    const calls = Object.entries<Signature>(signatures).map(([name, { inputs, outputs }]) => {
      const names = (tensors: Signature['inputs']) =>
        Object.values(tensors).map((tensor) => `${prefix}/${reference(tensor)}`);
      const handle = this.#addon.prepareCall(this.#graph, names(inputs), names(outputs));
      return [name, { handle, inputs: Object.keys(inputs) }];
    });
    return Object.fromEntries(calls) as Record<N, Call>;
  }

  /**
   * Runs a signature; gives its outputs in the signature's order.
   * @param into arrays that take outputs, by their place; others come as new arrays of the caller's own
   */
  run(
    signature: Name,
    feeds: Readonly<Record<string, Feed>>,
    into: readonly (Values | undefined)[] = ANYWHERE,
  ): Values[] {
    const call = this.#calls[signature];
    const fed = call.inputs.map((name) => feeds[name]!);
    return this.call(
      call,
      fed.map(({ values }) => values),
      fed.map(({ shape }) => shape),
      into,
    );
  }

  /** The same for a call added by `extend`, its inputs in their order. */
  call(
    { handle }: Call,
    arrays: readonly Values[],
    shapes: readonly (readonly number[])[],
    into: readonly (Values | undefined)[] = ANYWHERE,
  ): Values[] {
    return this.#addon.runCall(handle, arrays, shapes, into);
  }

  /** Ends the session and frees everything resident in it. */
  dispose(): void {
    this.#addon.closeGraph(this.#graph);
  }
}
