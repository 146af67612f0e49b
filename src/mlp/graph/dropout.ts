import { dropoutKey, keptScale } from '../dropout.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { bitcast, cast, constant, pack, plain, reshape } from './ops.js';

/** What keys the draws of one gradient, as int32 scalars. */
export interface DropoutKeys {
  readonly seed: number;
  readonly shard: Tensor;
  /** Updates made before. */
  readonly step: Tensor;
}

/** The algorithm's number in TensorFlow (`tensorflow/core/framework/rng_alg.h`). */
const PHILOX = 1;

/**
 * The mask of `dropoutMask`, of the shape of `x`: Philox by TensorFlow's stateless op, keyed by site.
 *
 * @param number the layer's place among the network's dropouts
 */
export function dropoutMaskOps(g: GraphBuilder, x: Tensor, rate: number, number: number, keys: DropoutKeys): Tensor {
  const key = bitcast(g, reshape(g, constant(g, 'int32', dropoutKey(keys.seed).map(signed)), [1, 2]), 'uint64');
  const words = [constant(g, 'int32', 0), constant(g, 'int32', number), keys.shard, keys.step];
  const counter = bitcast(g, reshape(g, pack(g, words), [2, 2]), 'uint64');
  const shapeAttributes = { T: { type: 'float32' }, out_type: { type: 'int32' } } as const;
  const [shape] = g.emit('Shape', [x], ['int32'], shapeAttributes);
  const attributes = { dtype: { type: 'float32' }, Tshape: { type: 'int32' } } as const;
  const inputs = [shape, key, counter, constant(g, 'int32', PHILOX)];
  const [draws] = g.emit('StatelessRandomUniformV2', inputs, ['float32'], attributes);
  const float = { T: { type: 'float32' } } as const;
  const [kept] = g.emit('GreaterEqual', [draws, constant(g, 'float32', rate)], ['bool'], float);
  return plain(g, 'Mul', [cast(g, kept, 'float32'), constant(g, 'float32', keptScale(rate))]);
}

/** A uint32 as the int32 of the same bits. */
function signed(word: number): number {
  return word | 0;
}
