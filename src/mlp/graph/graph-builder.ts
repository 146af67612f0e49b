/**
 * A TensorFlow graph as plain data, and the small emitter that makes it. Nothing here knows protobuf (saved-model.ts
 * writes it) or networks (layers.ts, losses.ts emit them).
 */
export type DType =
  | 'float32'
  | 'float64'
  | 'bfloat16'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint64'
  | 'bool'
  | 'string'
  | 'resource';

/** Dimensions; -1 is unknown until run time. A leading dimension (many networks at once) needs no change of types. */
export type Shape = readonly number[];

/** One output of one node. */
export interface Tensor {
  readonly node: string;
  readonly port: number;
  readonly dtype: DType;
  /** Written into a signature, where it is known. */
  readonly shape?: Shape;
}

/** A tensor's values in the graph itself; an array of the type itself is written as it is. */
export type Constant =
  | { readonly dtype: 'float32'; readonly shape: Shape; readonly values: readonly number[] | Float32Array }
  | { readonly dtype: 'float64'; readonly shape: Shape; readonly values: readonly number[] | Float64Array }
  | { readonly dtype: 'int32'; readonly shape: Shape; readonly values: readonly number[] | Int32Array }
  | { readonly dtype: 'string'; readonly shape: Shape; readonly values: readonly string[] };

export type Attribute =
  | { readonly type: DType }
  | { readonly types: readonly DType[] }
  | { readonly shape: Shape }
  | { readonly bool: boolean }
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly tensor: Constant };

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** `node:port` of a tensor, `^node` of a node that must have run before. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** What one call feeds and fetches, by the names its caller uses. */
export interface Signature {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export interface EmitOptions {
  /** Default: the op's name; numbered where taken. */
  readonly name?: string;
  /** Nodes that must have run before. */
  readonly after?: readonly Tensor[];
}

export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly #names = new Map<string, number>();
  readonly #made = new Map<string, Tensor>();

  /** Emits a node and returns its outputs, one for each of `dtypes`. */
  emit<const D extends readonly DType[]>(
    op: string,
    inputs: readonly Tensor[],
    dtypes: D,
    attributes: Readonly<Record<string, Attribute>> = {},
    { name = op, after = [] }: EmitOptions = {},
  ): { [I in keyof D]: Tensor } {
    const node = this.#unique(name);
    const references = [...inputs.map(reference), ...after.map((tensor) => `^${tensor.node}`)];
    this.nodes.push({ name: node, op, inputs: references, attributes });
    return dtypes.map((dtype, port) => ({ node, port, dtype })) as { [I in keyof D]: Tensor };
  }

  /** What `emit` makes, the first time; the same tensor at later calls with the key. */
  once(key: string, emit: () => Tensor): Tensor {
    const made = this.#made.get(key) ?? emit();
    this.#made.set(key, made);
    return made;
  }

  #unique(name: string): string {
    const used = this.#names.get(name) ?? 0;
    this.#names.set(name, used + 1);
    return used === 0 ? name : this.#unique(`${name}_${used}`);
  }
}

/** `node:port`, as TensorFlow names a tensor. */
export function reference(tensor: Tensor): string {
  return `${tensor.node}:${tensor.port}`;
}
