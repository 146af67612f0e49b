import {
  type DType,
  type EmitOptions,
  type GraphBuilder,
  reference,
  type Shape,
  type Tensor,
} from './graph-builder.js';

/** TensorFlow's raw ops, those a network needs, with their attributes filled in. */

export function placeholder(g: GraphBuilder, name: string, dtype: 'float32' | 'int32', shape: Shape): Tensor {
  return g.emit('Placeholder', [], [dtype], { dtype: { type: dtype }, shape: { shape } }, { name })[0];
}

export function constant(g: GraphBuilder, dtype: 'float32' | 'int32', values: number | readonly number[]): Tensor {
  const tensor = Array.isArray(values)
    ? { dtype, shape: [values.length], values: values as readonly number[] }
    : { dtype, shape: [], values: [values as number] };
  return g.emit('Const', [], [dtype], { dtype: { type: dtype }, value: { tensor } })[0];
}

/** An op whose one type attribute is T, that of its first input, and which gives one tensor of that type. */
export function plain(g: GraphBuilder, op: string, inputs: readonly Tensor[], options?: EmitOptions): Tensor {
  const { dtype } = inputs[0]!;
  return g.emit(op, inputs, [dtype], { T: { type: dtype } }, options)[0];
}

export function matMul(
  g: GraphBuilder,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean } = {},
): Tensor {
  return g.emit('MatMul', [a, b], [a.dtype], {
    T: { type: a.dtype },
    transpose_a: { bool: transposeA },
    transpose_b: { bool: transposeB },
  })[0];
}

/** Products of matrices, one for each place of the first dimension, which may be 1 in one of them. */
export function batchMatMul(
  g: GraphBuilder,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean } = {},
): Tensor {
  return g.emit('BatchMatMulV2', [a, b], [a.dtype], {
    T: { type: a.dtype },
    adj_x: { bool: transposeA },
    adj_y: { bool: transposeB },
  })[0];
}

/** A column's sum, as a bias' gradient: in half the time of `Sum`. */
export function columnSums(g: GraphBuilder, values: Tensor): Tensor {
  return plain(g, 'BiasAddGrad', [values]);
}

/** Element by element, with the bits of `addInto`. */
export function addition(g: GraphBuilder, a: Tensor, b: Tensor): Tensor {
  return plain(g, 'AddV2', [a, b]);
}

/** Over one axis, which stays with length 1 when asked to. */
export function sum(g: GraphBuilder, tensor: Tensor, axis: number, keep = false): Tensor {
  return reduced(g, 'Sum', tensor, axis, keep);
}

export function mean(g: GraphBuilder, tensor: Tensor, axis: number, keep = false): Tensor {
  return reduced(g, 'Mean', tensor, axis, keep);
}

function reduced(g: GraphBuilder, op: string, tensor: Tensor, axis: number, keep: boolean): Tensor {
  const attributes = { T: { type: tensor.dtype }, Tidx: { type: 'int32' }, keep_dims: { bool: keep } } as const;
  return g.emit(op, [tensor, constant(g, 'int32', axis)], [tensor.dtype], attributes)[0];
}

/** Elements of `a` where the condition holds, of `b` elsewhere. */
export function select(g: GraphBuilder, condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return g.emit('SelectV2', [condition, a, b], [a.dtype], { T: { type: a.dtype } })[0];
}

export function clip(g: GraphBuilder, tensor: Tensor, low: number, high: number): Tensor {
  return plain(g, 'ClipByValue', [tensor, constant(g, 'float32', low), constant(g, 'float32', high)]);
}

/** Tensors as one, along a new first dimension. */
export function pack(g: GraphBuilder, tensors: readonly Tensor[]): Tensor {
  const { dtype } = tensors[0]!;
  return g.emit('Pack', tensors, [dtype], { N: { int: tensors.length }, T: { type: dtype }, axis: { int: 0 } })[0];
}

/** The same bits as elements of another type; twice as wide ones take the last dimension away. */
export function bitcast(g: GraphBuilder, tensor: Tensor, dtype: DType): Tensor {
  return g.emit('Bitcast', [tensor], [dtype], { T: { type: tensor.dtype }, type: { type: dtype } })[0];
}

/** A vector as a matrix of one column. */
export function matrix(g: GraphBuilder, vector: Tensor): Tensor {
  return reshape(g, vector, [-1, 1]);
}

/** The same tensor where it has the type, and one cast of it however often it is asked for. */
export function cast(g: GraphBuilder, tensor: Tensor, dtype: DType): Tensor {
  return tensor.dtype === dtype ? tensor : g.once(`cast ${reference(tensor)} ${dtype}`, () => castOp(g, tensor, dtype));
}

function castOp(g: GraphBuilder, tensor: Tensor, dtype: DType): Tensor {
  return g.emit('Cast', [tensor], [dtype], { SrcT: { type: tensor.dtype }, DstT: { type: dtype } })[0];
}

export function reshape(g: GraphBuilder, tensor: Tensor, shape: Shape): Tensor {
  const attributes = { T: { type: tensor.dtype }, Tshape: { type: 'int32' } } as const;
  return g.emit('Reshape', [tensor, constant(g, 'int32', shape)], [tensor.dtype], attributes)[0];
}

/** Pieces of a vector, of the given lengths. */
export function split(g: GraphBuilder, vector: Tensor, lengths: readonly number[]): Tensor[] {
  if (lengths.length === 1) return [vector];
  const attributes = {
    T: { type: vector.dtype },
    Tlen: { type: 'int32' },
    num_split: { int: lengths.length },
  } as const;
  const inputs = [vector, constant(g, 'int32', lengths), constant(g, 'int32', 0)];
  return g.emit(
    'SplitV',
    inputs,
    lengths.map(() => vector.dtype),
    attributes,
  );
}

/** Vectors end to end. */
export function concat(g: GraphBuilder, vectors: readonly Tensor[]): Tensor {
  if (vectors.length === 1) return vectors[0]!;
  const { dtype } = vectors[0]!;
  const attributes = { N: { int: vectors.length }, T: { type: dtype }, Tidx: { type: 'int32' } } as const;
  return g.emit('ConcatV2', [...vectors, constant(g, 'int32', 0)], [dtype], attributes)[0];
}

/** The given rows of a matrix, or elements of a vector. */
export function gather(g: GraphBuilder, from: Tensor, rows: Tensor): Tensor {
  return g.emit('GatherV2', [from, rows, constant(g, 'int32', 0)], [from.dtype], {
    Tparams: { type: from.dtype },
    Tindices: { type: 'int32' },
    Taxis: { type: 'int32' },
    batch_dims: { int: 0 },
  })[0];
}

/** How many elements a tensor has, as a float32 scalar. */
export function size(g: GraphBuilder, tensor: Tensor): Tensor {
  const attributes = { T: { type: tensor.dtype }, out_type: { type: 'int32' } } as const;
  return cast(g, g.emit('Size', [tensor], ['int32'], attributes)[0], 'float32');
}

/** The parts of a tensor along its first dimension, `length` of them. */
export function unpack(g: GraphBuilder, vector: Tensor, length: number): Tensor[] {
  const attributes = { num: { int: length }, T: { type: vector.dtype }, axis: { int: 0 } } as const;
  return g.emit(
    'Unpack',
    [vector],
    Array.from({ length }, () => vector.dtype),
    attributes,
  );
}

/** A tensor with the value of `tensor` that exists only after `after` has run: what a call that acts can fetch. */
export function afterwards(g: GraphBuilder, tensor: Tensor, after: readonly Tensor[]): Tensor {
  return plain(g, 'Identity', [tensor], { after });
}

/** A float32 array that stays in the session, in the device's memory, between calls. */
export interface Variable {
  readonly handle: Tensor;
  read(): Tensor;
  /** Returns a node to wait for. */
  assign(value: Tensor): Tensor;
}

export function variable(g: GraphBuilder, name: string, shape: Shape): Variable {
  const dtype = { type: 'float32' } as const;
  const attributes = { dtype, shape: { shape }, shared_name: { string: name }, container: { string: '' } };
  const [handle] = g.emit('VarHandleOp', [], ['resource'], attributes, { name });
  return {
    handle,
    read: () => g.emit('ReadVariableOp', [handle], ['float32'], { dtype })[0],
    assign: (value) => {
      // A fed tensor may share memory with the caller's array, and assignment would keep it: copy.
      const copy = plain(g, 'DeepCopy', [value]);
      return effect(g, 'AssignVariableOp', [handle, copy], { dtype });
    },
  };
}

/** An op without outputs, as something to wait for. Its `port` must not be read. */
export function effect(
  g: GraphBuilder,
  op: string,
  inputs: readonly Tensor[],
  attributes: Parameters<GraphBuilder['emit']>[3],
  options?: EmitOptions,
): Tensor {
  g.emit(op, inputs, [], attributes, options);
  return { node: g.nodes.at(-1)!.name, port: 0, dtype: 'float32' };
}
