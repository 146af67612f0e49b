import { dropThreshold, keptScale } from '../dropout.js';
import type { Layer } from '../layout.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { bitcast, cast, constant, pack, plain, reshape } from './ops.js';

/** What keys the draws of one gradient, as int32 scalars. */
export interface DropoutKeys {
  /** The two words of `dropoutKey`, [2]. Only where there is dropout. */
  readonly key?: Tensor;
  readonly shard: Tensor;
  /** Updates made before. */
  readonly step: Tensor;
}

/** The algorithm's number in TensorFlow (`tensorflow/core/framework/rng_alg.h`). */
const PHILOX = 1;

/** The mask of `dropoutMask`, [rows, units]: Philox by TensorFlow's stateless op, keyed by site. @param rows as float32 */
export function dropoutMaskOps(
  g: GraphBuilder,
  { rate, units, number }: Extract<Layer, { kind: 'dropout' }>,
  { key: words, shard, step, rows }: DropoutKeys & { readonly rows: Tensor },
): Tensor {
  const key = bitcast(g, reshape(g, words!, [1, 2]), 'uint64');
  const sites = [constant(g, 'int32', 0), constant(g, 'int32', number), shard, step];
  const counter = bitcast(g, reshape(g, pack(g, sites), [2, 2]), 'uint64');
  const wide = Math.ceil(units / 2);
  const shape = pack(g, [cast(g, rows, 'int32'), constant(g, 'int32', wide)]);
  const attributes = { dtype: { type: 'int32' }, Tshape: { type: 'int32' } } as const;
  const inputs = [shape, key, counter, constant(g, 'int32', PHILOX)];
  const [draws] = g.emit('StatelessRandomUniformFullIntV2', inputs, ['int32'], attributes);
  const halves = reshape(g, bitcast(g, draws, 'int16'), [-1, 2 * wide]);
  const own = units % 2 === 0 ? halves : firstColumns(g, halves, units);
  const threshold = cast(g, constant(g, 'int32', dropThreshold(rate)), 'int16');
  const [kept] = g.emit('GreaterEqual', [own, threshold], ['bool'], { T: { type: 'int16' } });
  return plain(g, 'Mul', [cast(g, kept, 'float32'), constant(g, 'float32', keptScale(rate))]);
}

function firstColumns(g: GraphBuilder, matrix: Tensor, columns: number): Tensor {
  const bounds = [constant(g, 'int32', [0, 0]), constant(g, 'int32', [-1, columns])];
  const attributes = { T: { type: matrix.dtype }, Index: { type: 'int32' } } as const;
  return g.emit('Slice', [matrix, ...bounds], [matrix.dtype], attributes)[0];
}
